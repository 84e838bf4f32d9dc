"""What is held, approved and undone stays so, whichever worker dies or pulls meanwhile."""

from collections.abc import Callable

import pytest

from syncd.report import RunReport, State, Trigger
from syncd.store import runs
from tests.daemon.machines import Machines, until


class District:
    """The source of a fleet, with whoever works for it at the moment."""

    def __init__(self, fleet: Machines) -> None:
        self.fleet = fleet
        self.serve, self.worker = fleet.together("serve", "worker")

    def pull(self, *, full: bool = False) -> RunReport:
        """What is due, once it is done."""
        before = len(self.fleet.runs())
        self.falls_due(full=full)
        self.until(lambda: len(self.fleet.runs()) > before and self.fleet.runs()[-1].state != State.RUNNING)
        self.until(lambda: self.fleet.sql("SELECT source FROM due WHERE wanted IS NOT NULL") == [])
        return self.fleet.runs()[-1]

    def falls_due(self, *, full: bool = False) -> None:
        if full:
            self.fleet.sql("UPDATE due SET full_at = now()")
        else:
            self.fleet.due_now("springfield")

    def until(self, done: Callable[[], object]) -> None:
        until(done, lambda: self.worker.log + self.serve.log)

    def begins(self, path: str, *, full: bool = False) -> None:
        """A pull is under way, and waits for its source for longer than anybody has patience."""
        before = len(self.fleet.runs())
        self.fleet.sandbox.fault("slow", path=path, seconds=60)
        self.falls_due(full=full)
        self.until(lambda: len(self.fleet.runs()) > before and self.fleet.runs()[-1].state == State.RUNNING)

    def dies(self, ends: State = State.APPLIED) -> RunReport:
        """The worker is killed: what another one does instead, once it has ended so."""
        self.worker.kill()
        self.fleet.sandbox.clear_faults()
        self.worker = self.fleet.start("worker")
        self.until(lambda: self.fleet.runs()[-1].state == ends)
        return self.fleet.runs()[-1]

    def refused(self, *command: object) -> None:
        told = self.fleet.command(*command)
        assert told.code == 1 and "a run of this source is already going on" in told.err, told

    def active(self) -> set[str]:
        return {user["id"] for user in self.fleet.everything()["users"] if user["status"] == "active"}


@pytest.mark.fault("X1", "V2", "V9")
def test_what_is_held_waits_and_a_persons_answer_stands_whichever_worker_dies_or_pulls(fleet: Machines) -> None:
    fleet.configure("springfield", silence=60)
    district = District(fleet)
    district.until(fleet.applied)
    everybody = district.active()
    fleet.sandbox.rehearse("mass-removal")

    district.begins("/users", full=True)
    held = district.dies(State.HELD)
    waits = list(runs.held_changes_of(fleet.store, held.run))
    gone = {change["id"] for change in waits if change["kind"] == "user"}
    assert len(gone) > 5 and district.active() == everybody

    district.begins("/events")
    district.refused("approve", held.run)
    district.dies()
    assert [run.run for run in fleet.runs(None, State.HELD)] == [held.run]
    assert list(runs.held_changes_of(fleet.store, held.run)) == waits and district.active() == everybody

    assert fleet.command("approve", held.run).code == 0
    approved = fleet.runs()[-1]
    assert (approved.trigger, approved.left_out) == (Trigger.APPROVE, 0) and fleet.whole()
    after = fleet.everything()
    for full in (False, True):
        assert district.pull(full=full).state == State.APPLIED
        assert fleet.everything() == after, "nothing is taken back, and nothing done twice"

    district.begins("/events")
    district.refused("undo", approved.run)
    district.dies()
    assert fleet.command("undo", approved.run).code == 0
    assert district.active() == everybody
    assert district.pull().state == State.APPLIED
    assert district.active() == everybody, "what was undone does not come back with the next poll"
    again = district.pull(full=True)
    assert again.state == State.HELD and district.active() == everybody
    assert {change["id"] for change in runs.held_changes_of(fleet.store, again.run) if change["kind"] == "user"} == gone
    assert fleet.command("reject", again.run).code == 0
    assert fleet.runs(None, State.HELD) == [] and district.active() == everybody
