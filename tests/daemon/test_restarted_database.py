"""The database is started anew: a worker's run is not there, is told in a line, and the next one is whole; who was alone stays alone."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.report import State
from syncd.sandbox import District, running
from syncd.store import lease, runs
from tests import postgresql
from tests.daemon.machines import Machines, Process, machines, until


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.Server]:
    """One of its own: all others use the shared one."""
    with postgresql.running(postgresql.required()) as found:
        yield found


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: postgresql.Server) -> Iterator[Machines]:
    with running(District.generate(students=20, seed=52)) as sandbox:
        monkeypatch.setenv("MACHINES_TOKEN", sandbox.token)
        with machines(tmp_path, sandbox, server) as made:
            yield made


@pytest.mark.fault("X4", "X5")
@pytest.mark.parametrize(
    ("how", "applying"), [(signal.SIGINT, False), (signal.SIGQUIT, True)], ids=["while-pulling", "while-applying-by-a-crash"]
)
def test_a_database_that_is_started_anew_during_a_run_leaves_it_undone_and_told_in_a_line(
    how: int, applying: bool, fleet: Machines, server: postgresql.Server
) -> None:
    assert fleet.command("sync", "springfield").code == 0
    before = fleet.everything()
    fleet.sandbox.day()
    if not applying:
        fleet.sandbox.fault("slow", path="/users", seconds=3, times=1)
    serve = fleet.start("serve")
    until(lambda: fleet.sql("UPDATE due SET full_at = now() RETURNING source"))
    worker = fleet.start("worker", altered="frozen_at_apply" if applying else None, ready=False)
    until(lambda: worker.stands_still if applying else fleet.pulling(), lambda: worker.log + serve.log)
    server.restart(how)
    worker.signal(signal.SIGCONT)
    assert fleet.everything() == before
    other = fleet.start("worker")
    # Either the run is told as failed, and its next time comes, or it is done again at once.
    until(lambda: fleet.runs()[-1].state != State.RUNNING, lambda: worker.log + serve.log)
    # What the worker could not give back while the database was away, it gives back with its next sign of life.
    until(lambda: fleet.sql("SELECT source FROM due WHERE member IS NOT NULL") == [], lambda: worker.log + serve.log)
    fleet.due_now("springfield")
    until(lambda: fleet.runs()[-1].state == State.APPLIED and fleet.whole(), lambda: other.log + worker.log + serve.log)
    _, broken, *done = fleet.runs()
    assert broken.state == State.FAILED and broken.error and "\n" not in broken.error
    assert list(runs.changes_of(fleet.store, broken.run)) == []
    assert [run for run in fleet.runs() if run.state not in (State.FAILED, State.APPLIED)] == []
    changes = [(change.kind, change.record_id, change.action) for run in done for change in runs.changes_of(fleet.store, run.run)]
    assert changes and len(changes) == len(set(changes)), "each change is logged once"
    assert worker.popen.poll() in (None, 1) and serve.popen.poll() is None
    assert "Traceback" not in worker.log + serve.log + other.log


def _beside(member: Process, fleet: Machines, shared: str) -> Process:
    """A daemon that wants the store alone, until it or the member has ended."""
    fleet.config.write_text(shared.replace("enabled = true", "enabled = false"))
    alone = fleet.start("serve", ready=False)
    until(lambda: alone.popen.poll() is not None or member.popen.poll() is not None, lambda: alone.log + member.log)
    return alone


@pytest.mark.fault("X7")
@pytest.mark.parametrize("role", ["serve", "worker"])
def test_a_store_that_is_shared_stays_so_when_the_database_is_started_anew(role: str, fleet: Machines, server: postgresql.Server) -> None:
    shared = fleet.config.read_text()
    member = fleet.start(role)
    server.restart(signal.SIGINT)
    until(lambda: lease.is_held(fleet.store, lease.DAEMON) or member.popen.poll() is not None, lambda: member.log)
    alone = _beside(member, fleet, shared)
    while member.popen.poll() is not None:
        # A worker whose queue broke off ends, sooner or later, and is started anew.
        assert (role, member.popen.poll()) == ("worker", 1), member.log
        alone.stop()
        fleet.config.write_text(shared)
        member = fleet.start(role)
        alone = _beside(member, fleet, shared)
    assert alone.ended() == 75 and "is served by another daemon already" in alone.log
    assert member.stop() == 0 and "Traceback" not in member.log


@pytest.mark.fault("X7")
def test_a_daemon_that_is_alone_stays_so_when_the_database_is_started_anew(fleet: Machines, server: postgresql.Server) -> None:
    fleet.config.write_text(fleet.config.read_text().replace("enabled = true", "enabled = false"))
    serve = fleet.start("serve")
    until(fleet.applied, lambda: serve.log)
    server.restart(signal.SIGINT)
    until(lambda: lease.is_held(fleet.store, lease.DAEMON), lambda: serve.log)
    second = fleet.start("serve", ready=False)
    assert second.ended() == 75 and "is served by another daemon already" in second.log
    assert serve.stop() == 0 and "Traceback" not in serve.log
