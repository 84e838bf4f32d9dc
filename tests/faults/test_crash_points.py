"""Killed at any statement, the store is as before or as after, and the next run goes on from there (`crash.py` does the killing)."""

import json
import os
import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncd.report import Mode, RunReport, Trigger
from syncd.sandbox import District, running
from tests.faults.crash import Scenario
from tests.faults.played import Recording, recorded
from tests.journeys.synced import Synced

SCENARIOS = ("pull", "changes", "approve", "undo")
# Fewer would mean that the points are no longer found: the first three runs alone have so many.
LEAST = {"pull": 100, "changes": 80, "approve": 40, "undo": 40}


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


@pytest.mark.fault("X1")
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_run_that_is_killed_anywhere_leaves_the_store_as_before_or_as_after(
    name: str, scenarios: dict[str, Scenario], tmp_path: Path
) -> None:
    file = tmp_path / "scenario"
    file.write_bytes(pickle.dumps(replace(scenarios[name])))
    done = subprocess.run([sys.executable, "-m", "tests.faults.crash", str(file)], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr[-3000:]
    tally = json.loads(done.stdout.splitlines()[-1])
    print(name, tally)
    assert tally["wrong"] == []
    assert tally["points"] >= LEAST[name]
    assert tally["before"] and tally["after"]
