"""Reading the roster: what we hold true, as plain objects with the fields of design section 3."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select

from syncd.roster.kinds import PLURAL, fields
from syncd.store.engine import Store
from syncd.store.tables import ROSTER, changes, purged, purged_as_it_stands, runs

_SEARCHED = ("id", "name", "given_name", "family_name", "username", "number", "student_number", "state_id", "email")


def _as_record(kind: str, row: Any) -> dict[str, Any]:
    record = {"source": row.source, "id": row.id, "status": row.status, "deactivated_at": row.deactivated_at}
    for name in fields(kind):
        record[name] = getattr(row, name)
    record["extra"] = row.extra or {}
    # Only where it is so: nothing of it is there to be known any more.
    return record if row.purged_at is None else {**record, "purged_at": row.purged_at}


def _held(kind: str) -> Select[Any]:
    """The rows of a kind, each with when it was purged, if it is."""
    return select(ROSTER[kind], purged.c.purged_at).outerjoin(purged, purged_as_it_stands(kind))


def records(
    store: Store, kind: str, source: str | None = None, status: str = "active", search: str | None = None
) -> Iterator[dict[str, Any]]:
    """The records of a kind by source and id. status: `active`, `inactive` or `all`. search: part of an id, a number, an email or a name
    (given and family together, too), any case."""
    table = ROSTER[kind]
    query = _held(kind).order_by(table.c.source, table.c.id)
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
        for row in connection.execute(query.execution_options(yield_per=1000)):
            yield _as_record(kind, row)


def records_as_of(
    store: Store, kind: str, as_of: int | datetime, source: str | None = None, status: str = "active", search: str | None = None
) -> Iterator[dict[str, Any]]:
    """The records of a kind by source and id as they were when a run had ended, or at a time: today's, less all later changes. One of which
    values were purged has `purged_at`, and None for what is no longer known."""
    table, words = ROSTER[kind], (search or "").lower()
    # Runs of different sources overlap, so that a time does not stand for one run.
    since = changes.c.run > as_of if isinstance(as_of, int) else changes.c.run.in_(select(runs.c.id).where(runs.c.finished_at > as_of))
    later = select(changes).where(changes.c.kind == kind, since)
    now = _held(kind)
    if source:
        later, now = later.where(changes.c.source == source), now.where(table.c.source == source)
    later = later.order_by(changes.c.run.desc())
    with store.read() as connection:
        current = {(row.source, row.id): _as_record(kind, row) for row in connection.execute(now)}
        for change in connection.execute(later):
            _take_back(current, change)
    for _, found in sorted(current.items()):
        told = [str(found.get(name) or "") for name in _SEARCHED] + [f"{found.get('given_name')} {found.get('family_name')}"]
        seen = any(words in part.lower() for part in told)
        if (status == "all" or found["status"] == status) and (not words or seen):
            yield found


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
        return [_as_record(kind, row) for row in connection.execute(query)]


def active_counts(store: Store, source: str) -> dict[str, int]:
    """How many active records of each kind (plural) a source has."""
    with store.read() as connection:
        return {
            PLURAL[kind]: connection.execute(
                select(func.count()).select_from(table).where(table.c.source == source, table.c.status == "active")
            ).scalar_one()
            for kind, table in ROSTER.items()
        }
