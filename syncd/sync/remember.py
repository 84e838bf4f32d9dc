"""After a pull: keeps its pages, so that what comes again just so need not be read again, and which of its documents are unsettled.

Unsettled is every document of which the roster does not hold what it states, for whatever reason: it is held, it waits for somebody, it was
read with a problem, or it did not come and its record stands all the same. Those are read again when they come, and missed when they do
not.
"""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, literal, or_, select, update

from syncd.contract.connector import Resource
from syncd.report import RunReport
from syncd.roster.kinds import KINDS, PLURAL
from syncd.store import pages
from syncd.store.tables import ROSTER, purged, purged_as_it_stands, sources, unsettled
from syncd.store.tables import pages as kept
from syncd.sync.stage import Staged
from syncd.sync.staging import (
    STAGED,
    absent,
    planned,
    staged_pages,
    staged_parts,
    staged_unreadable,
    staged_unsettled,
    staged_waiting,
)


def remember(connection: Connection, report: RunReport, pulled: Staged, reader: str) -> None:
    """Keep what came in a full pull; of a pull of changes, that its documents are not what they were. In the transaction that applies."""
    source = report.source
    if pulled.incremental:
        _unsettle_changes(connection, source)
        return
    whole = [resource for resource in pulled.resources if pulled.doubts.get(resource.name, "") is None]
    names = [resource.name for resource in whole]
    connection.execute(delete(kept).where(kept.c.source == source, kept.c.resource.not_in(names)))
    for name in names:
        _replace(connection, source, name, pulled.pages.get(name, 0))
    if pulled.nothing_new:
        active = pulled.known.before.worth.active if pulled.known is not None else {}
    else:
        connection.execute(delete(unsettled).where(unsettled.c.source == source))
        active = {kind: _active_after(report, pulled, kind) for kind in KINDS}
    worth = pages.Worth(reader, tuple(names), report.run, active)
    connection.execute(update(sources).where(sources.c.name == source).values(known=msgspec.to_builtins(worth)))
    if not pulled.nothing_new:
        pages.unsettle(connection, source, *_open_still(connection, source, whole))


def _active_after(report: RunReport, pulled: Staged, kind: str) -> int:
    counts = report.counts[PLURAL[kind]]
    return pulled.active[kind] + counts.created + counts.reactivated - counts.deactivated


def _replace(connection: Connection, source: str, resource: str, count: int) -> None:
    """Make a resource's pages those of this pull; the ones that are what they were at the same place stay untouched."""
    new = select(staged_pages.c.number).where(staged_pages.c.resource == resource)
    mine = and_(kept.c.source == source, kept.c.resource == resource)
    connection.execute(delete(kept).where(mine, or_(kept.c.number >= count, kept.c.number.in_(new))))
    names = [column.name for column in staged_pages.columns]
    rows = select(literal(source), *(staged_pages.c[name] for name in names)).where(staged_pages.c.resource == resource)
    connection.execute(insert(kept).from_select(["source", *names], rows))


def _unsettle_changes(connection: Connection, source: str) -> None:
    came = [select(table.c.resource, func.coalesce(table.c.document_id, table.c.id)) for table in STAGED.values()]
    pages.unsettle(
        connection,
        source,
        *came,
        select(staged_parts.c.resource, staged_parts.c.document_id),
        *(select(table.c.resource, table.c.document_id) for table in (staged_unreadable, staged_unsettled)),
    )


def _open_still(connection: Connection, source: str, whole: list[Resource]) -> list[Any]:
    """(resource, document id) of what is unsettled after a full pull, of the resources that came whole."""
    missed = set(connection.execute(select(absent.c.kind).distinct()).scalars())
    waiting = set(connection.execute(select(planned.c.kind).where(planned.c.held.is_not(None)).distinct()).scalars())
    found: list[Any] = [select(table.c.resource, table.c.document_id) for table in (staged_unsettled, staged_unreadable)]
    found.append(select(staged_parts.c.resource, staged_parts.c.document_id).where(is_purged(source, staged_parts.c.user_id)))
    found.append(select(staged_waiting.c.resource, func.coalesce(staged_waiting.c.document_id, staged_waiting.c.id)))
    for resource in whole:
        for kind in resource.kinds:
            held, table = ROSTER[kind].c, STAGED[kind].c
            document = func.coalesce(held.document_id, held.id)
            if kind in waiting:
                waits = and_(planned.c.kind == kind, planned.c.held.is_not(None))
                ours = and_(held.source == source, or_(held.id == planned.c.record_id, held.id == planned.c.old_id))
                found.append(select(literal(resource.name), document).join_from(planned, ROSTER[kind], ours).where(waits))
                theirs = select(table.resource, func.coalesce(table.document_id, table.id)).join_from(
                    planned, STAGED[kind], table.id == planned.c.record_id
                )
                found.append(theirs.where(waits, table.resource == resource.name))
            if kind in missed:
                mine = and_(held.source == source, held.id == absent.c.id, held.status == "active")
                stays = select(literal(resource.name), document).join_from(absent, ROSTER[kind], mine)
                found.append(stays.where(absent.c.kind == kind))
    return found


def is_purged(source: str, user_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether it is a user who left and was purged: what the source goes on saying of one (demographics, enrollments) is not kept."""
    user = ROSTER["user"].c
    return exists(
        select(user.id)
        .join(purged, purged_as_it_stands("user"))
        .where(user.source == source, user.id == user_id, user.status == "inactive")
    )
