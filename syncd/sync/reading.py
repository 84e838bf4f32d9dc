"""Pages of documents → rows for the staging tables. What is known from before stays out of them; only that it came is noted.

What can not be read, or lacks what its kind needs, goes to quarantine with a reason and does not stop the rest.
"""

from dataclasses import dataclass, field
from itertools import compress
from operator import attrgetter, not_

import msgspec

from syncd.contract.connector import Connector
from syncd.contract.document import Document, Page, Problem
from syncd.contract.known import fingerprint
from syncd.roster.fields import LONGEST_ID
from syncd.roster.kinds import KINDS, Record, fields
from syncd.roster.user import User, UserPart
from syncd.store.columns import JsonText, canonical
from syncd.store.tables import column_type
from syncd.sync.known import KnownPages
from syncd.sync.staging import Row


@dataclass(slots=True)
class Read:
    """What a page says, as rows for the staging tables. number: its place among the resource's pages. total: as of the Page. came: its
    documents, and documents those of them that had to be read. nameless: whether one that can not be used has no id. page: what is kept of
    the page itself, if that is new."""

    resource: str
    number: int
    total: int | None
    came: int
    documents: int = 0
    nameless: bool = False
    rows: dict[str, list[Row]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    parts: list[Row] = field(default_factory=list)
    passwords: list[Row] = field(default_factory=list)
    problems: list[Row] = field(default_factory=list)
    unreadable: list[Row] = field(default_factory=list)
    unsettled: list[Row] = field(default_factory=list)
    page: list[Row] = field(default_factory=list)


class PageReader:
    """Reads the pages of one pull, in the order in which they come. known: what need not be read again."""

    def __init__(self, connector: Connector, known: KnownPages | None, *, incremental: bool) -> None:
        self._connector, self._known, self._incremental = connector, known, incremental
        self._numbers: dict[str, int] = {}

    def read(self, page: Page) -> Read:
        """What a page says. Raises StoreError when what is known can not be looked up."""
        number = self._numbers.get(page.resource, 0)
        self._numbers[page.resource] = number + 1
        read = Read(page.resource, number, page.total, page.count)
        known = self._known.resources.get(page.resource) if self._known is not None else None
        if page.same is not None and known is not None:
            known.came_whole(page.same.number)
            # An ETag that changed although the page did not is of no use: it is not worth keeping.
            if page.same.number != number or (page.tag is not None and known.pages[number].etag is None):
                read.page = [_page_row(page, number, *known.content(page.same.number))]
            return read
        new = page.documents
        if not self._incremental:
            fingerprints = [fingerprint(document.raw) for document in page.documents]
            if known is not None:
                new = list(compress(page.documents, map(not_, known.recognise(fingerprints))))
            ids = [(document.id or "")[:LONGEST_ID] for document in page.documents]
            read.page = [_page_row(page, number, b"".join(fingerprints), ids)]
        read.documents = len(new)
        for document in new:
            self._document(document, read)
        return read

    def gone(self, kind: str, record_id: str, resources: list[str]) -> Read:
        """What it says that the source, asked for a record, has none. resources: where it could have been."""
        read = Read(resources[0], 0, None, 0)
        row = _row(KINDS[kind](id=record_id, gone=True), Document(resources[0], record_id, b"", gone=True))
        read.rows[kind].append((_version([(kind, row)], []), *row))
        read.unsettled += [(resource, record_id) for resource in resources]
        return read

    def _document(self, document: Document, read: Read) -> None:
        reading = self._connector.read(document)
        name = document.id and document.id[:LONGEST_ID]
        wrong = [Problem("missing", lacking) for record in reading.records if not record.gone and (lacking := record.lacks())]
        if reading.problems or wrong:
            read.problems += [(document.resource, name, one.rule, one.field, one.fatal) for one in (*reading.problems, *wrong)]
            read.unsettled.append((document.resource, name))
        if wrong or any(problem.fatal for problem in reading.problems):
            # Nothing of such a document is used: what the roster holds of it stands, whole.
            if name is None:
                read.nameless = True
            else:
                read.unreadable.append((document.resource, name))
            return
        found = [(record.kind, _row(record, document)) for record in reading.records]
        stated = [_part_row(part, document) for part in reading.parts]
        version = _version(found, stated)
        for kind, row in found:
            read.rows[kind].append((version, *row))
        read.parts += [(version, *part) for part in stated]
        read.passwords += [(version, *password) for password in reading.passwords]


def _page_row(page: Page, number: int, fingerprints: bytes, ids: list[str]) -> Row:
    rising = len(set(ids)) == len(ids) and sorted(ids) == ids
    outer = (ids[0], ids[-1]) if rising and ids else (None, None)
    tag = (page.tag.address, page.tag.etag) if page.tag is not None else (None, None)
    return (page.resource, number, page.digest, len(ids), *outer, fingerprints, msgspec.msgpack.encode(ids), *tag)


def _version(found: list[tuple[str, Row]], parts: list[Row]) -> int:
    """A number that is the same for documents that state the same, whatever their dates and the order in which they came."""
    return hash((tuple((kind, row[0], row[1], row[3:]) for kind, row in found), tuple(parts)))


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


def _part_row(part: UserPart, document: Document) -> Row:
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
