"""Reading the roster: what we hold true, as plain objects with the fields of design section 3."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, or_, select, tuple_

from syncd.roster.kinds import PLURAL, fields
from syncd.store import jsontext
from syncd.store.engine import Store
from syncd.store.tables import ROSTER, changes, purged, purged_as_it_stands, runs

# How many records are in memory at a time.
_BATCH = 500
_SEARCHED = ("id", "name", "given_name", "family_name", "username", "number", "student_number", "state_id", "email")


def as_record(kind: str, row: Any) -> dict[str, Any]:
    """A row of a kind as people and programs see it; `purged_at` is told where the row has one."""
    record = {"source": row.source, "id": row.id, "status": row.status, "deactivated_at": row.deactivated_at}
    for name in fields(kind):
        record[name] = getattr(row, name)
    record["extra"] = row.extra or {}
    # Only where it is so: nothing of it is there to be known any more.
    purged_at = getattr(row, "purged_at", None)
    return record if purged_at is None else {**record, "purged_at": purged_at}


def _held(kind: str) -> Select[Any]:
    """The rows of a kind, each with when it was purged, if it is."""
    return select(ROSTER[kind], purged.c.purged_at).outerjoin(purged, purged_as_it_stands(kind))


def records(
    store: Store,
    kind: str,
    source: str | None = None,
    status: str = "active",
    search: str | None = None,
    after: tuple[str, str] | None = None,
) -> Iterator[dict[str, Any]]:
    """The records of a kind by source and id. status: `active`, `inactive` or `all`. search: part of an id, a number, an email or a name
    (given and family together, too), any case. after: (source, id), to begin behind that one."""
    table = ROSTER[kind]
    query = _held(kind).order_by(table.c.source, table.c.id)
    if after:
        query = query.where(tuple_(table.c.source, table.c.id) > tuple_(*map(literal, after)))
    if source:
        query = query.where(table.c.source == source)
    if status != "all":
        query = query.where(table.c.status == status)
    if search:
        parts: list[ColumnElement[Any]] = [table.c[name] for name in _SEARCHED if name in table.c]
        if kind == "user":
            parts.append(table.c.given_name + " " + table.c.family_name)
        query = query.where(or_(*(part.icontains(search, autoescape=True) for part in parts)))
    with store.read() as connection:
        for row in connection.execute(query.execution_options(yield_per=_BATCH)):
            yield as_record(kind, row)


def records_as_of(
    store: Store, kind: str, as_of: int | datetime, source: str | None = None, status: str = "active", search: str | None = None
) -> Iterator[dict[str, Any]]:
    """The records of a kind by source and id as they were when a run had ended, or at a time: today's, less all later changes. One of which
    values were purged has `purged_at`, and None for what is no longer known."""
    # Runs of different sources overlap, so that a time does not stand for one run.
    run = changes.c.run + 0
    since = run > as_of if isinstance(as_of, int) else run.in_(select(runs.c.id).where(runs.c.finished_at > as_of))
    later = and_(changes.c.kind == kind, since)
    words = (search or "").lower()
    with store.read() as connection:
        rows = connection.execute(_by_id_then(connection, kind, source, later).execution_options(yield_per=_BATCH))
        for batch in rows.partitions():
            for found in _as_then(connection, [as_record(kind, row) for row in batch], later):
                told = [str(found.get(name) or "") for name in _SEARCHED] + [f"{found.get('given_name')} {found.get('family_name')}"]
                seen = any(words in part.lower() for part in told)
                if (status == "all" or found["status"] == status) and (not words or seen):
                    yield found


def _by_id_then(connection: Connection, kind: str, source: str | None, later: ColumnElement[bool]) -> Select[Any]:
    """The rows of a kind in the order of the ids that they had before the changes that are `later`."""
    table, query = ROSTER[kind], _held(kind)
    if source:
        query = query.where(table.c.source == source)
    rekeyed = and_(later, changes.c.action == "rekey")
    if connection.execute(select(changes.c.run).where(rekeyed).limit(1)).first() is None:
        return query.order_by(table.c.source, table.c.id)
    # Each new id with the run that gave it and the next run that gave it anew; from a record's id now, the one before, and so on.
    key = (changes.c.source, changes.c.record_id)
    before = jsontext.at(connection, changes.c.fields, "id", 0).label("before")
    until = func.lead(changes.c.run).over(partition_by=key, order_by=changes.c.run).label("until")
    given = select(*key, before, changes.c.run, until).where(rekeyed).cte("given")
    ids = select(given.c.source, given.c.record_id.label("now"), given.c.before.label("id"), given.c.run).where(given.c.until.is_(None))
    found = ids.cte("ids", recursive=True)
    still = and_(given.c.run < found.c.run, or_(given.c.until.is_(None), given.c.until >= found.c.run))
    of = and_(given.c.source == found.c.source, given.c.record_id == found.c.id, still)
    found = found.union_all(select(found.c.source, found.c.now, given.c.before, given.c.run).join(given, of))
    first = func.row_number().over(partition_by=(found.c.source, found.c.now), order_by=found.c.run).label("first")
    then = select(found.c.source, found.c.now, found.c.id, first).subquery("then")
    mine = and_(then.c.source == table.c.source, then.c.now == table.c.id, then.c.first == 1)
    return query.outerjoin(then, mine).order_by(table.c.source, func.coalesce(then.c.id, table.c.id))


def _as_then(connection: Connection, records: list[dict[str, Any]], later: ColumnElement[bool]) -> Iterator[dict[str, Any]]:
    """Those of the records that were there before the changes that are `later`, as they were, in the same order."""
    current = {(record["source"], record["id"]): record for record in records}
    later = and_(later, changes.c.source.in_({source for source, _ in current}))
    ids = new = {record_id for _, record_id in current}
    while new:
        query = _changes_of(connection, new, and_(later, changes.c.action == "rekey"), jsontext.at(connection, changes.c.fields, "id", 0))
        new = {before for (before,) in connection.execute(query) if before is not None} - ids
        ids = ids | new
    query = _changes_of(connection, ids, later, changes).order_by((changes.c.run + 0).desc())
    for change in connection.execute(query.execution_options(yield_per=_BATCH)):
        if change.run is not None:
            _take_back(current, change)
    left = set(map(id, current.values()))
    return (record for record in records if id(record) in left)


def _changes_of(connection: Connection, ids: Collection[str], which: ColumnElement[bool], *columns: Any) -> Select[Any]:
    """Columns of those changes of records with these ids; NULLs for an id that has none. SQLite takes the log of a run or a source for
    short and would read all of it, so that it is told to look up each id: by an outer join and a range of one."""
    wanted = jsontext.listed(connection, ids)
    value, record_id = wanted.c.value, changes.c.record_id
    same = record_id.between(value, value) if connection.dialect.name == "sqlite" else record_id == value
    return select(*columns).outerjoin_from(wanted, changes, and_(which, same))


def _take_back(current: dict[tuple[str, str], dict[str, Any]], change: Any) -> None:
    """What one record was before one change of it."""
    found = current.pop((change.source, change.record_id), None)
    if found is None or change.action == "create":
        return
    for name, values in (change.fields or {}).items():
        found[name] = None if values is None else values[0]
    if change.purged_at is not None:
        found["purged_at"] = change.purged_at
    if change.action == "reactivate":
        at = found["deactivated_at"]
        found |= {"status": "inactive", "deactivated_at": datetime.fromisoformat(at) if isinstance(at, str) else at}
    elif change.action == "deactivate":
        found |= {"status": "active", "deactivated_at": None}
    found["extra"] = found["extra"] or {}
    current[change.source, found["id"]] = found


def record(store: Store, kind: str, record_id: str, source: str | None = None) -> list[dict[str, Any]]:
    """The record of an id, active or not; one per source that has it."""
    table = ROSTER[kind]
    query = _held(kind).where(table.c.id == record_id).order_by(table.c.source)
    if source:
        query = query.where(table.c.source == source)
    with store.read() as connection:
        return [as_record(kind, row) for row in connection.execute(query)]


def active_counts(store: Store, source: str) -> dict[str, int]:
    """How many active records of each kind (plural) a source has."""
    with store.read() as connection:
        return {
            PLURAL[kind]: connection.execute(
                select(func.count()).select_from(table).where(table.c.source == source, table.c.status == "active")
            ).scalar_one()
            for kind, table in ROSTER.items()
        }
