"""`syncd db purge`, `forget` and `purges` as an administrator meets them."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from syncd.settings.file import load
from syncd.store import Store, open_store, roster, tombstones
from syncd.store.tables import ROSTER, runs
from tests.commands import syncd
from tests.store.test_purge import School

CONFIG = """
{retention}
[sources.springfield]
connector = "clever"
url = "http://127.0.0.1:9"
token = {{ env = "PURGE_TOKEN" }}
"""


@pytest.fixture
def school(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> School:
    """Its student s1 left 100 days ago."""
    monkeypatch.setenv("PURGE_TOKEN", "a-token-for-tests")
    found = School(tmp_path)
    found.sync()
    del found.records["s1"]
    found.sync()
    table = ROSTER["user"]
    with found.store.write() as connection:
        gone = update(table).where(table.c.id == "s1")
        connection.execute(gone.values(deactivated_at=datetime.now(UTC) - timedelta(days=100)))
    return found


def configure(tmp_path: Path, retention: str) -> Path:
    path = tmp_path / "syncd.toml"
    path.write_text(CONFIG.format(retention=retention))
    return path


def name(store: Store) -> str | None:
    [found] = roster.record(store, "user", "s1")
    told: str | None = found["family_name"]
    return told


def test_purge_shows_does_and_remembers(school: School, tmp_path: Path) -> None:
    config = configure(tmp_path, "")
    nothing = syncd(config, "db", "purge")
    assert (nothing.code, name(school.store)) == (0, "Wiggum-s1") and "Nothing is to be purged" in nothing.out
    config = configure(tmp_path, "[retention]\ninactive_days = 100")
    shown = syncd(config, "db", "purge", "--dry-run")
    assert "springfield: would go: 1 users" in shown.out and name(school.store) == "Wiggum-s1"
    [would] = json.loads(syncd(config, "db", "purge", "--dry-run", "--json").out)["sources"]
    assert (would["counts"]["users"], would["marks"]) == (1, {})
    done = syncd(config, "db", "purge", "--json")
    proof = json.loads(done.out)
    assert (done.code, proof["wiped"], name(school.store)) == (0, True, None)
    [gone] = proof["sources"]
    stones = tombstones.read(school.store)
    assert gone["marks"] == {"sections": [], "users": [stones.mark("springfield", "user", "s1")], "enrollments": []}
    assert gone["counts"]["users"] == 1 and gone["policy"] == {"inactive_days": 100} and "s1" not in done.out
    remembered = json.loads(syncd(config, "db", "purges", "--json").out)["purges"]
    assert [(one["policy"], one["counts"]) for one in remembered] == [({"inactive_days": 100}, gone["counts"])]
    told = syncd(config, "history", "user", "s1")
    assert "its data purged on" in told.out
    as_of = syncd(config, "roster", "users", "--as-of", "1", "--json")
    assert len(json.loads(as_of.out)["records"]) == 6 and "values were purged" in as_of.err
    undone = syncd(config, "undo", "2")
    assert (undone.code, name(school.store)) == (1, None)
    assert "run 2 can not be undone: its values were purged on" in undone.err and "Traceback" not in undone.err


def test_forget_asks_for_force_with_who_is_active(school: School, tmp_path: Path) -> None:
    config = configure(tmp_path, "")
    refused = syncd(config, "db", "forget", "springfield", "s2")
    assert refused.code == 1 and "user s2 is active" in refused.err
    done = syncd(config, "db", "forget", "springfield", "s1")
    assert (done.code, name(school.store)) == (0, None) and "springfield: gone: 1 users" in done.out
    assert "on request" in syncd(config, "db", "purges").out


def test_a_source_has_days_of_its_own_before_those_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PURGE_TOKEN", "a-token-for-tests")
    config = configure(tmp_path, "[retention]\ninactive_days = 365\nlog_days = 30")
    config.write_text(config.read_text() + "\n[sources.springfield.retention]\ninactive_days = 1825\n")
    settings = load(config)
    assert settings.retention("springfield") == {"inactive_days": 1825, "log_days": 30}
    assert settings.retention("no longer configured") == {"inactive_days": 365, "log_days": 30}


@pytest.mark.parametrize(("began", "told"), [(2, '"purged"'), (3650, "[retention] waits")], ids=["right", "years ahead"])
def test_the_daemon_purges_by_itself_if_its_clock_is_right(began: int, told: str, school: School, tmp_path: Path) -> None:
    config = configure(tmp_path, "[retention]\ninactive_days = 100")
    config.write_text(config.read_text().replace('connector = "clever"', 'connector = "clever"\nenabled = false'))
    with school.store.write() as connection:
        connection.execute(update(runs).values(started_at=datetime.now(UTC) - timedelta(days=began)))
    log = tmp_path / "log"
    with log.open("wb") as file:
        daemon = subprocess.Popen([sys.executable, "-m", "syncd", "serve", "--config", str(config)], stderr=file, stdout=file)
    try:
        deadline = time.monotonic() + 60
        while told not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        daemon.terminate()
        assert daemon.wait(30) == 0
    assert name(open_store(f"sqlite:///{tmp_path}/roster.db")) == (None if began == 2 else "Wiggum-s1")
    assert "Wiggum" not in log.read_text()
