"""Who did not come: the records that we hold and that nothing stated that came and could be read.

What came again as it was known is not staged. So, of what is known, absent is what stood on the documents that did not come again, or that
came again without it; of everything else, what is not staged.
"""

from bisect import bisect_left, bisect_right
from itertools import compress, pairwise
from operator import not_
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, delete, func, insert, literal, or_, select

from syncd.contract.connector import Resource
from syncd.roster.kinds import KINDS
from syncd.store import bulk, pages
from syncd.store.pages import Stored
from syncd.store.tables import ROSTER
from syncd.sync.known import KnownResource, split
from syncd.sync.stage import Staged
from syncd.sync.staging import STAGED, absent, lost_documents, staged_pages, staged_parts

BATCH = 500
# Ids that are looked up in memory; more of them are looked up in the database.
FEW = 200_000


def find_lost(connection: Connection, source: str, staged: Staged) -> bool:
    """Fill `lost_documents` after a full pull. False when a document came both as it is known and in another version: which is right can
    not be told without reading both, and nothing that was staged may be used."""
    with connection.begin():
        return all(
            _find_lost(connection, source, staged, resource)
            for resource in staged.resources
            if staged.known is not None and resource.name in staged.known.resources
        )


def note(connection: Connection, source: str, staged: Staged) -> None:
    """Fill `absent` after a full pull."""
    with connection.begin():
        for kind in KINDS if not staged.incremental else ():
            note_absent(connection, source, staged, kind)


def _find_lost(connection: Connection, source: str, staged: Staged, resource: Resource) -> bool:
    assert staged.known is not None
    known, read = staged.known.resources[resource.name], staged.read.get(resource.name, 0)
    if known.whole and not known.unsettled and not read:
        return True
    anew = Found(connection, _came_anew(resource), few=read <= FEW)
    lost = len(known.unsettled)
    _lose(connection, resource.name, sorted(known.unsettled))
    for page in known.pages:
        marks = known.marks(page.number)
        if marks is True and not anew.may_be_on(page):
            continue
        ids = pages.ids(connection, source, resource.name, page.number)
        again, not_again = _parted(ids, marks)
        twice = anew.among(again)
        if twice and _in_two_versions(connection, source, page, twice):
            return False
        lost += _lose(connection, resource.name, sorted(set(not_again) - anew.among(not_again)))
    mine = lost_documents.c.resource == resource.name
    connection.execute(delete(lost_documents).where(mine, lost_documents.c.document_id.in_(_came_anew(resource))))
    if lost and not _apart(known.pages):
        _find_again(connection, source, known, resource.name, few=lost <= FEW)
    return True


def _find_again(connection: Connection, source: str, known: KnownResource, resource: str, *, few: bool) -> None:
    """Nothing that stood twice, and came again in one of its places, is lost."""
    mine = lost_documents.c.resource == resource
    lost = Found(connection, select(lost_documents.c.document_id).where(mine), few=few)
    for page in known.pages:
        marks = known.marks(page.number)
        if marks is not False and lost.may_be_on(page):
            again, _ = _parted(pages.ids(connection, source, resource, page.number), marks)
            for some in _batches(sorted(lost.among(again))):
                connection.execute(delete(lost_documents).where(mine, lost_documents.c.document_id.in_(some)))


class Found:
    """The ids that a query finds: in memory where they are few, else looked up in the database."""

    def __init__(self, connection: Connection, query: Select[Any], *, few: bool) -> None:
        self._connection, self._query = connection, query
        self._ids = set(connection.execute(query).scalars()) if few else None
        self._in_order = sorted(self._ids or ())

    def may_be_on(self, page: Stored) -> bool:
        """Whether one of them may stand on a page, by its outer ids."""
        if self._ids is None or page.first is None or page.last is None:
            return self._ids is None or bool(self._ids)
        return bisect_left(self._in_order, page.first) < bisect_right(self._in_order, page.last)

    def among(self, ids: list[str]) -> set[str]:
        """Those of the ids that it finds."""
        if self._ids is not None:
            return self._ids.intersection(ids)
        (column,) = self._query.selected_columns
        query = self._query
        return {one for some in _batches(ids) for one in self._connection.execute(query.where(column.in_(some))).scalars()}


def _parted(ids: list[str], marks: bytearray | bool) -> tuple[list[str], list[str]]:
    """Those of a page's ids that came again, and those that did not."""
    if isinstance(marks, bool):
        return (ids, []) if marks else ([], ids)
    return list(compress(ids, marks)), list(compress(ids, map(not_, marks)))


def _apart(known: list[Stored]) -> bool:
    """Whether the outer ids of the pages tell that no document stands on two of them."""
    rising = all(page.first is not None for page in known if page.count)
    return rising and all(one.last < other.first for one, other in pairwise(page for page in known if page.count))  # type: ignore[operator]


def _in_two_versions(connection: Connection, source: str, page: Stored, twice: set[str]) -> bool:
    """Whether one of the documents of a known page came in this pull with other bytes than those."""
    fingerprints, ids = pages.content(connection, source, page.resource, page.number)
    right = {(one, mark) for one, mark in zip(ids, split(fingerprints), strict=True) if one in twice}
    query = select(staged_pages.c.fingerprints, staged_pages.c.ids).where(staged_pages.c.resource == page.resource)
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


def _lose(connection: Connection, resource: str, ids: list[str]) -> int:
    if ids:
        bulk.load(connection, lost_documents, ("resource", "document_id"), [(resource, one) for one in ids])
    return len(ids)


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
