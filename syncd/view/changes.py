"""What a run changed or holds, page by page: filtered by kind, action, field and id, people first."""

from typing import Any

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Table, case, func, select, tuple_, type_coerce
from sqlalchemy.types import Text

from syncd.roster.kinds import PLURAL, SINGULAR
from syncd.store import Store
from syncd.store.columns import canonical
from syncd.store.runs import FIRST
from syncd.store.tables import ROSTER, changes, held_changes, runs

PAGE = 50


class Changed(BaseModel):
    """One change. kind: plural, as everywhere people see it. fields: {name: [old, new]}; {name: null} where values were purged, or where
    who asks may not see them. name: of the record, for those who may see names. rule: why a held one waits."""

    kind: str
    id: str
    action: str
    fields: dict[str, Any]
    rule: str | None = None
    name: str | None = None


class ChangesPage(BaseModel):
    """Some changes, in order. after: what to ask the next page with; None when this is the last one."""

    changes: list[Changed]
    after: str | None


class Wanted(BaseModel):
    """Which changes: kind (plural), action, a changed field, part of an id, those that are held instead of those that were applied."""

    kind: str | None = None
    action: str | None = None
    field: str | None = None
    search: str | None = None
    held: bool = False


class Tally(BaseModel):
    """How many changes of a kind and action a run made or holds."""

    kind: str
    action: str
    count: int


def page(store: Store, run: int, wanted: Wanted, *, after: str | None = None, limit: int = PAGE, values: bool = False) -> ChangesPage:
    """The changes behind `after`. values: whether to tell names, and old and new values."""
    table = held_changes if wanted.held else changes
    place = case(FIRST, value=table.c.kind)
    query = select(table).where(*_which(table, run, wanted)).order_by(place, table.c.record_id).limit(limit + 1)
    if after:
        kind, record_id = _place(after)
        query = query.where(tuple_(place, table.c.record_id) > tuple_(FIRST[kind], record_id))
    with store.read() as connection:
        rows = connection.execute(query).all()
        names = _names(connection, rows[:limit]) if values else {}
    found = [
        Changed(
            kind=PLURAL[row.kind],
            id=row.record_id,
            action=row.action,
            fields=row.fields or {} if values else dict.fromkeys(row.fields or {}),
            rule=row.rule if wanted.held else None,
            name=names.get((row.kind, row.record_id)),
        )
        for row in rows[:limit]
    ]
    return ChangesPage(changes=found, after=f"{rows[limit - 1].kind}:{rows[limit - 1].record_id}" if len(rows) > limit else None)


def tallies(store: Store, run: int, *, held: bool = False) -> list[Tally]:
    """How many there are of each kind and action."""
    table = held_changes if held else changes
    query = select(table.c.kind, table.c.action, func.count()).where(*_which(table, run, Wanted())).group_by(table.c.kind, table.c.action)
    with store.read() as connection:
        rows = connection.execute(query).all()
    order = sorted(rows, key=lambda row: (FIRST[row[0]], row[1]))
    return [Tally(kind=PLURAL[kind], action=action, count=count) for kind, action, count in order]


def _which(table: Table, run: int, wanted: Wanted) -> list[ColumnElement[bool]]:
    source = select(runs.c.source).where(runs.c.id == run).scalar_subquery()
    which = [table.c.source == source, table.c.run == run]
    if wanted.kind:
        which.append(table.c.kind == SINGULAR.get(wanted.kind, wanted.kind))
    if wanted.action:
        which.append(table.c.action == wanted.action)
    if wanted.field:
        which.append(type_coerce(table.c.fields, Text).contains(f"{canonical(wanted.field)}:", autoescape=True))
    if wanted.search:
        which.append(table.c.record_id.icontains(wanted.search.strip(), autoescape=True))
    return which


def _place(after: str) -> tuple[str, str]:
    """Where a page begins. An `after` that no page gave begins at the beginning."""
    kind, _, record_id = after.partition(":")
    return (kind, record_id) if kind in FIRST else ("user", "")


def _names(connection: Any, rows: Any) -> dict[tuple[str, str], str]:
    """What the records are called, as the roster has them."""
    names: dict[tuple[str, str], str] = {}
    for kind in {row.kind for row in rows}:
        mine = [row for row in rows if row.kind == kind]
        table = ROSTER[kind]
        if kind == "enrollment":
            continue
        called = table.c.given_name + " " + table.c.family_name if kind == "user" else table.c.name
        query = select(table.c.id, called).where(table.c.source == mine[0].source, table.c.id.in_([row.record_id for row in mine]))
        names |= {(kind, row[0]): row[1] for row in connection.execute(query) if row[1]}
    return names
