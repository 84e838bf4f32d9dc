"""What people ask for in the console, as it is kept: each order is done once, whoever dies meanwhile.

An order is open until it is done, refused or cancelled. Whoever does it takes it when its run can begin; until then it waits. Whether it is
done is told by its runs (`runs.asked`) and by nothing else: so one whose taker died is done if a run of it has come to its end, and waits
again if not.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)

from syncd.errors import SyncdError, Unknown
from syncd.order import Options, OrderReport, OrderState, Previewed, What
from syncd.report import State
from syncd.store import migrations
from syncd.store import runs as kept
from syncd.store.engine import Store
from syncd.store.tables import OPEN, members, orders, previews, runs

# How often an order is begun whose runs end with their process, which does harm to all.
TRIES = 3
# For so long what a dry run would have changed can be looked at: personal data that nobody needs on the next day.
PREVIEW_LASTS = timedelta(days=1)


def give(connection: Connection, source: str, what: What | str, *, by: str, **options: Any) -> int:
    """Ask for something to be done: the order's number. options: as `Options` has them. by: the account that asks.

    Who asks for the same again before it has begun (a second click) gets the same order. Raises SyncdError when the source has no such run
    to approve or undo, ValueError for options that do not go with what is asked.
    """
    what, wanted = What(what), Options(**options)
    if (wanted.run is None) != (what == What.SYNC):
        raise ValueError("a run is named to approve or undo it, and only then")
    if wanted.run is not None and connection.execute(select(runs.c.source).where(runs.c.id == wanted.run)).scalar() != source:
        raise SyncdError(f"{source} has no run {wanted.run}.", advice=f"`syncd runs --source {source}` lists its runs.")
    row = {"source": source, "what": what.value, "options": wanted.model_dump(mode="json", exclude_defaults=True), "asked_by": by}
    same = and_(OPEN, orders.c.state == OrderState.WAITING, *(orders.c[name] == value for name, value in row.items()))
    there = connection.execute(select(orders.c.id).where(same)).scalars().first()
    if there is not None:
        return int(there)
    inserted = connection.execute(insert(orders).values(**row, asked_at=datetime.now(UTC), state=OrderState.WAITING))
    assert inserted.inserted_primary_key is not None
    return int(inserted.inserted_primary_key[0])


def cancel(connection: Connection, number: int, *, by: str) -> bool:
    """Take an order back that has not begun. False, and nothing happens, when it has, or has ended."""
    told = {"state": OrderState.CANCELLED, "ended_at": datetime.now(UTC), "error": f"cancelled by {by} before it had begun."}
    waits = (orders.c.id == number, orders.c.state == OrderState.WAITING)
    return connection.execute(update(orders).where(*waits).values(**told)).rowcount == 1


# ── how they are shown ───────────────────────────────────────────────────────────────────────────────


def get(store: Store, number: int) -> OrderReport:
    """One order. Raises Unknown when there is no such order."""
    with store.read() as connection:
        row = connection.execute(_told().where(orders.c.id == number)).one_or_none()
    if row is None:
        raise Unknown(f"there is no order {number}.")
    return _report(row)


def waiting(store: Store, source: str) -> list[OrderReport]:
    """What is asked for at a source and not done yet, what is being done among it, oldest first."""
    return _all(store, _told().where(OPEN, orders.c.source == source).order_by(orders.c.id))


def recent(store: Store, source: str | None = None, limit: int = 20) -> list[OrderReport]:
    """The latest orders, of all sources or of one, newest first."""
    query = _told().order_by(orders.c.id.desc()).limit(limit)
    return _all(store, query if source is None else query.where(orders.c.source == source))


def _all(store: Store, query: Select[Any]) -> list[OrderReport]:
    with store.read() as connection:
        return [_report(row) for row in connection.execute(query)]


def _told() -> Select[Any]:
    """Orders, with the run that has begun for one that is being done (`began`)."""
    mine = select(func.max(runs.c.id)).where(runs.c.source == orders.c.source, runs.c.asked == orders.c.id)
    return select(orders, case((orders.c.state == OrderState.RUNNING, mine.scalar_subquery())).label("began"))


def _report(row: Row[Any]) -> OrderReport:
    names = ("id", "source", "what", "options", "asked_at", "asked_by", "state", "taken_by", "error", "ended_at")
    return OrderReport(run=row.run or row.began, **{name: row._mapping[name] for name in names})


# ── how they are done ────────────────────────────────────────────────────────────────────────────────


def open_ones(connection: Connection) -> list[OrderReport]:
    """All orders that are open, by source and number."""
    return [_report(row) for row in connection.execute(_told().where(OPEN).order_by(orders.c.source, orders.c.id))]


def following(found: Sequence[OrderReport]) -> list[OrderReport]:
    """Of the open orders those that are to be begun next: one a source, answers before syncs. (A person answers what was seen; a pull that
    came first would supersede it. And an answer asks nobody, so that it has no need to wait until a long pull can begin.)"""
    first: dict[str, OrderReport] = {}
    for order in sorted(found, key=lambda order: (order.what == What.SYNC, order.id)):
        if order.state == OrderState.WAITING:
            first.setdefault(order.source, order)
    return list(first.values())


def lock(connection: Connection, numbers: Collection[int]) -> set[int]:
    """Those of the orders that wait, locked, without those that another has."""
    waits = select(orders.c.id).where(orders.c.id.in_(list(numbers)), orders.c.state == OrderState.WAITING)
    return set(connection.execute(waits.with_for_update(skip_locked=True)).scalars())


def take(connection: Connection, number: int, by: str, job: int | None = None) -> OrderReport | None:
    """Take an order, to do it now; None when it waits no more, or the others took this member for dead.

    by: the name of the process; job: of the queue, where it is a member of several. Raises Outdated when a newer syncd has upgraded the
    store.
    """
    migrations.refuse_newer(connection)
    free = [orders.c.id == number, orders.c.state == OrderState.WAITING]
    if job is not None:
        free.append(exists().where(members.c.name == by))
    taken = update(orders).where(*free).values(state=OrderState.RUNNING, taken_by=by, job=job)
    row = connection.execute(taken.returning(*orders.c, literal(None).label("began"))).one_or_none()
    return None if row is None else _report(row)


def end(connection: Connection, number: int, *, run: int | None = None, error: str | None = None) -> None:
    """An order is done, by a run, or refused, for a reason."""
    state = OrderState.REFUSED if run is None else OrderState.DONE
    ended = {"state": state, "run": run, "error": error, "ended_at": datetime.now(UTC), "job": None}
    connection.execute(update(orders).where(orders.c.id == number, OPEN).values(**ended))


def give_back(connection: Connection, by: str, *, number: int | None = None, but: Collection[int] = ()) -> None:
    """End what a process has taken, one or all but those that its threads are at: what a run has done is done, the rest waits again. `but`
    is looked at when it is known what was taken, so that it may grow meanwhile."""
    mine = orders.c.taken_by == by
    _release(connection, mine if number is None else and_(mine, orders.c.id == number), but)


def give_back_of_others(connection: Connection, by: str) -> None:
    """End what any other process has taken: for a daemon that is alone with the store, so that none of them is alive."""
    _release(connection, orders.c.taken_by != by)


def give_back_of_the_dead(connection: Connection) -> list[int]:
    """End what members have taken that are no more. Gives back the jobs that they had."""
    return _release(connection, not_(exists().where(members.c.name == orders.c.taken_by)))


def _release(connection: Connection, which: ColumnElement[bool], but: Collection[int] = ()) -> list[int]:
    taken = select(orders).where(OPEN, orders.c.state == OrderState.RUNNING, which).with_for_update(skip_locked=True)
    rows = [row for row in connection.execute(taken).all() if row.id not in but]
    for row in rows:
        mine = (runs.c.source == row.source, runs.c.asked == row.id)
        done = connection.execute(select(func.max(runs.c.id)).where(*mine, kept.ENDED)).scalar()
        died = or_(runs.c.error == kept.INTERRUPTED, runs.c.state == State.RUNNING)
        if done is not None:
            end(connection, row.id, run=done)
        elif connection.execute(select(func.count()).select_from(runs).where(*mine, died)).scalar_one() >= TRIES:
            end(connection, row.id, error=f"{row.source}: it was begun {TRIES} times, and ended the whole process each time.")
        else:
            again = {"state": OrderState.WAITING, "taken_by": None, "job": None}
            connection.execute(update(orders).where(orders.c.id == row.id).values(**again))
    return [row.job for row in rows if row.job is not None]


# ── what a dry run would change ──────────────────────────────────────────────────────────────────────


def keep_preview(connection: Connection, source: str, number: int, found: Sequence[Previewed]) -> None:
    """Keep what a dry run would change, instead of what an earlier try of it kept."""
    connection.execute(delete(previews).where(previews.c.source == source, previews.c.order == number))
    rows = [
        {
            "source": source,
            "order": number,
            "seq": seq,
            "kind": change.kind,
            "record_id": change.id,
            "action": change.action,
            "fields": change.fields,
            "held": change.held,
        }
        for seq, change in enumerate(found)
    ]
    if rows:
        connection.execute(insert(previews), rows)


def preview(store: Store, number: int) -> list[Previewed]:
    """Some of what an ordered dry run would change, people first; the counts are in its run's report. Nothing when it is older than a day,
    or the source was synced since."""
    fresh = and_(orders.c.id == number, orders.c.state == OrderState.DONE, orders.c.ended_at > datetime.now(UTC) - PREVIEW_LASTS)
    mine = and_(previews.c.source == orders.c.source, previews.c.order == orders.c.id)
    with store.read() as connection:
        rows = connection.execute(select(previews).join(orders, mine).where(fresh).order_by(previews.c.seq)).all()
    return [Previewed(kind=row.kind, id=row.record_id, action=row.action, fields=row.fields, held=row.held) for row in rows]


def drop_previews(connection: Connection, source: str) -> None:
    """Forget what dry runs of a source would have changed: it has changed, or a person in it is to be forgotten."""
    connection.execute(delete(previews).where(previews.c.source == source))


def drop_old_previews(connection: Connection) -> None:
    """Forget what dry runs would have changed whose time is over."""
    young = or_(OPEN, orders.c.ended_at > datetime.now(UTC) - PREVIEW_LASTS)
    kept_for = exists().where(orders.c.id == previews.c.order, young)
    connection.execute(delete(previews).where(not_(kept_for)))
