"""What happens to the process: signals, frozen and poisoned runs, two daemons, a disk that is full, a store that is damaged."""

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from syncd.daemon import breaker
from syncd.daemon.scheduler import Scheduler
from syncd.errors import StoreError
from syncd.report import Mode, RunReport, State, Trigger
from syncd.sandbox import District, Sandbox, running
from syncd.settings.file import load
from syncd.store import Store, open_store, roster, runs, sqlite
from tests.journeys.synced import Synced

SOURCE = """
[sources.{name}]
connector = "clever"
url = "{url}"
token = {{ env = "PROCESS_TOKEN" }}
schedule = "{schedule}"
full = "0 2 29 2 *"
"""


class Installed:
    """A configuration with a store beside it, and the syncd command as processes of its own."""

    def __init__(self, folder: Path, sandbox: Sandbox, names: tuple[str, ...] = ("springfield",), schedule: str = "every 1 second") -> None:
        self.folder, self.sandbox = folder, sandbox
        self.config, self.path = folder / "syncd.toml", folder / "roster.db"
        self.configure(names, schedule)

    def configure(self, names: tuple[str, ...], schedule: str = "every 1 second", head: str = "") -> None:
        sources = [SOURCE.format(name=name, url=self.sandbox.clever_url, schedule=schedule) for name in names]
        self.config.write_text(head + "[console]\nenabled = false\n" + "".join(sources))

    @property
    def store(self) -> Store:
        return open_store(f"sqlite:///{self.path}")

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def command(self, *arguments: str, altered: str | None = None) -> list[str]:
        module = ["syncd"] if altered is None else ["tests.faults.altered", altered]
        return [sys.executable, "-m", *module, "--config", str(self.config), *arguments]

    def call(self, *arguments: str, altered: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.command(*arguments, altered=altered), capture_output=True, text=True, timeout=60)

    @contextmanager
    def daemon(self, altered: str | None = None) -> Iterator["subprocess.Popen[bytes]"]:
        """The daemon, once it has started."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(self.command("serve", altered=altered), stdout=log, stderr=log)
        try:
            until(lambda: process.poll() is not None or f'"pid": {process.pid}' in self.log, self.log)
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def until(done: Callable[[], Any], told: str = "") -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, told[-2000:]
        time.sleep(0.02)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    with running(District.generate(students=20, seed=41)) as sandbox:
        monkeypatch.setenv("PROCESS_TOKEN", sandbox.token)
        yield Installed(tmp_path, sandbox)


def pulling(installed: Installed) -> Callable[[], bool]:
    """Whether a run is fetching at this moment."""
    store = installed.store
    return lambda: any(runs.progress(store, report.run) for report in runs.recent(store) if report.state == State.RUNNING)


def complete(installed: Installed, source: str = "springfield") -> bool:
    """Whether the roster has all users, and nobody else."""
    held = {record["id"] for record in roster.records(installed.store, "user", source)}
    return held == {record["id"] for record in installed.sandbox.expected("clever-3.1", "users")}


def suspicion(store: Store, source: str, at: datetime | None = None) -> breaker.Suspicion:
    return breaker.suspicion(runs.latest_pulls(store, source), at or datetime.now(UTC))


@pytest.mark.fault("X7")
def test_a_second_daemon_on_the_same_store_names_the_first_and_is_not_restarted(installed: Installed) -> None:
    with installed.daemon() as first:
        second = installed.call("serve")
        assert second.returncode == 75
        assert f"served by another daemon already (process {first.pid})" in second.stderr
        assert "Traceback" not in second.stderr
        by_hand = installed.call("sync", "springfield", "--wait")
        assert by_hand.returncode == 0, by_hand.stderr
    prevented = next(line for line in Path("systemd/syncd.service").read_text().splitlines() if line.startswith("RestartPreventExit"))
    assert "75" in prevented


@pytest.mark.fault("X8")
def test_a_run_that_was_frozen_does_not_apply_over_its_successor(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    installed.sandbox.fault("slow", path="/users", seconds=1, times=1)
    frozen = subprocess.Popen(installed.command("sync", "springfield"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: installed.path.exists() and pulling(installed)())
        frozen.send_signal(signal.SIGSTOP)
        # Another machine does not see this one's lock.
        next(installed.folder.glob("roster.db-springfield.lock")).unlink()
        installed.sandbox.day()
        successor = Synced(installed.sandbox, installed.folder, "clever-3.1", monkeypatch)
        report = successor.sync()
        assert report.state == State.APPLIED
        after = successor.everything()
        frozen.send_signal(signal.SIGCONT)
        told, _ = frozen.communicate(timeout=60)
    finally:
        frozen.kill()
        frozen.wait()
    assert frozen.returncode == 1
    assert "another run took over" in told
    assert successor.everything() == after
    assert [found.run for found in runs.recent(successor.store) if found.state == State.APPLIED] == [report.run]
    assert list(runs.changes_of(successor.store, report.run - 1)) == []


@pytest.mark.fault("X9")
def test_sigterm_while_pulling_drops_the_pull(installed: Installed) -> None:
    installed.sandbox.fault("slow", path="/users", seconds=30)
    with installed.daemon() as daemon:
        until(pulling(installed))
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(20) == 0
    (report,) = runs.recent(installed.store)
    assert report.state == State.FAILED and report.error and "asked to stop" in report.error
    assert roster.active_counts(installed.store, "springfield")["orgs"] == 0


@pytest.mark.fault("X9")
def test_sigterm_while_applying_lets_the_run_end_whole(installed: Installed) -> None:
    with installed.daemon(altered="stopped_at_apply") as daemon:
        assert daemon.wait(20) == 0
    assert [report.state for report in runs.recent(installed.store)] == [State.APPLIED]
    assert complete(installed)


@pytest.mark.fault("X10")
def test_a_second_sigterm_ends_at_once_a_run_that_does_not_listen(installed: Installed) -> None:
    with installed.daemon(altered="deaf") as daemon:
        until(lambda: any(report.state == State.RUNNING for report in runs.recent(installed.store)))
        daemon.send_signal(signal.SIGTERM)
        until(lambda: '"stopping"' in installed.log)
        assert daemon.poll() is None
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(10) == 128 + signal.SIGTERM
    (report,) = runs.recent(installed.store)
    assert (report.state, report.error) == (State.FAILED, runs.INTERRUPTED)
    assert installed.call("sync", "springfield").returncode == 0
    assert complete(installed)


@pytest.mark.fault("X10")
def test_a_new_configuration_during_a_run_lets_the_run_end(installed: Installed) -> None:
    installed.sandbox.fault("slow", path="/users", seconds=1, times=1)
    with installed.daemon() as daemon:
        until(pulling(installed))
        installed.configure(("shelbyville",), head="workers = 2\n")
        daemon.send_signal(signal.SIGHUP)
        until(lambda: "configuration taken over" in installed.log)
        until(lambda: runs.last_good(installed.store, "shelbyville"))
        until(lambda: runs.last_good(installed.store, "springfield"))
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(20) == 0
    assert complete(installed) and complete(installed, "shelbyville")
    assert len(runs.recent(installed.store, "springfield")) == 1
    late = next(json.loads(line) for line in installed.log.splitlines() if "next start only" in line)
    assert late["where"] == "workers"


@pytest.mark.fault("X11", "X13")
def test_a_source_whose_data_ends_the_process_is_left_alone_and_the_others_go_on(installed: Installed) -> None:
    installed.configure(("shelbyville", "springfield"))
    for _ in range(breaker.TRIES):
        with installed.daemon(altered="poison") as daemon:
            assert daemon.wait(30) == -signal.SIGKILL
    store = installed.store
    assert suspicion(store, "shelbyville").crashes == breaker.TRIES
    good = len(runs.recent(store, "springfield"))
    with installed.daemon(altered="poison") as daemon:
        until(lambda: "left alone" in installed.log and len(runs.recent(store, "springfield")) > good + 1)
        assert "left alone until" in " ".join(installed.call("status").stdout.split())
        assert installed.call("sync", "shelbyville", altered="poison").returncode == -signal.SIGKILL
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(20) == 0
    assert suspicion(store, "shelbyville").crashes == breaker.TRIES + 1
    assert complete(installed, "springfield")
    assert suspicion(store, "springfield").crashes == 0


@pytest.mark.fault("X13")
@pytest.mark.parametrize(("interrupted", "hours"), [(2, 0), (3, 1), (4, 2), (7, 16), (8, 24), (15, 24)])
def test_a_poisoned_source_is_left_alone_for_longer_each_time(interrupted: int, hours: int, tmp_path: Path) -> None:
    store, began = open_store(f"sqlite:///{tmp_path}/roster.db"), datetime(2026, 11, 23, 8, tzinfo=UTC)
    for _ in range(interrupted):
        with store.write() as connection:
            runs.start(connection, "springfield", mode=Mode.FULL, trigger=Trigger.SCHEDULE, at=began)
    just_before = began + timedelta(hours=hours, seconds=-1)
    assert suspicion(store, "springfield", just_before).until == (began + timedelta(hours=hours) if hours else None)
    assert suspicion(store, "springfield", began + timedelta(hours=hours)).until is None
    # A clock that was wrong then, or is now, decides nothing.
    assert suspicion(store, "springfield", began - timedelta(days=400)).until is None
    # A run that comes to an end, be it with an error, sets everything right.
    with store.write() as connection:
        number, _ = runs.start(connection, "springfield", mode=Mode.FULL, trigger=Trigger.MANUAL, at=began)
        report = RunReport(
            run=number, source="springfield", mode=Mode.FULL, trigger=Trigger.MANUAL, state=State.FAILED, started_at=began, error="no"
        )
        runs.finish(connection, report)
    assert suspicion(store, "springfield", just_before).until is None


class Asked:
    """A lock that says when somebody asks for it."""

    def __init__(self) -> None:
        self.lock, self.count = threading.Lock(), 0

    def __enter__(self) -> None:
        self.count += 1
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


@pytest.mark.fault("X13")
def test_sources_under_suspicion_run_one_by_one_so_that_none_takes_the_blame_for_another(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed.configure(("ogdenville", "shelbyville", "springfield"), schedule="0 2 29 2 *")
    for name in ("ogdenville", "shelbyville"):
        with installed.store.write() as connection:
            runs.start(connection, name, mode=Mode.FULL, trigger=Trigger.SCHEDULE, at=datetime.now(UTC))
    began: list[str] = []
    go_on = threading.Event()

    def at_work(_store: Store, order: Any, _context: Any) -> None:
        began.append(order.source)
        go_on.wait(60)

    monkeypatch.setattr("syncd.daemon.scheduler.run", at_work)
    scheduler = Scheduler(installed.store, load(installed.config))
    suspects = scheduler._suspects = Asked()
    threads = [threading.Thread(target=scheduler._pull, args=(name, Mode.FULL)) for name in ("ogdenville", "shelbyville", "springfield")]
    for thread in threads:
        thread.start()
    until(lambda: suspects.count == 2 and len(began) == 2)
    assert "springfield" in began
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert sorted(began) == ["ogdenville", "shelbyville", "springfield"]


@pytest.mark.fault("X15")
def test_a_scheduler_that_died_ends_the_daemon_so_that_it_is_started_anew(installed: Installed) -> None:
    with installed.daemon(altered="dead_scheduler") as daemon:
        assert daemon.wait(20) == 1
    assert "the scheduler has ended by itself" in installed.log


def damage(path: Path) -> None:
    """Overwrite the page of the users' table with something else."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'users'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


@pytest.mark.fault("X14")
def test_a_damaged_store_is_neither_served_nor_upgraded_and_it_is_said_how_to_restore_it(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Synced(installed.sandbox, installed.folder, "clever-3.1", monkeypatch)
    assert source.sync().state == State.APPLIED
    damage(installed.path)
    before = installed.path.read_bytes()
    served = installed.call("serve")
    assert served.returncode == 1
    assert "the store roster.db is damaged; nothing was written to it." in served.stderr and "restore the last backup" in served.stderr
    assert installed.path.read_bytes() == before
    report = source.sync()
    assert report.state == State.FAILED and report.error and "It is damaged." in report.error
    with sqlite3.connect(installed.path) as connection:
        # As if a newer syncd met it.
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = installed.path.read_bytes()
    with pytest.raises(StoreError, match="damaged"):
        open_store(f"sqlite:///{installed.path}")
    assert installed.path.read_bytes() == before


@pytest.mark.fault("X2")
def test_a_full_disk_fails_the_run_reads_go_on_and_nothing_is_left_lying_about(
    installed: Installed, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed.store.close()
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("SQLITE_TMPDIR", str(temporary))
    full = installed.call("sync", "springfield", altered="full_disk")
    assert full.returncode == 1
    told = " ".join((full.stdout + full.stderr).split())
    assert "the store roster.db could not be used (SQLITE_FULL). The disk is full; make room and run again." in told
    assert "Traceback" not in told
    assert [report.state for report in runs.recent(installed.store)] == [State.FAILED]
    assert list(temporary.iterdir()) == []
    assert {path.name for path in installed.folder.glob("roster.db*")} <= {"roster.db", "roster.db-springfield.lock"}
    assert roster.active_counts(installed.store, "springfield")["orgs"] == 0
    source = Synced(installed.sandbox, installed.folder, "clever-3.1", monkeypatch)
    assert source.sync().state == State.APPLIED
    assert source.differences() == []


@pytest.mark.fault("X5")
def test_a_store_that_may_not_be_written_says_so(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Synced(installed.sandbox, installed.folder, "clever-3.1", monkeypatch)
    source.sync()
    event.listen(source.store.engine, "connect", lambda connection, _record: connection.execute("PRAGMA query_only = ON"))
    with pytest.raises(StoreError, match="could not be used .SQLITE_READONLY.. It may not be written by this user."):
        source.sync()
    assert source.differences() == []


@pytest.mark.fault("X3")
def test_a_store_that_another_program_keeps_locked_is_told_in_a_sentence(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "WAIT_FOR_WRITER", 0.1)
    source = Synced(installed.sandbox, installed.folder, "clever-3.1", monkeypatch)
    other = sqlite3.connect(installed.path, isolation_level=None)
    sentence = "roster.db could not be used .SQLITE_BUSY.*Another program keeps it locked; wait for it or end it, then run again"
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=sentence):
            source.sync()
        assert runs.recent(source.store) == []
        other.execute("ROLLBACK")

        def lock(step: Any) -> None:
            if step.name == "applying":
                other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreError, match=sentence):
            source.sync(on_step=lock)
        assert [report.state for report in runs.recent(source.store)] == [State.FAILED]
        assert roster.active_counts(source.store, "springfield")["orgs"] == 0
    finally:
        other.close()
    assert source.sync().state == State.APPLIED
    assert source.differences() == []
