"""How all sources stand, asked for at once: for metrics and notices, which look every few seconds, at thousands of sources and at tables of
runs that nobody could read through each time."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ScalarSelect, and_, func, select

from syncd.report import Counts, Mode, RunReport, State
from syncd.store import runs as kept
from syncd.store.engine import Store
from syncd.store.tables import runs, sources

# Pulls that came to a good end, whatever became of them later.
GOOD = (State.APPLIED, State.HELD, State.REJECTED, State.UNDONE)
# Of a source that has not had a good pull for long, so many of its latest ones tell enough.
ENOUGH = 20


class Good(NamedTuple):
    """A pull that came to a good end."""

    run: int
    started_at: datetime
    finished_at: datetime
    counts: dict[str, Counts]


class Standing(NamedTuple):
    """A source as it stands. good: its last good pull. since: the pulls after that, newest first, as many as are enough."""

    good: Good | None
    since: list[RunReport]

    @property
    def failures(self) -> list[RunReport]:
        """The latest pulls that failed one after the other, newest first."""
        return kept.failed_in_a_row(self.since)


def of_all(store: Store) -> dict[str, Standing]:
    """{source: how it stands}, of all sources that ever had a run."""
    after = and_(runs.c.source == sources.c.name, runs.c.id > func.coalesce(_last(), 0), runs.c.trigger.in_(kept.PULLS))
    # From the sources to their runs, and never the other way round: those are few, these are all that ever were.
    query = select(sources.c.name, runs).select_from(sources.outerjoin(runs, after)).order_by(sources.c.name, runs.c.id.desc())
    good, held = last_good(store), dict[str, bool]()
    since: dict[str, list[RunReport]] = {}
    with store.read() as connection:
        for row in connection.execute(query):
            pulls = since.setdefault(row.name, [])
            if row.id is not None and len(pulls) < ENOUGH:
                pulls.append(kept.report_of(row, held, store))
    return {name: Standing(good.get(name), pulls) for name, pulls in since.items()}


def last_good(store: Store, mode: Mode | None = None) -> dict[str, Good]:
    """{source: its last good pull}, or its last good one of a mode."""
    query = select(runs.c.source, runs.c.id, runs.c.started_at, runs.c.finished_at, runs.c.counts)
    with store.read() as connection:
        rows = connection.execute(query.join(sources, runs.c.id == _last(mode))).all()
    return {row.source: Good(row.id, row.started_at, row.finished_at, _counts(row.counts)) for row in rows}


def _counts(found: dict[str, Any]) -> dict[str, Counts]:
    return {kind: Counts.model_validate(counts) for kind, counts in found.items()}


def _last(mode: Mode | None = None) -> ScalarSelect[int]:
    """The number of a source's last good pull: found from the end of what its index has of it."""
    other = runs.alias("other")
    mine = [other.c.source == sources.c.name, other.c.trigger.in_(kept.PULLS), other.c.state.in_(GOOD)]
    if mode is not None:
        mine.append(other.c.mode == mode)
    return select(func.max(other.c.id)).where(*mine).correlate(sources).scalar_subquery()
