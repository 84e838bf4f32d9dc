"""What people ask for in the console where several machines share the store: done once, by whichever worker, and after no long pull."""

import time
from typing import Any

import pytest

from syncd.daemon import cluster, queue
from syncd.order import OrderReport
from syncd.report import State, Trigger
from syncd.settings.file import load
from syncd.store import members, open_store, orders, pause, runs
from tests.daemon.machines import Machines, until
from tests.daemon.test_dispatcher import JOBS, claim, dispatcher, row
from tests.faults.test_slowed_down import ended
from tests.who import OPERATOR


def asks(fleet: Machines, source: str, what: str = "sync", **options: Any) -> int:
    with fleet.store.write() as connection:
        return orders.give(connection, source, what, by="lisa", **options)


def order(fleet: Machines, number: int) -> OrderReport:
    return orders.get(fleet.store, number)


def pauses(fleet: Machines, source: str, *, resumes: bool = False) -> None:
    with fleet.store.write() as connection:
        assert pause.resume(connection, source, by=OPERATOR) if resumes else pause.pause(connection, source, by=OPERATOR)


@pytest.mark.fault("X1")
def test_what_was_asked_for_is_done_by_another_worker_when_one_is_killed_and_answers_wait_for_no_pull(fleet: Machines) -> None:
    fleet.configure("shelbyville", "springfield", workers=1, silence=60)
    assert fleet.command("sync", "shelbyville").code == 0
    fleet.sandbox.rehearse("mass-removal")
    assert fleet.command("sync", "shelbyville", "--full").code == 3
    held = fleet.runs("shelbyville")[-1]
    pauses(fleet, "springfield")
    serve, first = fleet.together("serve", "worker")
    fleet.sandbox.fault("slow", path="/users", seconds=60, times=1)
    pull = asks(fleet, "springfield", mode="full")
    until(fleet.pulling, lambda: first.log + serve.log)
    assert order(fleet, pull).state == "running" and order(fleet, pull).run == fleet.runs("springfield")[-1].run

    answer = asks(fleet, "shelbyville", "approve", run=held.run)
    until(lambda: order(fleet, answer).ended_at, lambda: first.log + serve.log)
    assert order(fleet, answer).state == "done" and fleet.whole("shelbyville")
    assert order(fleet, pull).state == "running", "the only place is taken all the time"

    second = fleet.start("worker")
    first.kill()
    done = until(lambda: order(fleet, pull).ended_at and order(fleet, pull), lambda: second.log + serve.log)
    interrupted, applied = fleet.runs("springfield")
    assert (interrupted.state, interrupted.error) == (State.FAILED, runs.INTERRUPTED)
    assert (applied.trigger, applied.state, applied.account) == (Trigger.MANUAL, State.APPLIED, "lisa")
    assert (done.state, done.run) == ("done", applied.run) and fleet.whole("springfield")

    assert fleet.status()["cluster"]["waiting"] == 0, "what is paused waits for nobody"
    pauses(fleet, "springfield", resumes=True)
    until(lambda: fleet.runs("springfield")[-1].trigger == Trigger.SCHEDULE, lambda: second.log + serve.log)
    until(lambda: not fleet.sql("SELECT 1 FROM procrastinate_jobs"), lambda: second.log + serve.log)
    told = fleet.status()
    assert told["daemon"] and all(source["next"]["pull_at"] for source in told["sources"])
    for process in (second, serve):
        assert "Traceback" not in process.log and '"error"' not in process.log, process.log


def test_it_is_rung_for_what_is_asked_for_once_and_again_when_the_queue_is_lost_or_nobody_took_it(
    fleet: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.configure("shelbyville", "springfield")
    ended(fleet.store, State.HELD, source="springfield")
    pull, answer = asks(fleet, "shelbyville"), asks(fleet, "springfield", "approve", run=1)
    foreign = asks(fleet, "ogdenville")
    rung = [(queue.of_order(pull), "long"), (queue.of_order(answer), "answers")]
    with dispatcher(fleet) as serve, dispatcher(fleet) as other:
        now = time.monotonic()
        with monkeypatch.context() as patch:
            # However slow the machine is.
            patch.setattr(time, "monotonic", lambda: now)
            for one in (serve, other, serve):
                one.look()
                assert fleet.sql(JOBS) == rung
            told = order(fleet, foreign)
            assert told.state == "refused" and "has no source 'ogdenville'" in str(told.error)
            fleet.sql("TRUNCATE procrastinate_jobs CASCADE")
            serve.look()
            assert fleet.sql(JOBS) == [], "it has just rung"
        later = now + load(fleet.config).cluster.tick
        with monkeypatch.context() as patch:
            patch.setattr(time, "monotonic", lambda: later)
            serve.look()
        assert fleet.sql(JOBS) == rung


@pytest.mark.fault("X8")
def test_an_order_is_taken_by_no_dead_member_and_its_job_stands_as_long_as_one_is_at_it(fleet: Machines) -> None:
    number = asks(fleet, "springfield")
    with dispatcher(fleet) as serve:
        store = open_store(fleet.url)
        with cluster.member(store, load(fleet.config), members.WORKER) as worker:
            serve.look()
            ((job,),) = fleet.sql("UPDATE procrastinate_jobs SET status = 'doing' RETURNING id")
            with store.write() as connection:
                assert orders.take(connection, number, worker.name, int(str(job)))
            fleet.sql("UPDATE procrastinate_events SET at = at - interval '1 hour'")
            serve.tick()
            assert ("doing",) in fleet.sql("SELECT status::text FROM procrastinate_jobs WHERE task_name = 'order'")
            fleet.sql("UPDATE members SET seen_at = now() - interval '1 minute' WHERE name = %s", worker.name)
            serve.tick()
            assert fleet.sql("SELECT 1 FROM procrastinate_jobs WHERE task_name = 'order'") == []
            assert order(fleet, number).state == "waiting"
            with open_store(fleet.url).write() as connection:
                assert orders.take(connection, number, worker.name, int(str(job))) is None
        store.close()


def test_a_source_that_is_paused_is_neither_rung_for_nor_pulled_and_what_fell_due_is_made_up_for(fleet: Machines) -> None:
    fleet.configure("springfield", schedule="every 15 minutes")
    ended(fleet.store, State.APPLIED)
    with dispatcher(fleet) as serve:
        store = open_store(fleet.url)
        with cluster.member(store, load(fleet.config), members.WORKER) as worker:
            serve.tick()
            assert row(fleet, "wanted") == ("incremental",)
            pauses(fleet, "springfield")
            assert claim(fleet, worker.name) is None, "it was rung for before"
            fleet.sql("DELETE FROM procrastinate_jobs")
            fleet.sql("UPDATE due SET wanted = NULL, wanted_at = NULL, pull_at = now() + interval '9 minutes', full_at = now()")
            serve.tick()
            assert fleet.sql(JOBS) == []
            pauses(fleet, "springfield", resumes=True)
            assert row(fleet, "pull_at <= now()") == (True,)
            serve.tick()
            assert len(fleet.sql(JOBS)) == 1 and row(fleet, "wanted") == ("full",)
        store.close()
