"""The daemon as an administrator meets it: a real process, real signals, a real file."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from syncd.report import State
from syncd.sandbox import District, Sandbox, running
from syncd.store import open_store, roster, runs

# Each begins from a configuration that names no store: a file.
pytestmark = pytest.mark.file

CONFIG = """
[console]
enabled = false
[sources.springfield]
connector = "clever"
url = "{url}"
token = {{ env = "DAEMON_TOKEN" }}
schedule = "every 1 second"
"""


def start(config: Path) -> "subprocess.Popen[bytes]":
    log = (config.parent / "log").open("ab")
    return subprocess.Popen([sys.executable, "-m", "syncd", "serve", "--config", str(config)], stderr=log, stdout=log)


def configure(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAEMON_TOKEN", sandbox.token)
    config = tmp_path / "syncd.toml"
    config.write_text(CONFIG.format(url=sandbox.clever_url))
    return config


def until_applied(tmp_path: Path, count: int) -> None:
    store = open_store(f"sqlite:///{tmp_path}/roster.db")
    deadline = time.monotonic() + 60
    while sum(report.state == State.APPLIED for report in runs.recent(store, limit=200)) < count:
        assert time.monotonic() < deadline, (tmp_path / "log").read_text()[-2000:]
        time.sleep(0.1)


@pytest.mark.fault("X10")
def test_it_syncs_by_itself_reloads_and_stops_cleanly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=60, seed=21)) as sandbox:
        config = configure(tmp_path, sandbox, monkeypatch)
        daemon = start(config)
        try:
            until_applied(tmp_path, 1)
            config.write_text("[sources.springfield]\nconnector = 7")
            daemon.send_signal(signal.SIGHUP)
            until_applied(tmp_path, 3)
            assert "the old one stays" in (tmp_path / "log").read_text()
        finally:
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(30) == 0
        assert sandbox.token not in (tmp_path / "log").read_text()


@pytest.mark.fault("X1")
def test_killed_in_the_middle_of_a_pull_it_pulls_anew_after_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=60, seed=22)) as sandbox:
        config = configure(tmp_path, sandbox, monkeypatch)
        sandbox.fault("slow", path="/users", seconds=2, times=1)
        store = open_store(f"sqlite:///{tmp_path}/roster.db")
        daemon = start(config)
        deadline = time.monotonic() + 60
        while not any(runs.progress(store, report.run) for report in runs.recent(store)):
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()[-2000:]
            time.sleep(0.02)
        daemon.kill()
        daemon.wait()
        assert [(report.state, report.error) for report in runs.recent(store)] == [(State.FAILED, runs.INTERRUPTED)]
        assert roster.active_counts(store, "springfield")["orgs"] == 0
        daemon = start(config)
        try:
            until_applied(tmp_path, 1)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)
        assert roster.active_counts(store, "springfield")["users"] == len(sandbox.expected("clever-3.1", "users"))
        assert not [report for report in runs.recent(store) if report.state == State.RUNNING]


@pytest.mark.fault("X7")
def test_two_syncs_of_one_source_at_the_same_instant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=60, seed=23)) as sandbox:
        config = configure(tmp_path, sandbox, monkeypatch)
        sandbox.fault("slow", path="/users", seconds=2)
        command = [sys.executable, "-m", "syncd", "sync", "springfield", "--config", str(config)]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        told = [process.communicate(timeout=60) for process in both]
        assert sorted(process.returncode for process in both) == [0, 1]
        refused = next(errors for process, (_, errors) in zip(both, told, strict=True) if process.returncode == 1)
        assert "already going on" in refused and str(both[0].pid if both[1].returncode else both[1].pid) in refused
        waiting = [subprocess.Popen([*command, "--wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        waited = [process.communicate(timeout=60)[1] for process in waiting]
        assert [process.returncode for process in waiting] == [0, 0]
        assert any("Waiting for it to end" in errors for errors in waited)


def test_the_store_is_private(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/new/roster.db")
    assert store.path.stat().st_mode & 0o077 == 0
    assert store.path.parent.stat().st_mode & 0o077 == 0
