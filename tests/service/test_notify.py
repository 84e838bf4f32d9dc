"""What the service manager is told, over real sockets: of a daemon and of workers, of those that are well and of those that hang."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from syncd.daemon import notify
from syncd.daemon.dispatcher import HUNG, Dispatcher
from syncd.daemon.scheduler import Scheduler
from syncd.daemon.service import AWAY
from syncd.sandbox import District, Sandbox, running
from syncd.sandbox.names import FAMILY, GIVEN
from syncd.settings.file import load
from syncd.store import open_store
from tests.commands import configure
from tests.daemon.machines import machines
from tests.service.host import Journal, Manager, journal, manager, until

# Microseconds without a sign of life after which a service counts as hung here. (A minute in the units.)
SOON = "800000"


@pytest.mark.parametrize("where", ["{folder}/notify", "@syncd-test-{pid}"])
def test_the_manager_hears_what_it_is_told(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listening = Manager(where.format(folder=tmp_path, pid=os.getpid()))
    try:
        monkeypatch.setenv("NOTIFY_SOCKET", listening.address)
        notify.ready("sources: 2; no run yet since the start")
        before = time.monotonic_ns() // 1000
        notify.reloading()
        notify.alive()
        notify.stopping()
        until(lambda: len(listening.told) == 4)
    finally:
        listening.close()
    ready, reloading, alive, stopping = listening.told
    assert ready == {"READY": "1", "STATUS": "sources: 2; no run yet since the start"}
    # By it systemd tells this reload from an earlier one.
    assert reloading.pop("RELOADING") == "1" and before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert (alive, stopping) == ({"WATCHDOG": "1"}, {"STOPPING": "1"})


def test_where_no_manager_listens_nothing_is_sent_and_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify.ready("well")
    monkeypatch.delenv("NOTIFY_SOCKET")
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("a socket was made"))
    notify.ready("well")
    monkeypatch.setenv("NOTIFY_SOCKET", "vsock:2:1")
    notify.ready("well")


@pytest.mark.parametrize(("counted", "seconds"), [(None, 10), ("60000000", 10), ("20000000", 5), ("0", 10), ("soon", 10)])
def test_signs_of_life_come_four_times_within_the_time_that_is_counted(
    counted: str | None, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    if counted is not None:
        monkeypatch.setenv("WATCHDOG_USEC", counted)
    assert notify.interval() == seconds


class Started:
    """`syncd serve` as a service, with its log as systemd reads it."""

    def __init__(self, folder: Path, listening: Manager, altered: str) -> None:
        self._log = folder / "stderr"
        with self._log.open("wb") as stderr:
            found = os.fstat(stderr.fileno())
            environment = os.environ | {
                "NOTIFY_SOCKET": listening.address,
                "WATCHDOG_USEC": SOON,
                "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}",
                "TESTS_JOURNAL": str(folder / "journal"),
            }
            command = [sys.executable, "-m", "tests.faults.altered", altered, "--config", str(folder / "syncd.toml"), "serve"]
            self.popen = subprocess.Popen(command, stderr=stderr, stdout=stderr, env=environment)

    @property
    def stderr(self) -> str:
        return self._log.read_text()


@contextmanager
def started(folder: Path, listening: Manager, altered: str) -> Iterator[Started]:
    service = Started(folder, listening, altered)
    try:
        yield service
    finally:
        if service.popen.poll() is None:
            service.popen.kill()
        service.popen.wait()


@pytest.fixture
def district(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with running(District.generate(students=20, seed=71)) as sandbox:
        configure(tmp_path, sandbox)
        for name, value in (("T", sandbox.token), ("I", sandbox.client_id), ("S", sandbox.client_secret)):
            monkeypatch.setenv(name, value)
        yield sandbox


@pytest.mark.file
def test_a_daemon_tells_of_its_start_its_runs_its_reload_and_its_stop_and_its_journal_is_found_by_run(
    district: Sandbox, tmp_path: Path
) -> None:
    with manager(tmp_path) as heard, journal(tmp_path) as read, started(tmp_path, heard, "journal_elsewhere") as service:
        first = until(lambda: next((told for told in list(heard.told) if "READY" in told), None), lambda: service.stderr)
        assert first["STATUS"].startswith("sources: 1; ")
        # Only now: the store is there, and the source is scheduled.
        assert (tmp_path / "roster.db").exists() and read.of(SYNCD_EVENT="source scheduled", SYNCD_SOURCE="springfield")
        until(lambda: re.fullmatch(r"sources: 1; latest run \d+: springfield, applied", heard.status()), heard.status)
        until(lambda: heard.signs() > 3)
        told = len(heard.names())
        service.popen.send_signal(signal.SIGHUP)
        until(lambda: "READY" in heard.names()[told:][(heard.names()[told:] + ["RELOADING"]).index("RELOADING") :])
        assert heard.names()[told:].index("RELOADING") + 1 == heard.names()[told:].index("MONOTONIC_USEC")
        service.popen.send_signal(signal.SIGTERM)
        assert service.popen.wait(20) == 0
        until(lambda: read.of(SYNCD_EVENT="stopped"))
        assert heard.names()[-1] == "STOPPING"
        _is_found_by_run(read)
        everything = " ".join(f"{value}" for message in [*heard.told, *read.entries] for value in message.values())
        assert service.stderr == ""
    assert district.token not in everything
    assert not set(re.findall(r"[A-Z][a-z]{4,}", everything)) & {*FAMILY, *GIVEN}


def _is_found_by_run(read: Journal) -> None:
    (began,) = read.of(SYNCD_EVENT="run started", SYNCD_SOURCE="springfield", SYNCD_RUN="1")
    assert began["SYNCD_TRIGGER"] == "schedule" and began["SYSLOG_IDENTIFIER"] == "syncd"


@pytest.mark.file
@pytest.mark.fault("X15")
def test_a_scheduler_that_hangs_is_ended_by_the_watchdog_although_the_rest_of_the_daemon_goes_on(district: Sandbox, tmp_path: Path) -> None:
    with manager(tmp_path) as heard, started(tmp_path, heard, "hung_scheduler") as service:
        until(lambda: heard.signs() > 1 and heard.status(), lambda: service.stderr)
        service.popen.send_signal(signal.SIGUSR2)
        until(lambda: "the scheduler hangs" in service.stderr)
        told = len(heard.told)
        # The main thread is well, and says so: that is not enough.
        until(lambda: len(heard.told) > told and "READY" in heard.told[-1])
        heard.watch(service.popen.pid, int(SOON) / 1e6)
        assert service.popen.wait(20) == -signal.SIGABRT
        # Where it stood, without any value.
        assert "altered.py" in service.stderr and "in hang" in service.stderr
    assert district.token not in service.stderr


@pytest.mark.fault("X15")
def test_a_main_thread_that_hangs_takes_the_signs_of_life_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "syncd.toml").write_text("")
    scheduler = Scheduler(open_store(f"sqlite:///{tmp_path}/roster.db"), load(tmp_path / "syncd.toml"))
    with manager(tmp_path) as heard:
        monkeypatch.setenv("NOTIFY_SOCKET", heard.address)
        scheduler._tended -= AWAY + 1
        scheduler._sign()
        assert not scheduler.up.is_set()
        scheduler._tended += 2
        scheduler._sign()
        assert scheduler.up.is_set()
        until(lambda: heard.told)
    assert heard.told == [{"WATCHDOG": "1"}]


@pytest.mark.fault("X6", "X15")
def test_a_clock_that_goes_back_a_little_keeps_no_sign_of_life_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "syncd.toml").write_text("")
    scheduler = Scheduler(open_store(f"sqlite:///{tmp_path}/roster.db"), load(tmp_path / "syncd.toml"))
    with manager(tmp_path) as heard:
        monkeypatch.setenv("NOTIFY_SOCKET", heard.address)
        scheduler.start()
        until(lambda: heard.signs() == 1)
        # As if the clock had been ahead by 50 seconds until now: the next sign would come a minute from now.
        scheduler._clock += 50
        scheduler.tend()
        until(lambda: heard.signs() == 2)
        scheduler.stop()


@pytest.mark.fault("X15")
def test_a_dispatcher_that_hangs_while_it_looks_for_what_is_due_gives_no_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(District.generate(students=20, seed=72)) as sandbox:
        monkeypatch.setenv("MACHINES_TOKEN", sandbox.token)
        with machines(tmp_path, sandbox) as fleet, manager(tmp_path) as heard:
            monkeypatch.setenv("NOTIFY_SOCKET", heard.address)
            from syncd.daemon import cluster

            settings = load(fleet.config)
            with cluster.member(fleet.store, settings, "serve") as membership:
                dispatcher = Dispatcher(membership, settings)
                # The configured second between two looks, and then five minutes.
                dispatcher._looked -= settings.cluster.tick + HUNG + 1
                dispatcher._sign()
                assert not dispatcher.up.is_set()
                dispatcher._tick()
                dispatcher._looked -= HUNG
                dispatcher._sign()
                until(lambda: heard.told)
    assert heard.told == [{"WATCHDOG": "1"}]


@pytest.mark.fault("X15")
@pytest.mark.parametrize(("part", "where"), [("hung_loop", "the loop hangs"), ("hung_threads", '"where": "threads"')])
def test_a_worker_whose_loop_or_threads_hang_is_ended_by_the_watchdog(
    part: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(District.generate(students=20, seed=73)) as sandbox, manager(tmp_path) as heard:
        for name, value in (("MACHINES_TOKEN", sandbox.token), ("NOTIFY_SOCKET", heard.address), ("WATCHDOG_USEC", SOON)):
            monkeypatch.setenv(name, value)
        with machines(tmp_path, sandbox) as fleet:
            worker = fleet.start("worker", altered=part)
            until(lambda: heard.signs() > 1, lambda: worker.log)
            assert heard.names()[0] == "READY" and heard.status().startswith("sources: 1; no run yet since the start; places taken: 0 of 2")
            if part == "hung_loop":
                worker.signal(signal.SIGHUP)
                until(lambda: "RELOADING" in heard.names())
            worker.signal(signal.SIGUSR2)
            until(lambda: where in worker.log, lambda: worker.log)
            heard.watch(worker.popen.pid, int(SOON) / 1e6)
            assert worker.popen.wait(20) == -signal.SIGABRT
