"""Killed at any statement, the store is as before or as after, and the next run goes on from there (`crash.py` does the killing)."""

import json
import os
import pickle
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncd.report import Mode, RunReport, Trigger
from syncd.sandbox import District, running
from syncd.store import runs
from tests.faults.crash import Scenario
from tests.faults.played import Recording, recorded
from tests.journeys.synced import Synced
from tests.journeys.test_daemon import configure, start
from tests.postgresql import required

# How long `make soak` goes on, all in all, beside killing at each point once.
MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
# Of the points before the transaction that applies, one of so many; and so many points at least, so that none gets lost unseen.
SCENARIOS = {"pull": (10, 50), "changes": (25, 35), "approve": (15, 20), "undo": (15, 25)}
# In a database, where each costs more, also one of so many within it.
IN_A_DATABASE = {"pull": (50, 4, 20), "approve": (40, 6, 5), "undo": (60, 8, 5)}


def closed(source: Synced, path: Path) -> Path:
    """A copy of the store as it is now, in one file."""
    with sqlite3.connect(source.store.path) as connection:
        connection.execute("VACUUM INTO ?", (str(path),))
    connection.close()
    return path


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Scenario]]:
    """What happens in a small district in three days: newcomers, leavers, one who returns, new names, and more leavers than may go."""
    folder = tmp_path_factory.mktemp("scenarios")
    found = {}

    def keep(name: str, source: Synced, **options: object) -> None:
        found[name] = Scenario(name, closed(source, folder / f"{name}.db"), Recording(), datetime.now(UTC), options)

    with pytest.MonkeyPatch.context() as patch, running(District.generate(students=24, seed=31)) as sandbox:

        def do(name: str, source: Synced, **options: object) -> RunReport:
            keep(name, source, **options)
            real, source.connect = source.connect, recorded(source.connect, found[name].recording)
            report = source.sync(**options)
            source.connect = real
            return report

        sandbox.day(1)
        clever = Synced(sandbox, folder, "clever-3.1", patch)
        clever.sync()
        sandbox.day(2)
        assert do("changes", clever, mode=Mode.INCREMENTAL).mode == "incremental"
        (folder / "oneroster").mkdir()
        oneroster = Synced(sandbox, folder / "oneroster", "oneroster-1.2-oauth2", patch)
        oneroster.sync()
        sandbox.day(1)
        oneroster.sync()
        sandbox.day(1)
        sandbox.delete("courses", next(iter(sandbox.district.ids("courses"))))
        sandbox.rehearse("mass-removal")
        report = do("pull", oneroster, mode=Mode.FULL)
        assert report.state == "held"
        done = {name for counts in report.counts.values() for name, count in counts if count}
        assert {"created", "updated", "reactivated", "deactivated"} <= done
        keep("approve", oneroster, approves=report.run, trigger=Trigger.APPROVE)
        keep("undo", oneroster, undoes=report.run, trigger=Trigger.UNDO)
    yield found


def kill(scenario: Scenario, folder: Path, *options: str, by: str = "crash") -> dict[str, Any]:
    """Let `crash.py`, or what stands on it, kill the scenario's run, and give its tally."""
    file = folder / "scenario"
    file.write_bytes(pickle.dumps(scenario))
    done = subprocess.run([sys.executable, "-m", f"tests.faults.{by}", str(file), *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    tally: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert tally["wrong"] == []
    assert tally["before"] and tally["after"]
    return tally


@pytest.mark.fault("X1", "X11")
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_run_that_is_killed_anywhere_leaves_the_store_as_before_or_as_after(
    name: str, scenarios: dict[str, Scenario], tmp_path: Path
) -> None:
    every, least = SCENARIOS[name]
    assert kill(scenarios[name], tmp_path, "--every", str(every))["points"] >= least


@pytest.mark.fault("X1", "X11")
@pytest.mark.parametrize("name", IN_A_DATABASE)
def test_it_is_the_same_in_a_database(name: str, scenarios: dict[str, Scenario], tmp_path: Path) -> None:
    required()
    every, applying, least = IN_A_DATABASE[name]
    tally = kill(scenarios[name], tmp_path, "--every", str(every), "--applying", str(applying), by="crash_database")
    assert tally["points"] >= least


@pytest.mark.soak
@pytest.mark.parametrize("name", SCENARIOS)
def test_it_is_the_same_in_a_database_at_each_point(name: str, scenarios: dict[str, Scenario], tmp_path: Path) -> None:
    tally = kill(scenarios[name], tmp_path, by="crash_database")
    print(f"{name} in a database: {tally['points']} kills, {tally['before']} left the store as before, {tally['after']} as after")


@pytest.mark.soak
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_each_step_inside_the_database_and_at_random_times(name: str, scenarios: dict[str, Scenario], tmp_path: Path) -> None:
    tally = kill(scenarios[name], tmp_path, "--fine", "--minutes", str(MINUTES / len(SCENARIOS) / 2))
    print(f"{name}: {tally['points']} kills, {tally['before']} left the store as before, {tally['after']} as after")


@pytest.mark.soak
def test_a_daemon_that_is_killed_again_and_again_ends_with_the_right_roster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance, until, kills = random.Random(), time.monotonic() + MINUTES / 2 * 60, 0
    with running(District.generate(students=60, seed=32)) as sandbox:
        config = configure(tmp_path, sandbox, monkeypatch)
        while time.monotonic() < until:
            daemon = start(config)
            time.sleep(chance.uniform(0.5, 4))
            daemon.kill()
            daemon.wait()
            kills += 1
            if kills % 5 == 0:
                sandbox.day()
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        while source.sync(mode=Mode.FULL).state == "held":
            source.approve(max(report.run for report in runs.recent(source.store) if report.state == "held"))
        assert source.differences() == []
        assert source.store.check() == []
        assert not [report for report in runs.recent(source.store, limit=10_000) if report.state == "running"]
    print(f"the daemon: {kills} kills")
