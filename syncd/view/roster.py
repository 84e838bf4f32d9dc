"""The roster, searched page by page, and one record with all that is known of it."""

from collections.abc import Collection
from datetime import datetime
from itertools import islice
from typing import Any

from pydantic import BaseModel
from sqlalchemy import and_, select

from syncd.roster.kinds import PLURAL, SINGULAR
from syncd.store import Store, links, runs
from syncd.store import roster as held
from syncd.store.runs import Change
from syncd.store.tables import ROSTER

PAGE = 50
# Enrollments of one person or section that a page shows.
TOGETHER = 200


class Place(BaseModel):
    """A record's place in the list."""

    source: str
    id: str


class RosterPage(BaseModel):
    """Some records with the fields of their kind, by source and id. after: what to ask the next page with; None at the end."""

    records: list[dict[str, Any]]
    after: Place | None


class Happened(BaseModel):
    """One change of a record: when, in which run, and the old and new value of each field (null where they were purged)."""

    source: str
    run: int
    kind: str
    id: str
    action: str
    fields: dict[str, Any]
    at: datetime | None
    purged_at: datetime | None


class Record(BaseModel):
    """One record: as it stands, all that ever happened to it (oldest first), what waits for a person, and the same person elsewhere."""

    kind: str
    record: dict[str, Any]
    changes: list[Happened]
    held_changes: list[dict[str, Any]]
    links: list[dict[str, Any]]


def page(
    store: Store,
    kind: str,
    *,
    source: str | None = None,
    status: str = "active",
    search: str | None = None,
    after: tuple[str, str] | None = None,
    limit: int = PAGE,
) -> RosterPage:
    """Records of a kind (plural) behind `after`."""
    found = list(islice(held.records(store, SINGULAR[kind], source, status, search, after=after), limit + 1))
    last = found[limit - 1] if len(found) > limit else None
    return RosterPage(records=found[:limit], after=Place(source=last["source"], id=last["id"]) if last else None)


def record(store: Store, kind: str, source: str, record_id: str) -> Record | None:
    """One record of a kind (plural), also under an earlier id of its own; None when there is none."""
    singular = SINGULAR[kind]
    found = held.record(store, singular, record_id, source)
    if not found and (now := runs.now_called(store, singular, record_id, source)):
        record_id = now
        found = held.record(store, singular, now, source)
    if not found:
        return None
    return Record(
        kind=kind,
        record=found[0],
        changes=[_happened(change) for change in runs.history(store, singular, record_id, source)],
        held_changes=runs.held_of(store, singular, record_id, source),
        links=links.of_user(store, source, record_id) if singular == "user" else [],
    )


def enrollments(store: Store, source: str, *, user: str | None = None, section: str | None = None) -> list[dict[str, Any]]:
    """The enrollments of a user or of a section, active ones first, each with the other end's name."""
    table, other = ROSTER["enrollment"], ROSTER["section" if user is not None else "user"]
    mine = table.c.user_id == user if user is not None else table.c.section_id == section
    theirs = table.c.section_id if user is not None else table.c.user_id
    name = other.c.name if user is not None else other.c.given_name + " " + other.c.family_name
    columns = (table.c.id, table.c.status, table.c.role, table.c.begin_date, table.c.end_date, theirs.label("other_id"), name.label("name"))
    joined = table.outerjoin(other, and_(other.c.source == table.c.source, other.c.id == theirs))
    query = select(*columns).select_from(joined).where(table.c.source == source, mine).order_by(table.c.status, name, table.c.id)
    with store.read() as connection:
        return [dict(row._mapping) for row in connection.execute(query.limit(TOGETHER))]


def names(store: Store, kind: str, source: str, ids: list[str]) -> dict[str, str]:
    """What some records are called."""
    table = ROSTER[kind]
    called = table.c.given_name + " " + table.c.family_name if kind == "user" else table.c.name
    query = select(table.c.id, called).where(table.c.source == source, table.c.id.in_(ids))
    with store.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query) if row[1]}


class School(BaseModel):
    """A school of a source."""

    source: str
    id: str
    name: str


def schools(store: Store, sources: Collection[str]) -> list[School]:
    """The active schools of these sources, each id once, by name."""
    org = ROSTER["org"].c
    query = select(org.source, org.id, org.name).where(org.source.in_(sources), org.status == "active", org.type == "school")
    with store.read() as connection:
        rows = connection.execute(query.order_by(org.name, org.id, org.source)).all()
    found = {row.id: School(source=row.source, id=row.id, name=row.name or row.id) for row in reversed(rows)}
    return sorted(found.values(), key=lambda one: (one.name, one.id))


def _happened(change: Change) -> Happened:
    return Happened(
        source=change.source,
        run=change.run,
        kind=PLURAL[change.kind],
        id=change.record_id,
        action=change.action,
        fields=change.fields,
        at=change.at,
        purged_at=change.purged_at,
    )
