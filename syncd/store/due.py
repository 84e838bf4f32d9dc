"""When each source is to be pulled next. A daemon alone keeps that itself, and tells it here (`publish`) for others to show.

Where several machines share a store in PostgreSQL they go by what stands here, also by who is at a source, and not by the queue, which is
but a doorbell: whoever hears it looks here whether there is anything to do. The clock is the database's. A pull that fell due is *wanted*
until a run of it has come to its end, which the runs themselves tell: one that was interrupted, stopped or overtaken is no end.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    and_,
    any_,
    case,
    delete,
    exists,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from syncd.report import Mode, Trigger
from syncd.store import migrations
from syncd.store.engine import Store
from syncd.store.runs import ENDED
from syncd.store.tables import PAUSED, due, members, runs, sources
from syncd.store.upsert import insert

# A source that is paused is not pulled by its schedule; what falls due meanwhile stays so.
_RESTS = exists().where(sources.c.name == due.c.source, PAUSED)


class Times(NamedTuple):
    """When a source is pulled next, and when wholly. schedule: as configured when that was worked out."""

    schedule: str
    pull_at: datetime
    full_at: datetime | None


class Waiting(NamedTuple):
    """How many sources wait to be pulled, for how many seconds the first of them has, and how many are being pulled."""

    waiting: int
    oldest: float | None
    running: int


def now(connection: Connection) -> datetime:
    """When this transaction began, by the database's clock (a file has this machine's)."""
    return datetime.now(UTC) if connection.dialect.name == "sqlite" else connection.execute(select(func.now())).scalar_one()


def next_times(store: Store) -> dict[str, tuple[datetime, datetime | None]]:
    """{source: (when it is pulled next, when wholly)}, of the sources that the daemons pull by a schedule. A time that has passed is due,
    or of a daemon that is no more (`members.serving`)."""
    with store.read() as connection:
        return {row.source: (row.pull_at, row.full_at) for row in connection.execute(select(due))}


def publish(connection: Connection, times: Mapping[str, Times | None], *, alone: bool = False) -> None:
    """Tell when sources are pulled next; None: not any more. alone: nothing else holds of what was told before."""
    gone = [source for source, told in times.items() if told is None]
    if alone or gone:
        connection.execute(delete(due) if alone else delete(due).where(due.c.source.in_(gone)))
    rows = [{"source": source, **told._asdict()} for source, told in times.items() if told is not None]
    if rows:
        row = insert(connection, due)
        told_anew = {name: row.excluded[name] for name in Times._fields}
        connection.execute(row.on_conflict_do_update(index_elements=[due.c.source], set_=told_anew), rows)


def soon(connection: Connection, source: str) -> None:
    """Let a source be due now."""
    at = now(connection)
    connection.execute(update(due).where(due.c.source == source, due.c.pull_at > at).values(pull_at=at))


def planned(connection: Connection) -> dict[str, str]:
    """{source: the schedule that its times were worked out with}."""
    return {row.source: row.schedule for row in connection.execute(select(due.c.source, due.c.schedule))}


def plan(connection: Connection, source: str, schedule: str, pull_at: datetime, full_at: datetime | None) -> None:
    """Write when a source is due by a new schedule. What was wanted stays so. Where two begin at once, the first one's times stand."""
    times = {"schedule": schedule, "pull_at": pull_at, "full_at": full_at}
    row = insert(connection, due).values(source=source, **times)
    connection.execute(row.on_conflict_do_update(index_elements=[due.c.source], set_=times, where=due.c.schedule != schedule))


def falls_due(connection: Connection, at: datetime, after: str, limit: int) -> list[Row[Any]]:
    """Rows of which something is due or wanted, those that are paused left out, in order, from the first behind `after`; locked, without
    those that another has."""
    fallen = or_(due.c.pull_at <= at, due.c.full_at <= at, and_(due.c.wanted.is_not(None), due.c.member.is_(None)))
    query = select(due).where(fallen, ~_RESTS, due.c.source > after).order_by(due.c.source).limit(limit)
    return list(connection.execute(query.with_for_update(skip_locked=True)))


def move(connection: Connection, source: str, **values: Any) -> None:
    """Change a row that is locked."""
    connection.execute(update(due).where(due.c.source == source).values(**values))


def claim(connection: Connection, source: str, job: int, member: str) -> Mode | None:
    """Take a pull that is wanted: its mode; None when nothing is, the source is paused, another is at it, or the others took this member
    for dead.

    Raises Outdated when a newer syncd has upgraded the store.
    """
    migrations.refuse_newer(connection)
    latest = select(func.coalesce(func.max(runs.c.id), 0)).where(runs.c.source == source).scalar_subquery()
    lives = exists().where(members.c.name == member)
    free = update(due).where(due.c.source == source, due.c.wanted.is_not(None), due.c.member.is_(None), ~_RESTS, lives)
    mode = connection.execute(free.values(member=member, job=job, after_run=latest).returning(due.c.wanted)).scalar()
    return None if mode is None else Mode(mode)


def give_back(connection: Connection, member: str, *, source: str | None = None, but: set[str] | None = None) -> None:
    """End a member's claim of a source, or of all but some: what came to its end is no longer wanted."""
    mine = [due.c.member == member]
    if source is not None:
        mine.append(due.c.source == source)
    if but:
        mine.append(not_(_among(due.c.source, but)))
    _release(connection, and_(*mine))


def give_back_of_the_dead(connection: Connection) -> list[int]:
    """End the claims of members that are no more. Gives back the jobs that they had."""
    dead = and_(due.c.member.is_not(None), not_(exists().where(members.c.name == due.c.member)))
    jobs = connection.execute(select(due.c.job).where(dead, due.c.job.is_not(None)).with_for_update()).scalars().all()
    _release(connection, dead)
    return [job for job in jobs if job is not None]


def _release(connection: Connection, which: ColumnElement[bool]) -> None:
    mine = and_(runs.c.source == due.c.source, runs.c.id > due.c.after_run, runs.c.trigger == Trigger.SCHEDULE)
    ended = exists().where(mine, ENDED)
    still = {"wanted": case((ended, null()), else_=due.c.wanted), "wanted_at": case((ended, null()), else_=due.c.wanted_at)}
    connection.execute(update(due).where(which).values(member=None, job=None, **still))


def waiting(store: Store, names: list[str]) -> Waiting:
    """What waits, of these sources, those that are paused left out. What is due and has not been queued counts too: so it shows when nobody
    looks."""
    since = func.least(due.c.wanted_at, due.c.pull_at, due.c.full_at)
    free = and_(due.c.member.is_(None), since <= func.now())
    counted = select(
        func.count().filter(free),
        func.extract("epoch", func.now() - func.min(since).filter(free)),
        func.count().filter(due.c.member.is_not(None)),
    ).where(_among(due.c.source, names), ~_RESTS)
    with store.read() as connection:
        count, oldest, running = connection.execute(counted).one()
    return Waiting(count, None if oldest is None else float(oldest), running)


def _among(column: Column[Any], names: list[str] | set[str]) -> ColumnElement[bool]:
    return column == any_(literal(sorted(names), ARRAY(Text)))
