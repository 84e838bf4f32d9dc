"""Who did not come: the records that we hold and that nothing stated that came and could be read.

What came again as it was known is not staged. So, of what is known, absent is what stood on the documents that did not come again, or that
came again without it; of everything else, what is not staged.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, delete, func, insert, literal, or_, select

from syncd.contract.connector import Resource
from syncd.roster.kinds import KINDS
from syncd.store.tables import ROSTER
from syncd.sync.known import KnownResource, split
from syncd.sync.stage import Staged
from syncd.sync.staging import STAGED, absent, lost_documents, staged_pages, staged_parts

BATCH = 500
# Ids that are looked up in memory; more of them are looked up in the database.
FEW = 200_000


def find_lost(connection: Connection, staged: Staged) -> bool:
    """Fill `lost_documents` after a full pull. False when a document came both as it is known and in another version: which is right can
    not be told without reading both, and nothing that was staged may be used."""
    with connection.begin():
        return all(
            _find_lost(connection, staged, staged.known.resources[resource.name], resource)
            for resource in staged.resources
            if staged.known is not None and resource.name in staged.known.resources
        )


def note(connection: Connection, source: str, staged: Staged) -> None:
    """Fill `absent` after a full pull."""
    with connection.begin():
        for kind in KINDS if not staged.incremental else ():
            note_absent(connection, source, staged, kind)


def _find_lost(connection: Connection, staged: Staged, known: KnownResource, resource: Resource) -> bool:
    read = staged.read.get(resource.name, 0)
    if known.whole and not known.unsettled and not read:
        return True
    lost = 0
    for _, _, ids in known.ids():
        lost += _add(connection, resource.name, ids)
    lost += _add(connection, resource.name, sorted(known.unsettled))
    anew = _came_anew(resource)
    mine = lost_documents.c.resource == resource.name
    connection.execute(delete(lost_documents).where(mine, lost_documents.c.document_id.in_(anew)))
    among_lost = _among(connection, select(lost_documents.c.document_id).where(mine), few=lost + read <= FEW)
    among_anew = _among(connection, anew, few=lost + read <= FEW)
    for number, ids, _ in known.ids():
        twice = among_anew(ids)
        if twice and _in_two_versions(connection, known, resource.name, number, twice):
            return False
        for again in _batches(sorted(among_lost(ids))):
            connection.execute(delete(lost_documents).where(mine, lost_documents.c.document_id.in_(again)))
    return True


def _in_two_versions(connection: Connection, known: KnownResource, resource: str, number: int, twice: set[str]) -> bool:
    """Whether one of the documents of a known page came in this pull with other bytes than those."""
    fingerprints, ids = known.content(number)
    right = {(one, mark) for one, mark in zip(ids, split(fingerprints), strict=True) if one in twice}
    query = select(staged_pages.c.fingerprints, staged_pages.c.ids).where(staged_pages.c.resource == resource)
    for row in connection.execute(query.execution_options(yield_per=1)):
        came = zip(msgspec.msgpack.decode(row.ids, type=list[str]), split(row.fingerprints), strict=True)
        if any(one in twice and (one, mark) not in right for one, mark in came):
            return True
    return False


def _came_anew(resource: Resource) -> Select[Any]:
    """The documents of a resource that were read."""
    if resource.kinds:
        table = STAGED[resource.kinds[0]].c
        return select(table.id).where(table.resource == resource.name)
    return select(staged_parts.c.document_id).where(staged_parts.c.resource == resource.name)


def _add(connection: Connection, resource: str, ids: list[str]) -> int:
    there = select(lost_documents.c.document_id).where(lost_documents.c.resource == resource)
    for some in _batches(ids):
        known = set(connection.execute(there.where(lost_documents.c.document_id.in_(some))).scalars())
        rows = [{"resource": resource, "document_id": one} for one in dict.fromkeys(some) if one not in known]
        if rows:
            connection.execute(insert(lost_documents), rows)
    return len(ids)


def _among(connection: Connection, found: Select[Any], *, few: bool) -> Callable[[list[str]], set[str]]:
    """A function that says which of some ids a query finds."""
    if few:
        return set(connection.execute(found).scalars()).intersection
    (column,) = found.selected_columns
    return lambda ids: {one for some in _batches(ids) for one in connection.execute(found.where(column.in_(some))).scalars()}


def note_absent(connection: Connection, source: str, staged: Staged, kind: str) -> None:
    """Fill `absent` for a kind, in the caller's transaction."""
    held, table = ROSTER[kind].c, STAGED[kind].c
    # Whom nobody could take for gone is not looked for, but for people, who may be the same as somebody who comes.
    if not (staged.proves_absence(kind) or staged.knows(kind) or kind == "user"):
        return
    rows = select(literal(kind), held.id).where(held.source == source, held.status == "active")
    rows = rows.where(~select(table.id).where(table.id == held.id).exists())
    if staged.knows(kind):
        stating = [resource for resource in staged.resources if kind in resource.kinds]
        lost = select(lost_documents.c.document_id).where(lost_documents.c.resource.in_([resource.name for resource in stating]))
        if all(resource.kinds[0] == kind for resource in stating):
            rows = rows.where(held.id.in_(lost))
        else:
            rows = rows.where(or_(held.document_id.in_(lost), *(held.document_id.in_(_came_anew(resource)) for resource in stating)))
    connection.execute(insert(absent).from_select(["kind", "id"], rows))


def count_kept(connection: Connection, source: str, kind: str, active: int) -> int:
    """How many of the active records of a kind came again as they are known, and are not staged."""
    held, table = ROSTER[kind].c, STAGED[kind].c
    gone = select(func.count()).select_from(absent).where(absent.c.kind == kind)
    mine = and_(held.source == source, held.id == table.id, held.status == "active")
    staged = select(func.count()).select_from(STAGED[kind]).join(ROSTER[kind], mine)
    return active - int(connection.execute(gone).scalar_one()) - int(connection.execute(staged).scalar_one())


def _batches(items: list[str]) -> list[list[str]]:
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
