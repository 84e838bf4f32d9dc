"""What came in the last full pull, page by page, and which of its documents are unsettled: kept so that the next full pull need not read
again what it has read before.

The rule that all of it rests on: what a document on these pages states, unless it is unsettled, the roster holds just so.
"""

from dataclasses import dataclass
from threading import Lock
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, literal, select, update

from syncd.store.engine import Store
from syncd.store.tables import pages, sources, unsettled

# More unsettled documents than this, and reading everything again is simpler, and bounded in memory.
MOST_UNSETTLED = 200_000


class Worth(msgspec.Struct, frozen=True):
    """reader: what the documents were read with. resources: of which the pages are whole. run: the pull that they came in. active: the
    records of each kind that were active after it."""

    reader: str
    resources: tuple[str, ...]
    run: int
    active: dict[str, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """One page, without what stands on it. address: the fingerprint of where it was asked for, if its provider gave it an ETag."""

    resource: str
    number: int
    digest: bytes
    count: int
    first: str | None
    last: str | None
    address: bytes | None
    etag: str | None


@dataclass(frozen=True, slots=True)
class Before:
    """What is known of a source: pages and unsettled documents, by resource, and where pulls of changes go on."""

    worth: Worth
    cursor: Any
    pages: dict[str, list[Stored]]
    unsettled: dict[str, frozenset[str]]


def before(connection: Connection, source: str, reader: str) -> Before | None:
    """What is known; None when nothing is, or by another reader."""
    row = connection.execute(select(sources.c.known, sources.c.cursor).where(sources.c.name == source)).first()
    if row is None or row.known is None:
        return None
    worth = msgspec.convert(row.known, Worth)
    if worth.reader != reader:
        return None
    found: dict[str, list[Stored]] = {resource: [] for resource in worth.resources}
    columns = (pages.c.resource, pages.c.number, pages.c.digest, pages.c.count, pages.c.first, pages.c.last, pages.c.address, pages.c.etag)
    for page in connection.execute(select(*columns).where(pages.c.source == source).order_by(pages.c.resource, pages.c.number)):
        address = None if page.address is None else bytes(page.address)
        found[page.resource].append(Stored(*page[:6], address, page.etag))
    open_still: dict[str, set[str]] = {}
    for resource, document in connection.execute(select(unsettled.c.resource, unsettled.c.document_id).where(unsettled.c.source == source)):
        open_still.setdefault(resource, set()).add(document)
    return Before(worth, row.cursor, found, {resource: frozenset(ids) for resource, ids in open_still.items()})


def ids(connection: Connection, source: str, resource: str, number: int) -> list[str]:
    """The ids of one page's documents."""
    where = (pages.c.source == source, pages.c.resource == resource, pages.c.number == number)
    return msgspec.msgpack.decode(connection.execute(select(pages.c.ids).where(*where)).scalar_one(), type=list[str])


def content(connection: Connection, source: str, resource: str, number: int) -> tuple[bytes, list[str]]:
    """(fingerprints, ids) of one page's documents."""
    where = (pages.c.source == source, pages.c.resource == resource, pages.c.number == number)
    row = connection.execute(select(pages.c.fingerprints, pages.c.ids).where(*where)).one()
    return bytes(row.fingerprints), msgspec.msgpack.decode(row.ids, type=list[str])


class Contents:
    """Reads what stands on the known pages of a source, over one connection that it opens when first asked. Threads may share it."""

    def __init__(self, store: Store, source: str) -> None:
        self._store, self._source = store, source
        self._connection: Connection | None = None
        self._turn = Lock()

    def __call__(self, resource: str, number: int) -> tuple[bytes, list[str]]:
        """(fingerprints, ids) of one page's documents. Raises StoreError."""
        with self._turn, self._store.told():
            if self._connection is None:
                self._connection = self._store.connect()
            with self._connection.begin():
                return content(self._connection, self._source, resource, number)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def forget(connection: Connection, source: str) -> None:
    """Know nothing any more: the next full pull reads everything. In the caller's transaction."""
    connection.execute(delete(pages).where(pages.c.source == source))
    connection.execute(delete(unsettled).where(unsettled.c.source == source))
    connection.execute(update(sources).where(sources.c.name == source).values(known=None))


def unsettle(connection: Connection, source: str, *documents: Any) -> None:
    """Add to the unsettled ones those that SELECTs of (resource, document id) find, in the caller's transaction."""
    for found in documents:
        some = found.subquery()
        there = select(unsettled.c.source).where(
            unsettled.c.source == source, unsettled.c.resource == some.c[0], unsettled.c.document_id == some.c[1]
        )
        rows = select(literal(source), some.c[0], some.c[1]).where(~there.exists(), some.c[1].is_not(None)).distinct()
        connection.execute(insert(unsettled).from_select(["source", "resource", "document_id"], rows))
    if connection.execute(select(func.count()).select_from(unsettled).where(unsettled.c.source == source)).scalar_one() > MOST_UNSETTLED:
        forget(connection, source)
