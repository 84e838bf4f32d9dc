"""Log lines of runs: the latest ones by filter, and those that came since."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import ColumnElement, func, or_, select

from syncd.report import State
from syncd.store import Store
from syncd.store.tables import run_log, runs

LEVELS = ("debug", "info", "warning", "error", "critical")
PAGE = 200
# Runs whose lines are looked through for a list of the latest: enough for a day of a large district.
RUNS = 300


class Line(BaseModel):
    """One log line of a run. seq: its number within the run. fields: ids and counts only."""

    source: str
    run: int
    seq: int
    at: datetime
    level: str
    event: str
    fields: dict[str, Any]


def latest(store: Store, *, source: str | None = None, run: int | None = None, level: str | None = None, limit: int = PAGE) -> list[Line]:
    """The latest lines, oldest first. level: the least that is told."""
    which: list[ColumnElement[bool]] = []
    if level in LEVELS:
        which.append(run_log.c.level.in_(LEVELS[LEVELS.index(level) :]))
    of = select(runs.c.id, runs.c.source).order_by(runs.c.id.desc()).limit(RUNS)
    if source:
        of = of.where(runs.c.source == source)
    if run is not None:
        of = of.where(runs.c.id == run)
    with store.read() as connection:
        found: list[Line] = []
        # From the newest run on: mostly the first few have enough.
        for number, name in connection.execute(of).all():
            query = select(run_log).where(run_log.c.source == name, run_log.c.run == number, *which)
            rows = connection.execute(query.order_by(run_log.c.seq.desc()).limit(limit - len(found))).all()
            found += map(_line, rows)
            if len(found) >= limit:
                break
    return sorted(found, key=lambda line: (line.at, line.run, line.seq))


def since(store: Store, seen: dict[int, int]) -> list[Line]:
    """The lines of some runs that are newer than what was seen of each. seen: {run: seq}."""
    found: list[Line] = []
    with store.read() as connection:
        names = {row.id: row.source for row in connection.execute(select(runs.c.id, runs.c.source).where(runs.c.id.in_(seen)))}
        for number, name in names.items():
            query = select(run_log).where(run_log.c.source == name, run_log.c.run == number, run_log.c.seq > seen[number])
            found += map(_line, connection.execute(query.order_by(run_log.c.seq)))
    return found


def going_on(store: Store, after: int, watched: list[int]) -> dict[int, dict[str, Any]]:
    """Runs that are going on, began after run number `after`, or are watched: {run: {source, state, progress}}."""
    return _stands(store, or_(runs.c.state == State.RUNNING, runs.c.id > after, runs.c.id.in_(watched)))


def standing(store: Store, wanted: list[int]) -> dict[int, dict[str, Any]]:
    """The same of some runs, whether they go on or not."""
    return _stands(store, runs.c.id.in_(wanted))


def _stands(store: Store, which: ColumnElement[bool]) -> dict[int, dict[str, Any]]:
    query = select(runs.c.id, runs.c.source, runs.c.state, runs.c.progress).where(which)
    with store.read() as connection:
        return {row.id: {"source": row.source, "state": row.state, "progress": row.progress} for row in connection.execute(query)}


def last_seq(store: Store, run: int) -> int:
    """The number of a run's latest line, 0 when there is none."""
    source = select(runs.c.source).where(runs.c.id == run).scalar_subquery()
    query = select(func.max(run_log.c.seq)).where(run_log.c.source == source, run_log.c.run == run)
    with store.read() as connection:
        return connection.execute(query).scalar() or 0


def newest_run(store: Store) -> int:
    """The number of the newest run, 0 when there is none."""
    with store.read() as connection:
        return connection.execute(select(runs.c.id).order_by(runs.c.id.desc()).limit(1)).scalar() or 0


def _line(row: Any) -> Line:
    return Line(source=row.source, run=row.run, seq=row.seq, at=row.at, level=row.level, event=row.event, fields=row.fields)
