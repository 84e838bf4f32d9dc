"""Streams a pull into the staging tables: pages in, rows out, nothing kept in memory but the page at hand.

What is known from before stays out of them; only its presence is noted. What can not be read, or lacks what its kind needs, goes to
quarantine with a reason and does not stop the rest. At the end each resource is complete, or doubtful for a reason that is said: absence
from a doubtful one proves nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import compress
from operator import attrgetter, not_
from typing import Any

import msgspec
from sqlalchemy import Connection

from syncd.contract.connector import Connector, Resource
from syncd.contract.document import Cursor, Document, Finished, Page, Problem
from syncd.contract.known import fingerprint
from syncd.errors import BadAnswer
from syncd.roster.fields import LONGEST_ID
from syncd.roster.kinds import KINDS, Record, fields
from syncd.roster.user import User, UserPart
from syncd.store import bulk
from syncd.store.columns import JsonText, canonical
from syncd.store.tables import column_type
from syncd.sync import staging
from syncd.sync.known import KnownPages
from syncd.sync.staging import Row


@dataclass
class Staged:
    """What came. doubts: {resource: why what it does not list may not be taken for gone, or None}. incremental: only what changed was
    asked for, so that absence proves nothing. cursor: where the next pull of changes may start. known: what was known before the pull,
    and is not staged where it came again. documents, read, pages: {resource: documents that came; those of them that were read; pages}.
    active: {kind: active records before the run}."""

    resources: tuple[Resource, ...]
    incremental: bool = False
    cursor: Cursor | None = None
    known: KnownPages | None = None
    doubts: dict[str, str | None] = field(default_factory=dict)
    documents: dict[str, int] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)
    active: dict[str, int] = field(default_factory=dict)

    def proves_absence(self, kind: str) -> bool:
        """Whether every resource that states this kind arrived whole (and there is one)."""
        stating = self.stating(kind)
        return not self.incremental and bool(stating) and all(name in self.doubts and self.doubts[name] is None for name in stating)

    def stating(self, kind: str) -> list[str]:
        """The resources whose documents state this kind."""
        return [resource.name for resource in self.resources if kind in resource.kinds]

    def knows(self, kind: str) -> bool:
        """Whether what came again of a kind is not staged: its resources were known before the pull."""
        stating = self.stating(kind)
        return self.known is not None and bool(stating) and all(name in self.known.resources for name in stating)

    @property
    def nothing_new(self) -> bool:
        """Whether all of it is known from before, whole, and nothing of that is missing: then the roster is equal to the source."""
        known = self.known
        return (
            known is not None
            and not self.incremental
            and not any(self.read.values())
            and not known.before.unsettled
            and all(self.doubts.get(resource.name, "") is None for resource in self.resources)
            and all(resource.name in known.resources and known.resources[resource.name].whole for resource in self.resources)
        )


def stage(
    connector: Connector,
    connection: Connection,
    on_page: Callable[[str, int, int | None], None],
    cursor: Any = None,
    known: KnownPages | None = None,
) -> Staged:
    """Pull everything, or with a cursor what changed, into the staging tables. on_page(resource, documents so far, total or None) is
    called after each page. known: what need not be read again, if everything is pulled.

    Raises SourceError or Stopped from the connector: then nothing that was staged may be used.
    """
    staged = Staged(connector.resources(), incremental=cursor is not None, known=known)
    names = {resource.name for resource in staged.resources}
    nameless: set[str] = set()
    for item in connector.pull() if cursor is None else connector.changes(cursor):
        if isinstance(item, Cursor):
            staged.cursor = item
            continue
        if item.resource not in names:
            raise BadAnswer(f"the connector gave {item.resource}, which it does not declare.")
        if isinstance(item, Finished):
            staged.doubts[item.resource] = item.doubt
            continue
        with connection.begin():
            nameless |= _stage_page(connector, connection, staged, item)
        on_page(item.resource, staged.documents[item.resource], item.total)
    for resource in () if staged.incremental else names - staged.doubts.keys():
        staged.doubts[resource] = f"{resource} did not come to its end"
    for resource in nameless:
        staged.doubts[resource] = staged.doubts.get(resource) or (
            f"{resource} has documents without an id: nobody can say whose record they were"
        )
    staging.index(connection)
    return staged


def _stage_page(connector: Connector, connection: Connection, staged: Staged, page: Page) -> set[str]:
    """Stage one page, in the caller's transaction; gives the resource's name back if a document of it has no id."""
    resource = page.resource
    number = staged.pages.get(resource, 0)
    staged.pages[resource] = number + 1
    staged.documents[resource] = staged.documents.get(resource, 0) + page.count
    known = staged.known.resources.get(resource) if staged.known is not None else None
    if page.same is not None and known is not None:
        known.came_whole(page.same.number)
        if page.same.number != number:
            _keep_page(connection, resource, number, page.digest, *known.content(page.same.number))
        return set()
    new = page.documents
    if not staged.incremental:
        fingerprints = [fingerprint(document.raw) for document in page.documents]
        if known is not None:
            new = list(compress(page.documents, map(not_, known.recognise(fingerprints))))
        ids = [(document.id or "")[:LONGEST_ID] for document in page.documents]
        _keep_page(connection, resource, number, page.digest, b"".join(fingerprints), ids)
    staged.read[resource] = staged.read.get(resource, 0) + len(new)
    return _read(connector, connection, new)


def _keep_page(connection: Connection, resource: str, number: int, digest: bytes, fingerprints: bytes, ids: list[str]) -> None:
    rising = len(set(ids)) == len(ids) and sorted(ids) == ids
    outer = (ids[0], ids[-1]) if rising and ids else (None, None)
    row = (resource, number, digest, len(ids), *outer, fingerprints, msgspec.msgpack.encode(ids))
    _insert(connection, staging.staged_pages, [row])


def _read(connector: Connector, connection: Connection, documents: list[Document]) -> set[str]:
    """Read documents and stage what they state; gives the resource's name back if one of them has no id."""
    rows: dict[str, list[Row]] = {kind: [] for kind in KINDS}
    parts: list[Row] = []
    problems: list[Row] = []
    unreadable: list[Row] = []
    unsettled: list[Row] = []
    nameless = set()
    for document in documents:
        reading = connector.read(document)
        name = document.id and document.id[:LONGEST_ID]
        wrong = [Problem("missing", lacking) for record in reading.records if not record.gone and (lacking := record.lacks())]
        if reading.problems or wrong:
            problems += [(document.resource, name, one.rule, one.field, one.fatal) for one in (*reading.problems, *wrong)]
            unsettled.append((document.resource, name))
        if wrong or any(problem.fatal for problem in reading.problems):
            # Nothing of such a document is used: what the roster holds of it stands, whole.
            if name is None:
                nameless.add(document.resource)
            else:
                unreadable.append((document.resource, name))
            continue
        found = [(record.kind, _row(record, document)) for record in reading.records]
        stated = [_part(part, document) for part in reading.parts]
        version = _version(found, stated)
        for kind, row in found:
            rows[kind].append((version, *row))
        parts += [(version, *part) for part in stated]
    for kind, kind_rows in rows.items():
        _insert(connection, staging.STAGED[kind], kind_rows)
    _insert(connection, staging.staged_parts, parts)
    _insert(connection, staging.staged_problems, problems)
    _insert(connection, staging.staged_unreadable, unreadable)
    _insert(connection, staging.staged_unsettled, unsettled)
    return nameless


def _version(found: list[tuple[str, Row]], parts: list[Row]) -> int:
    """A number that is the same for documents that state the same, whatever their dates and the order in which they came."""
    return hash((tuple((kind, row[0], row[1], row[3:]) for kind, row in found), tuple(parts)))


def _insert(connection: Connection, table: Any, rows: list[Row]) -> None:
    if rows:
        bulk.load(connection, table, staging.columns(table), rows)


# Per kind, a function that takes a record's fields, and the places among them that lie in their columns as JSON.
_UTC = len("+00:00")
_FIELDS = {kind: attrgetter(*fields(kind)) for kind in KINDS}
_JSON = {
    kind: tuple(place for place, name in enumerate(fields(kind), start=4) if isinstance(column_type(kind, name), JsonText))
    for kind in KINDS
}


def _row(record: Record, document: Document) -> Row:
    """The staging row of a record, in the order of the staging table's columns, the version excepted."""
    modified = None if record.modified is None else record.modified.isoformat(" ", "microseconds")[:-_UTC]
    values = [record.id, record.gone, modified, document.resource, *_FIELDS[record.kind](record)]
    for place in _JSON[record.kind]:
        value = values[place]
        values[place] = "[]" if value == () else None if value is None else canonical(value)
    values += (canonical(record.extra) if record.extra else None, record.document_id)
    if isinstance(record, User):
        values.append(record.home_id())
    return tuple(values)


def _part(part: UserPart, document: Document) -> Row:
    demographics = canonical(part.demographics) if part.demographics else None
    return (
        document.resource,
        part.document_id,
        part.user_id,
        part.guardian_id or "",
        part.birth_date,
        part.gender,
        demographics,
    )


def doubts(staged: Staged) -> Iterable[str]:
    """The doubts, as sentences for the report."""
    return [doubt for doubt in staged.doubts.values() if doubt]
