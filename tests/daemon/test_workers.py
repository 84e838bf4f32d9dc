"""Several machines at one store, as an administrator meets them: real processes, real signals, a real PostgreSQL."""

import signal
import time

import pytest

from syncd.report import State, Trigger
from syncd.store import migrations, runs
from tests.daemon.machines import Machines, until
from tests.faults.test_upgrade import upgraded_by_a_newer


def test_what_is_due_is_pulled_once_whoever_dies_and_all_end_cleanly(fleet: Machines) -> None:
    names = [f"district-{number}" for number in range(5)]
    # Longer than anything here is waited for: what a death delays is not waited for in silence.
    fleet.configure(*names, silence=60)
    other = fleet.start("serve")
    [(dead,)] = fleet.sql("SELECT name FROM members")
    serve, *workers = fleet.together("serve", "worker", "worker")
    until(lambda: len(fleet.applied()) == len(names), lambda: workers[0].log + serve.log)
    assert all(map(fleet.whole, names))
    told = fleet.status()["cluster"]
    assert sorted(member["role"] for member in told["members"]) == ["serve", "serve", "worker", "worker"]
    other.kill()
    fleet.due_now(*names)
    until(lambda: len(fleet.applied()) == 2 * len(names), lambda: workers[0].log + serve.log)
    time.sleep(1.5)
    assert len(fleet.runs()) == 2 * len(names)
    assert fleet.sql("SELECT count(*) FROM procrastinate_jobs") == [(0,)]
    fleet.sql("UPDATE members SET seen_at = now() - interval '2 minutes' WHERE name = %s", dead)
    told = until(lambda: (found := fleet.status()["cluster"]) and len(found["members"]) == 3 and found)
    assert (told["waiting"], told["running"]) == (0, 0)
    assert [process.stop() for process in (*workers, serve)] == [0, 0, 0]
    assert fleet.status()["cluster"]["members"] == []
    for process in workers:
        assert "Traceback" not in process.log and '"error"' not in process.log, process.log


@pytest.mark.fault("X1")
def test_a_worker_that_is_killed_while_pulling_is_noticed_and_another_does_the_run_again_whole(fleet: Machines) -> None:
    # Longer than anything here is waited for: its connections are gone with it, and nobody waits for its silence.
    fleet.configure("springfield", silence=60)
    fleet.sandbox.fault("slow", path="/users", seconds=30, times=1)
    serve, first = fleet.together("serve", "worker")
    until(fleet.pulling, lambda: first.log + serve.log)
    second = fleet.start("worker")
    first.kill()
    until(fleet.applied, lambda: second.log + serve.log)
    time.sleep(1.5)
    assert [run.state for run in fleet.runs()] == [State.FAILED, State.APPLIED]
    assert fleet.whole()


@pytest.mark.fault("X8")
def test_a_worker_that_was_frozen_wakes_up_applies_nothing_and_ends(fleet: Machines) -> None:
    fleet.sandbox.fault("slow", path="/users", seconds=1, times=1)
    serve, frozen = fleet.together("serve", "worker")
    until(fleet.pulling, lambda: frozen.log + serve.log)
    frozen.signal(signal.SIGSTOP)
    second = fleet.start("worker")
    until(fleet.applied, lambda: second.log + serve.log)
    before = fleet.everything()
    frozen.signal(signal.SIGCONT)
    assert frozen.ended() == 1
    assert "the others took it for dead" in frozen.log
    assert [run.state for run in fleet.runs()] == [State.FAILED, State.APPLIED]
    assert list(runs.changes_of(fleet.store, fleet.runs()[0].run)) == []
    assert fleet.everything() == before and fleet.whole()


@pytest.mark.fault("X9", "X10")
def test_a_worker_that_is_stopped_gives_back_what_it_was_at_and_a_new_configuration_is_followed(fleet: Machines) -> None:
    fleet.sandbox.fault("slow", path="/users", seconds=30, times=1)
    serve, first = fleet.together("serve", "worker")
    until(fleet.pulling, lambda: first.log + serve.log)
    assert first.stop() == 0
    assert fleet.status()["cluster"]["waiting"] == 1
    told = fleet.command("status").out
    assert "queue: 1 wait, the oldest for" in told and "no worker is there to pull them: start `syncd worker`" in told
    second = fleet.start("worker")
    until(fleet.applied, lambda: second.log + serve.log)
    stopped, done = fleet.runs()
    assert stopped.error and "asked to stop" in stopped.error and done.state == State.APPLIED
    fleet.configure("springfield", "shelbyville")
    for process in (second, serve):
        process.signal(signal.SIGHUP)
    until(lambda: fleet.applied("shelbyville"), lambda: second.log + serve.log)
    fleet.config.write_text("[sources.springfield]\nconnector = 7")
    second.signal(signal.SIGHUP)
    until(lambda: "the old one stays" in second.log, lambda: second.log)


@pytest.mark.fault("X12")
def test_a_rolling_upgrade_loses_no_run_and_doubles_none(fleet: Machines) -> None:
    fleet.sandbox.fault("slow", path="/users", seconds=2, times=1)
    serve, worker = fleet.together("serve", "worker")
    until(fleet.pulling, lambda: worker.log + serve.log)
    upgraded_by_a_newer(fleet.store)
    assert serve.ended() == 1 and worker.ended() == 1
    assert "upgraded by a newer syncd" in serve.log and "upgraded by a newer syncd" in worker.log
    assert fleet.applied() == [] and not fleet.whole()
    # From here on the installed one is as new as the store.
    fleet.sql("UPDATE alembic_version SET version_num = %s", migrations.newest())
    serve, worker = fleet.together("serve", "worker")
    until(fleet.applied, lambda: worker.log + serve.log)
    time.sleep(1.5)
    assert [run.state for run in fleet.runs()] == [State.FAILED, State.APPLIED]
    assert fleet.whole()


def test_holds_approvals_and_undo_are_as_with_a_single_daemon(fleet: Machines) -> None:
    _, worker = fleet.together("serve", "worker")
    until(fleet.applied, lambda: worker.log)
    fleet.sandbox.rehearse("mass-removal")
    fleet.due_now("springfield")
    (held,) = until(lambda: fleet.runs(None, State.HELD), lambda: worker.log)
    gone = {change["id"] for change in runs.held_changes_of(fleet.store, held.run) if change["kind"] == "user"}
    assert len(gone) > 5 and gone <= {user["id"] for user in fleet.everything()["users"] if user["status"] == "active"}
    assert f"run {held.run} waits" in fleet.command("status").out
    assert fleet.command("approve", held.run).code == 0
    approved = fleet.runs()[-1]
    assert (approved.trigger, approved.state) == (Trigger.APPROVE, State.APPLIED) and fleet.whole()
    assert fleet.command("undo", approved.run).code == 0
    assert gone <= {user["id"] for user in fleet.everything()["users"] if user["status"] == "active"}
    fleet.sql("UPDATE due SET full_at = now()")
    (again,) = until(lambda: fleet.runs(None, State.HELD), lambda: worker.log)
    assert fleet.command("reject", again.run).code == 0
    assert gone <= {user["id"] for user in fleet.everything()["users"] if user["status"] == "active"}


@pytest.mark.fault("X4")
def test_when_the_database_drops_all_connections_pulls_go_on(fleet: Machines) -> None:
    serve, worker = fleet.together("serve", "worker")
    until(fleet.applied, lambda: worker.log)
    fleet.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'syncd %%'")
    # The worker goes on, or ends to be started anew, if it was taken for dead before it had another connection.
    fleet.start("worker")
    fleet.due_now("springfield")
    until(lambda: len(fleet.applied()) == 2, lambda: worker.log + serve.log)
    assert worker.popen.poll() in (None, 1) and serve.stop() == 0


@pytest.mark.fault("H1")
def test_when_one_worker_is_told_to_wait_the_other_waits_too(fleet: Machines) -> None:
    fleet.configure("shelbyville", "springfield", workers=1)
    for name in ("shelbyville", "springfield"):
        assert fleet.command("sync", name).code == 0
    _, *workers = fleet.together("serve", "worker", "worker")
    fleet.sandbox.fault("status", path="/v3.1/", status=429, retry_after=6, times=1)
    fleet.due_now("springfield")
    until(lambda: any(seen.status == 429 for seen in fleet.sandbox.requests()), lambda: workers[0].log + workers[1].log)
    fleet.due_now("shelbyville")
    until(lambda: len(fleet.runs(None, State.RUNNING)) == 2, lambda: workers[0].log + workers[1].log)
    asked = len(fleet.sandbox.requests())
    time.sleep(1.5)
    assert len(fleet.sandbox.requests()) == asked, "the other has begun, and asks nothing"
    until(lambda: len(fleet.applied()) == 4, lambda: workers[0].log + workers[1].log)
    assert len([worker for worker in workers if "answered 429" in worker.log]) == 1


def test_first_pulls_of_huge_districts_leave_a_place_of_each_worker_for_the_small_ones(fleet: Machines) -> None:
    fleet.configure("small")
    assert fleet.command("sync", "small").code == 0
    fleet.configure("huge-1", "huge-2", "small")
    fleet.sandbox.fault("slow", path="/users", seconds=6, times=1)
    _, worker = fleet.together("serve", "worker")
    until(fleet.pulling, lambda: worker.log)
    fleet.due_now("small")
    until(lambda: len(fleet.applied("small")) == 2, lambda: worker.log)
    huge = fleet.runs("huge-1") + fleet.runs("huge-2")
    assert [run.state for run in huge] == [State.RUNNING], "one of two places is not for them"
    until(lambda: fleet.applied("huge-1") and fleet.applied("huge-2"), lambda: worker.log)
