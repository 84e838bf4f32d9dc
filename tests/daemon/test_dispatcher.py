"""What is due, who is at it, and the doorbell: the promises of `syncd serve` where several machines share a store, one step at a time."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from syncd.daemon import breaker, cluster, queue
from syncd.daemon.dispatcher import Dispatcher
from syncd.daemon.pace import SharedPace
from syncd.errors import ConfigError, DaemonRunning
from syncd.report import Mode, State, Trigger
from syncd.settings.file import load
from syncd.settings.schedule import Schedule
from syncd.store import due, lease, members, open_store, runs
from tests.commands import syncd_process
from tests.daemon.machines import Machines
from tests.faults.test_slowed_down import ended

JOBS = "SELECT lock, queue_name FROM procrastinate_jobs ORDER BY lock"


@contextmanager
def dispatcher(fleet: Machines) -> Iterator[Dispatcher]:
    """A `syncd serve` whose ticks the test makes."""
    store = open_store(fleet.url)
    settings = load(fleet.config)
    with cluster.member(store, settings, members.SERVE) as membership:
        yield Dispatcher(membership, settings)
    store.close()


@pytest.fixture
def worker(fleet: Machines) -> Iterator[str]:
    """The name of a member that works, and has a connection as long as it lives."""
    store = open_store(fleet.url)
    with cluster.member(store, load(fleet.config), members.WORKER) as membership:
        yield membership.name
    store.close()


def claim(fleet: Machines, member: str, source: str = "springfield") -> Mode | None:
    """Hear the bell, as a worker does."""
    (job,) = fleet.sql("UPDATE procrastinate_jobs SET status = 'doing' WHERE lock = %s AND status = 'todo' RETURNING id", source) or [(0,)]
    with fleet.store.write() as connection:
        return due.claim(connection, source, int(str(job[0])), member)


def give_back(fleet: Machines, member: str) -> None:
    with fleet.store.write() as connection:
        due.give_back(connection, member, source="springfield")
    fleet.sql("DELETE FROM procrastinate_jobs WHERE status = 'doing'")


def row(fleet: Machines, columns: str, source: str = "springfield") -> tuple[object, ...]:
    return fleet.sql(f"SELECT {columns} FROM due WHERE source = %s", source)[0]


def test_two_that_look_at_the_same_time_queue_each_source_once(fleet: Machines) -> None:
    names = [f"district-{number:03}" for number in range(250)]
    fleet.configure(*names)
    with ExitStack() as stack:
        both = [stack.enter_context(dispatcher(fleet)) for _ in range(2)]
        for _ in range(3):
            threads = [threading.Thread(target=one.tick) for one in both]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            # What one had locked, the other may have passed by.
            both[0].tick()
            assert fleet.sql(JOBS) == [(name, "long") for name in names]
            fleet.sql("UPDATE due SET wanted = NULL, wanted_at = NULL, pull_at = now()")
            fleet.sql("DELETE FROM procrastinate_jobs")


def test_losing_the_whole_queue_costs_one_tick_and_rings_for_nothing_that_is_being_pulled(fleet: Machines, worker: str) -> None:
    fleet.configure("shelbyville", "springfield")
    with dispatcher(fleet) as serve:
        serve.tick()
        assert fleet.sql(JOBS) == [("shelbyville", "long"), ("springfield", "long")]
        assert claim(fleet, worker) == Mode.INCREMENTAL
        fleet.sql("TRUNCATE procrastinate_jobs CASCADE")
        serve.tick()
        assert fleet.sql(JOBS) == [("shelbyville", "long")]
        assert claim(fleet, worker) is None, "another rings for it, but it is being pulled"


def test_the_queue_of_another_version_stays_while_somebody_uses_it(fleet: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'syncd_queue%%' ORDER BY 1"
    with dispatcher(fleet) as older:
        older.tick()
        installed = queue.name()
        monkeypatch.setattr(queue, "name", lambda: "syncd_queue_newer")
        with dispatcher(fleet) as newer:
            assert [name for (name,) in fleet.sql(schemas)] == sorted([installed, "syncd_queue_newer"])
            newer.tick()
            older.tick()
            assert fleet.sql(JOBS) == [("springfield", "long")], "each rings its own workers; the first to hear it pulls"
    with dispatcher(fleet):
        assert fleet.sql(schemas) == [("syncd_queue_newer",)]


@pytest.mark.parametrize(
    ("state", "error", "again"),
    [
        (State.APPLIED, None, False),
        (State.HELD, None, False),
        (State.FAILED, "springfield: sis.example.org answered 503, 5 times in a row.", False),
        (State.FAILED, "springfield: the run was asked to stop.", True),
        (State.FAILED, runs.INTERRUPTED, True),
        (State.FAILED, f"springfield: {lease.OVERTAKEN} while this one was stopped", True),
        (None, None, True),
    ],
)
def test_what_a_dead_worker_had_done_is_not_done_again_and_the_rest_is(
    state: State | None, error: str | None, again: bool, fleet: Machines
) -> None:
    with dispatcher(fleet) as serve:
        store = open_store(fleet.url)
        with cluster.member(store, load(fleet.config), members.WORKER) as dead:
            serve.tick()
            assert claim(fleet, dead.name)
            if state is not None:
                ended(store, state, at=datetime.now(UTC), error=error)
        store.close()
        serve.tick()
        assert [lock for lock, _ in fleet.sql(JOBS)] == (["springfield"] if again else [])
        assert (row(fleet, "wanted, member") == (None, None)) != again


def test_a_job_that_nobody_works_at_does_not_block_its_source(fleet: Machines, worker: str) -> None:
    with dispatcher(fleet) as serve:
        serve.tick()
        fleet.sql("UPDATE procrastinate_jobs SET status = 'doing'")
        serve.tick()
        assert fleet.sql("SELECT status::text FROM procrastinate_jobs") == [("doing",)], "a worker may be about to begin"
        fleet.sql("UPDATE procrastinate_events SET at = at - interval '1 minute'")
        serve.tick()
        assert fleet.sql("SELECT status::text FROM procrastinate_jobs") == [("todo",)]


def test_a_job_that_a_dead_worker_had_taken_and_not_begun_is_rung_for_at_once(fleet: Machines) -> None:
    with dispatcher(fleet) as serve:
        store = open_store(fleet.url)
        with cluster.member(store, load(fleet.config), members.WORKER) as dead:
            serve.tick()
            ((listener,),) = fleet.sql("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
            fleet.sql("UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s", listener)
            with store.write() as connection:
                assert members.seen(connection, dead.name, [int(str(listener))])
            fleet.sql("UPDATE members SET seen_at = now() - interval '1 minute' WHERE name = %s", dead.name)
            serve.tick()
            assert fleet.sql("SELECT status::text FROM procrastinate_jobs") == [("todo",)]
        store.close()


def test_a_member_that_is_silent_loses_its_connections_and_may_claim_nothing(fleet: Machines) -> None:
    with dispatcher(fleet) as serve:
        store = open_store(fleet.url)
        with cluster.member(store, load(fleet.config), members.WORKER) as silent, store.session() as held:
            serve.tick()
            held.execute(text("SELECT 1"))
            connections = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            assert fleet.sql(connections, silent.name)[0][0] >= 2
            fleet.sql("UPDATE members SET seen_at = now() - interval '1 minute' WHERE name = %s", silent.name)
            serve.tick()
            assert fleet.sql(connections, silent.name) == [(0,)]
            assert claim(fleet, silent.name) is None
            with store.write() as connection:
                assert not members.seen(connection, silent.name)
            held.invalidate()
        store.close()


def test_a_source_that_falls_due_while_it_is_pulled_waits_for_its_next_time_and_a_full_pull_is_made_up_for(
    fleet: Machines, worker: str
) -> None:
    fleet.configure("springfield", schedule="every 15 minutes")
    with dispatcher(fleet) as serve:
        serve.tick()
        assert claim(fleet, worker) == Mode.INCREMENTAL
        fleet.sql("UPDATE due SET pull_at = now(), full_at = now()")
        serve.tick()
        assert row(fleet, "pull_at > now() + interval '14 minutes', full_at <= now()") == (True, True)
        ended(fleet.store, State.APPLIED, at=datetime.now(UTC), mode=Mode.INCREMENTAL)
        give_back(fleet, worker)
        serve.tick()
        assert row(fleet, "wanted") == ("full",) and len(fleet.sql(JOBS)) == 1


@pytest.mark.fault("H4")
def test_a_source_that_fails_again_and_again_is_not_queued_until_its_time_or_a_run_by_hand(fleet: Machines) -> None:
    fleet.configure("springfield", schedule="every 15 minutes")
    for _ in range(7):
        ended(fleet.store, State.FAILED, at=datetime.now(UTC) - timedelta(minutes=1), error="answered 503")
    with dispatcher(fleet) as serve:
        serve.tick()
        fleet.sql("UPDATE due SET full_at = now()")
        serve.tick()
        assert fleet.sql(JOBS) == []
        until = breaker.suspicion(runs.latest_pulls(fleet.store, "springfield"), datetime.now(UTC)).until
        assert until is not None
        assert row(fleet, f"wanted, full_at = pull_at, pull_at <= '{until.isoformat()}'") == (None, True, True)
        assert fleet.status()["cluster"]["waiting"] == 0
        ended(fleet.store, State.APPLIED, at=datetime.now(UTC), trigger=Trigger.MANUAL)
        fleet.sql("UPDATE due SET pull_at = now(), full_at = now()")
        serve.tick()
        assert row(fleet, "wanted") == ("full",) and len(fleet.sql(JOBS)) == 1


def test_another_schedule_counts_at_once_and_the_same_one_leaves_the_times_alone(fleet: Machines) -> None:
    fleet.configure("springfield", schedule="every 15 minutes")
    ended(fleet.store, State.APPLIED, at=datetime.now(UTC) - timedelta(minutes=5))
    with dispatcher(fleet) as serve:
        serve.tick()
        (before,) = row(fleet, "pull_at")
        assert fleet.sql(JOBS) == []
        serve.apply(load(fleet.config))
        serve.tick()
        assert row(fleet, "pull_at") == (before,)
        serve.apply(load(fleet.configure("springfield", schedule="every 2 minutes")))
        serve.tick()
        assert fleet.sql(JOBS) == [("springfield", "quick")]


def test_sources_that_were_added_together_are_not_asked_together_for_ever() -> None:
    now = datetime(2026, 11, 23, 8, tzinfo=UTC)
    schedule = Schedule("every 10 minutes")
    seconds = [(schedule.next(None, now, "UTC") - now).total_seconds() for _ in range(500)]
    assert min(seconds) >= 300 and max(seconds) <= 900 and max(seconds) - min(seconds) > 400
    assert schedule.next(now - timedelta(seconds=9), now, "UTC") == now + timedelta(seconds=591)
    assert schedule.next(now - timedelta(days=2), now, "UTC") == now + timedelta(minutes=10)


def test_what_is_due_and_not_queued_shows_as_waiting_when_nobody_looks(fleet: Machines) -> None:
    with dispatcher(fleet) as serve:
        serve.tick()
    fleet.sql("UPDATE due SET wanted = NULL, pull_at = now() - interval '90 seconds', full_at = NULL")
    found = fleet.status()["cluster"]
    assert found["waiting"] == 1 and 90 <= found["oldest"] < 120
    assert "nobody looks for what is due: start `syncd serve`" in fleet.command("status").out


def test_a_host_that_asked_one_to_wait_is_left_alone_by_all_for_as_long_as_the_longest_asked(fleet: Machines) -> None:
    one, other = SharedPace(fleet.store), SharedPace(open_store(fleet.url))
    assert other.wait("sis.example.org") == 0
    one.told("sis.example.org", 30)
    one.told("sis.example.org", 5)
    assert 28 < SharedPace(fleet.store).wait("sis.example.org") <= 30
    assert one.wait("api.example.org") == 0
    fleet.sql("DROP TABLE hosts")
    assert SharedPace(fleet.store).wait("sis.example.org") == 0, "the store will say so itself"


def test_what_can_not_be_shared_is_told(fleet: Machines, tmp_path: Path) -> None:
    plain = tmp_path / "plain.toml"
    plain.write_text(fleet.config.read_text().replace("enabled = true", "enabled = false"))
    refused = syncd_process(plain, "worker")
    assert refused.returncode == 2 and "no worker has anything to do" in refused.stderr
    with dispatcher(fleet):
        alone = syncd_process(plain, "serve")
        assert alone.returncode == 75 and "is served by another daemon already" in alone.stderr
    with lease.serve_alone(fleet.store), pytest.raises(DaemonRunning, match="shares it with nobody"), dispatcher(fleet):
        pass
    plain.write_text("[cluster]\nenabled = true\n")
    with pytest.raises(ConfigError, match="can share a PostgreSQL database only"):
        load(plain)
