"""What every fault has to leave alone, asked of whole runs over real sockets: the roster, everybody in it, the cursor, and the next run."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from syncd.contract.connector import Context
from syncd.http import session
from syncd.http.retry import Patience
from syncd.report import RunReport
from syncd.sandbox import District, Sandbox, running
from syncd.settings.guard import GuardSettings
from syncd.store import runs
from tests.journeys.synced import Synced

CLEVER, CLEVER_BY_CLIENT, ONEROSTER, SIGNED = "clever-3.1", "clever-3.1-client", "oneroster-1.2-oauth2", "oneroster-1.1-oauth1"

# Several school days within an hour of the clock's time.
WIDE = GuardSettings.model_validate({"max_deactivations": "100%", "max_deactivations_per_school": "100%", "max_creations": 1000})


def impatient(monkeypatch: pytest.MonkeyPatch, **patience: Any) -> list[float]:
    """Fewer tries and shorter limits; waits are not waited, but listed."""
    waits: list[float] = []
    chosen = {"tries": 2, "most_asked": 300, **patience}
    monkeypatch.setattr(session, "Patience", lambda: Patience(**chosen))
    monkeypatch.setattr(Context, "wait", lambda _context, seconds: waits.append(seconds))
    return waits


# Dialect -> the store after the first sync of that district, which is always the same.
_FIRST: dict[str, bytes] = {}


@contextmanager
def synced(dialect: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Iterator[Synced]:
    """A small district that was synced once, and has lived a day since."""
    with running(District.generate(students=20, seed=31)) as sandbox:
        if dialect not in _FIRST:
            _FIRST[dialect] = _first(sandbox, folder, dialect, monkeypatch)
        (folder / "roster.db").touch(0o600)
        (folder / "roster.db").write_bytes(_FIRST[dialect])
        source = Synced(sandbox, folder, dialect, monkeypatch, **settings)
        source.limits = WIDE
        sandbox.day()
        yield source


def _first(sandbox: Sandbox, folder: Path, dialect: str, monkeypatch: pytest.MonkeyPatch) -> bytes:
    (folder / "first").mkdir()
    source = Synced(sandbox, folder / "first", dialect, monkeypatch)
    assert source.sync().state == "applied"
    assert source.differences() == []
    with closing(sqlite3.connect(folder / "first" / "roster.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return connection.serialize()


def cursor(source: Synced) -> Any:
    with source.store.read() as connection:
        return runs.cursor(connection, "springfield")


def fails(source: Synced, told: str, **options: Any) -> RunReport:
    """The run fails in one line that names the source and tells what is wrong; nothing of it is left behind."""
    before = source.everything(), cursor(source)
    report = source.sync(**options)
    assert report.state == "failed", report
    assert report.error and "\n" not in report.error
    assert report.error.startswith("springfield: ") and told in report.error, report.error
    assert (source.everything(), cursor(source)) == before
    return report


def recovers(source: Synced, *, clear: bool = True) -> None:
    """When the fault is over, or one that passes has come (clear: False), the next run is right again."""
    if clear:
        source.sandbox.clear_faults()
    assert source.sync().state == "applied"
    assert source.differences() == []


def loses_nobody(source: Synced, *kinds: str) -> RunReport:
    """The run goes through, says why it is in doubt, and takes nobody of these kinds away."""
    active = {kind: {r["id"] for r in rows if r["status"] == "active"} for kind, rows in source.everything().items()}
    report = source.sync()
    assert report.state == "applied" and report.doubts, report
    now = {kind: {r["id"] for r in rows if r["status"] == "active"} for kind, rows in source.everything().items()}
    for kind in kinds:
        assert active[kind] <= now[kind] and report.counts[kind].deactivated == 0
    return report


def asked(sandbox: Sandbox, path: str) -> int:
    """How many requests went there so far."""
    return sum(path in f"{seen.path}?{seen.query}" for seen in sandbox.requests())
