"""One run of a source at a time, whoever wants it, and no ghost applies: on PostgreSQL, where commands and workers meet."""

import signal

import pytest

from syncd.contract.connector import Context
from syncd.report import State, Trigger
from syncd.settings.file import load
from syncd.store import runs
from syncd.sync.run import Order, Step, run
from tests.daemon.machines import Machines, until
from tests.daemon.test_dispatcher import dispatcher

OVERTAKEN = "another run took over while this one was stopped; nothing of this one was applied"
# Of a source's lock: it is the only advisory lock of a run, while members share theirs.
END_THE_LOCKS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND l.mode = 'ExclusiveLock' AND d.datname = current_database()
"""


def applied_once(fleet: Machines) -> bool:
    """Whether each record was created by one run only, and failed runs changed nothing."""
    created = [change for run in fleet.runs() for change in runs.changes_of(fleet.store, run.run) if change.action == "create"]
    failed = [change for run in fleet.runs(None, State.FAILED) for change in runs.changes_of(fleet.store, run.run)]
    return not failed and len(created) == len({(change.kind, change.record_id) for change in created}) > 0


@pytest.mark.fault("X7")
def test_commands_workers_and_dispatchers_that_want_a_source_at_once_take_turns(fleet: Machines) -> None:
    fleet.configure("springfield", silence=60)
    fleet.sandbox.fault("slow", path="/users", seconds=4, times=1)
    commands = [fleet.start("sync", "springfield", *how, ready=False) for how in ((), ("--wait",))]
    serve, _, *workers = fleet.together("serve", "serve", "worker", "worker")
    ended = [command.ended(60) for command in commands]
    until(lambda: any(run.trigger == Trigger.SCHEDULE for run in fleet.applied()), lambda: workers[0].log + serve.log)
    fleet.due_now("springfield")
    until(lambda: len([run for run in fleet.applied() if run.trigger == Trigger.SCHEDULE]) == 2, lambda: workers[0].log + serve.log)
    until(lambda: fleet.sql("SELECT source FROM due WHERE wanted IS NOT NULL OR member IS NOT NULL") == [])
    for command, code in zip(commands, ended, strict=True):
        assert code == 0 or (code == 1 and "a run of this source is already going on (process" in command.log), command.log
    assert ended[-1] == 0, "who waits has a turn"
    assert any("a run of this source is already going on" in command.log for command in commands)
    done = fleet.runs()
    assert {run.state for run in done} == {State.APPLIED}
    assert [run.trigger for run in done].count(Trigger.SCHEDULE) == 2 and len(done) == 2 + ended.count(0)
    for one, following in zip(done, done[1:], strict=False):
        assert one.finished_at is not None and one.finished_at <= following.started_at, "one after the other"
    assert fleet.whole() and applied_once(fleet)


@pytest.mark.fault("X8")
def test_a_worker_that_was_frozen_while_applying_loses_its_transaction_and_applies_nothing(fleet: Machines) -> None:
    with dispatcher(fleet) as serve:
        serve.tick()
        frozen = fleet.start("worker", altered="frozen_at_apply", ready=False)
        until(lambda: frozen.stands_still, lambda: frozen.log)
        second = fleet.start("worker")
        until(lambda: serve.tick() or fleet.applied(), lambda: second.log)
        before = fleet.everything()
        frozen.signal(signal.SIGCONT)
        assert frozen.ended() == 1, frozen.log
        assert [run.state for run in fleet.runs()] == [State.FAILED, State.APPLIED]
        assert fleet.everything() == before and fleet.whole() and applied_once(fleet)
        assert "Traceback" not in frozen.log


@pytest.mark.fault("X8")
def test_a_run_whose_lock_is_lost_applies_nothing_over_the_one_that_began_meanwhile(fleet: Machines) -> None:
    fleet.configure("springfield", silence=60)
    fleet.sandbox.fault("slow", path="/users", seconds=3, times=1)
    with dispatcher(fleet) as serve:
        serve.tick()
        worker = fleet.start("worker")
        until(fleet.pulling, lambda: worker.log)
        assert len(fleet.sql(END_THE_LOCKS)) == 1
        assert fleet.command("sync", "springfield").code == 0
        before = fleet.everything()
        until(lambda: OVERTAKEN in worker.log, lambda: worker.log)
        assert fleet.everything() == before
        # What was due is pulled for all that, since nothing of it was applied.
        until(lambda: serve.tick() or len(fleet.applied()) == 2, lambda: worker.log)
    ghost, by_hand, again = fleet.runs()
    assert (ghost.state, by_hand.trigger, again.trigger) == (State.FAILED, Trigger.MANUAL, Trigger.SCHEDULE)
    assert ghost.error == f"springfield: {OVERTAKEN}."
    assert fleet.whole() and applied_once(fleet)
    assert worker.stop() == 0 and "Traceback" not in worker.log


@pytest.mark.fault("X8")
def test_a_run_whose_lock_is_lost_ends_well_when_no_other_began(fleet: Machines) -> None:
    lost: list[object] = []

    def lose(step: Step) -> None:
        if step.name == "comparing":
            lost.extend(fleet.sql(END_THE_LOCKS))

    report = run(fleet.store, Order.of(load(fleet.config).sources["springfield"], on_step=lose), Context("springfield"))
    assert len(lost) == 1 and (report.state, report.error) == (State.APPLIED, None)
    assert [told.state for told in fleet.runs()] == [State.APPLIED] and fleet.whole()


@pytest.mark.fault("X8")
def test_a_command_whose_lock_is_lost_while_it_applies_and_its_successor_come_one_after_the_other(fleet: Machines) -> None:
    fleet.configure("springfield", silence=60)
    frozen = fleet.start("sync", "springfield", altered="frozen_at_apply", ready=False)
    until(lambda: frozen.stands_still, lambda: frozen.log)
    assert len(fleet.sql(END_THE_LOCKS)) == 1
    with dispatcher(fleet) as serve:
        serve.tick()
        worker = fleet.start("worker")
        waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        until(lambda: fleet.sql(waits) == [(1,)], lambda: worker.log)
        assert not fleet.whole()
        frozen.signal(signal.SIGCONT)
        code = frozen.ended()
        until(lambda: serve.tick() or any(run.trigger == Trigger.SCHEDULE for run in fleet.applied()), lambda: worker.log + frozen.log)
    ghost, *rest = fleet.runs()
    assert (ghost.state, code) in ((State.FAILED, 1), (State.APPLIED, 0))
    assert (list(runs.changes_of(fleet.store, ghost.run)) == []) == (ghost.state == State.FAILED)
    assert fleet.whole() and applied_once(fleet)
    assert "Traceback" not in worker.log + frozen.log
