"""A store is brought to a newer schema whole or not at all, and an older syncd leaves a newer store alone."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from syncd.errors import Outdated, StoreError
from syncd.report import State
from syncd.sandbox import District, running
from syncd.store import Store, migrations, open_store, runs
from syncd.store.migrations import steps
from syncd.sync.run import Step
from tests.faults.test_process import Installed, until
from tests.journeys.synced import Synced


def store_at(path: Path, revision: str | None) -> Path:
    """A store as an earlier version left it, with a school and a student in it; an empty file for None."""
    path.touch(0o600)
    if revision is None:
        return path
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        steps.upgrade(connection, revision)
        connection.exec_driver_sql("INSERT INTO sources (name, epoch) VALUES ('springfield', 1)")
        connection.exec_driver_sql(
            "INSERT INTO orgs (source, id, status, created_run, changed_run) VALUES ('springfield', 's-1', 'active', 1, 1)"
        )
        connection.exec_driver_sql(
            "INSERT INTO users (source, id, status, roles, created_run, changed_run)"
            """ VALUES ('springfield', 'u-1', 'active', '[{"org_id":"s-1","primary":true,"role":"student"}]', 1, 1)"""
        )
    engine.dispose()
    return path


@pytest.mark.fault("X12")
@pytest.mark.parametrize("revision", [None, "0001"])
def test_an_upgrade_that_is_killed_anywhere_is_whole_or_has_not_begun(revision: str | None, tmp_path: Path) -> None:
    store = store_at(tmp_path / "old.db", revision)
    done = subprocess.run([sys.executable, "-m", "tests.faults.crash_upgrade", str(store)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    tally = json.loads(done.stdout.splitlines()[-1])
    assert tally["wrong"] == []
    assert tally["points"] > 10 and tally["before"] > 10 and tally["after"]


@pytest.mark.fault("X12")
def test_an_older_syncd_leaves_a_newer_store_alone(tmp_path: Path) -> None:
    path = tmp_path / "roster.db"
    open_store(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"schema 9999.*Install the newer syncd"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


@pytest.mark.fault("X12")
def test_a_run_that_an_upgrade_overtakes_applies_nothing_and_none_begins_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=20, seed=43)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        assert source.sync().state == State.APPLIED
        before = source.everything()
        sandbox.day()
        upgrades: list[str] = []

        def upgrade(step: Step) -> None:
            if step.name == "comparing" and not upgrades:
                upgrades.append(upgraded_by_a_newer(source.store))

        overtaken = source.sync(on_step=upgrade)
        assert overtaken.state == State.FAILED and overtaken.error and "nothing of this one was applied" in overtaken.error
        with pytest.raises(Outdated, match="upgraded by a newer syncd while this one was running"):
            source.sync()
        assert source.everything() == before


def upgraded_by_a_newer(store: Store) -> str:
    """The store as a syncd leaves it that has one migration more."""
    newer = "9999"
    with store.write() as connection:
        migrations._fence_off_older(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = :newer"), {"newer": newer})
    return newer


@pytest.mark.fault("X12")
def test_a_daemon_that_an_upgrade_overtakes_ends_so_that_the_newer_one_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=20, seed=44)) as sandbox:
        monkeypatch.setenv("PROCESS_TOKEN", sandbox.token)
        installed = Installed(tmp_path, sandbox)
        with installed.daemon() as daemon:
            until(lambda: runs.last_good(installed.store, "springfield"))
            upgraded_by_a_newer(installed.store)
            assert daemon.wait(20) == 1
        assert "upgraded by a newer syncd" in installed.log
