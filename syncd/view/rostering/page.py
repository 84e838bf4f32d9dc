"""A page of a collection, or one record of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select

from syncd.export.words import Role
from syncd.store import Store
from syncd.store.tables import ROSTER, runs
from syncd.view.rostering import arrival
from syncd.view.rostering.asked import Asked, Choosing
from syncd.view.rostering.collections import RESOURCES, Reader
from syncd.view.rostering.places import Places
from syncd.view.rostering.seen import Seen


@dataclass(frozen=True)
class Page:
    """rows: of the roster's table, each with `finished_at`, when the run that changed it last ended. total: of all pages. orgs, taught: see
    `syncd.export.documents.Writer`. dates: {id: later than `finished_at`} of those who may have come to the reader only then."""

    rows: Sequence[Row[Any]]
    total: int
    orgs: Collection[str] | None
    taught: dict[str, list[Role]]
    dates: dict[str, datetime]

    def changed_at(self, row: Row[Any]) -> datetime | None:
        """When a record, or why the reader sees it, was changed last."""
        found: datetime | None = self.dates.get(row.id, row.finished_at)
        return found


def page(store: Store, reader: Reader, path: tuple[str, ...], asked: Asked, version: str, places: Places) -> Page:
    """A page of a collection. path: `("users",)`, `("schools", ID, "classes")`, `("schools", ID, "classes", ID, "students")`. Raises
    NoSuch for a parent that is not the reader's, NotTaken, and NoRosterYet."""
    resource = RESOURCES[path[-1]]
    with store.read() as connection:
        seen, table = Seen(connection, reader), ROSTER[resource.kind]
        choosing, state = Choosing(seen, version), seen.state()
        which = [*seen.visible(resource.kind), *seen.within(path), *choosing.chosen(resource, asked)]
        order = choosing.order(resource, asked)
        by_id = asked.sort == "sourcedId" and not asked.descending
        key = (reader, path, asked.clauses, asked.either, version, state)
        total, after = places.look(key, asked.offset)
        if total is None:
            total = int(connection.execute(select(func.count()).select_from(table).where(*which)).scalar_one())
        ids = select(table.c.id).where(*which).order_by(*order).limit(asked.limit)
        ids = ids.where(table.c.id > after) if by_id and after is not None else ids.offset(asked.offset)
        found = ids.subquery("found")
        query = select(table, runs.c.finished_at).join(found, found.c.id == table.c.id).where(table.c.source == reader.source)
        rows = connection.execute(query.outerjoin(runs, runs.c.id == table.c.changed_run).order_by(*order)).all()
        places.keep(key, total, asked.offset + len(rows), rows[-1].id if rows and by_id else None)
        return Page(rows, total, seen.orgs, seen.taught(resource.kind, rows), arrival.dates(seen, resource.kind, rows))


def one(store: Store, reader: Reader, path: tuple[str, str]) -> Page:
    """A single record, also one that is gone. Raises NoSuch and NoRosterYet."""
    resource = RESOURCES[path[0]]
    with store.read() as connection:
        seen = Seen(connection, reader)
        seen.state()
        row = seen.record(resource, path[1])
        return Page([row], 1, seen.orgs, seen.taught(resource.kind, [row]), arrival.dates(seen, resource.kind, [row]))
