"""Streams a pull into the staging tables: pages in, rows out, nothing kept in memory but the page at hand.

What can not be read, or lacks what its kind needs, goes to quarantine with a reason and does not stop the rest. At the end each
resource is complete, or doubtful for a reason that is said: absence from a doubtful one proves nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from syncd.contract.connector import Connector, Resource
from syncd.contract.document import Cursor, Document, Finished, Page, Problem
from syncd.errors import BadAnswer
from syncd.roster.fields import LONGEST_ID
from syncd.roster.kinds import KINDS, Record, fields
from syncd.roster.user import User, UserPart
from syncd.store import bulk
from syncd.store.columns import canonical
from syncd.store.tables import column_type
from syncd.sync import staging
from syncd.sync.staging import Row


@dataclass
class Staged:
    """What came. doubts: {resource: why what it does not list may not be taken for gone, or None}. incremental: only what changed was
    asked for, so that absence proves nothing. cursor: where the next pull of changes may start."""

    resources: tuple[Resource, ...]
    incremental: bool = False
    cursor: Cursor | None = None
    doubts: dict[str, str | None] = field(default_factory=dict)
    documents: dict[str, int] = field(default_factory=dict)

    def proves_absence(self, kind: str) -> bool:
        """Whether every resource that states this kind arrived whole (and there is one)."""
        stating = self.stating(kind)
        return not self.incremental and bool(stating) and all(name in self.doubts and self.doubts[name] is None for name in stating)

    def stating(self, kind: str) -> list[str]:
        """The resources whose documents state this kind."""
        return [resource.name for resource in self.resources if kind in resource.kinds]


def stage(connector: Connector, connection: Connection, on_page: Callable[[str, int, int | None], None], cursor: Any = None) -> Staged:
    """Pull everything, or with a cursor what changed, into the staging tables. on_page(resource, documents so far, total or None) is
    called after each page.

    Raises SourceError or Stopped from the connector: then nothing that was staged may be used.
    """
    staged = Staged(connector.resources(), incremental=cursor is not None)
    known = {resource.name for resource in staged.resources}
    nameless: set[str] = set()
    for item in connector.pull() if cursor is None else connector.changes(cursor):
        if isinstance(item, Cursor):
            staged.cursor = item
            continue
        if item.resource not in known:
            raise BadAnswer(f"the connector gave {item.resource}, which it does not declare.")
        if isinstance(item, Finished):
            staged.doubts[item.resource] = item.doubt
            continue
        staged.documents[item.resource] = staged.documents.get(item.resource, 0) + len(item.documents)
        nameless |= _stage_page(connector, connection, item)
        on_page(item.resource, staged.documents[item.resource], item.total)
    for resource in () if staged.incremental else known - staged.doubts.keys():
        staged.doubts[resource] = f"{resource} did not come to its end"
    for resource in nameless:
        staged.doubts[resource] = staged.doubts.get(resource) or (
            f"{resource} has documents without an id: nobody can say whose record they were"
        )
    staging.index(connection)
    return staged


def _stage_page(connector: Connector, connection: Connection, page: Page) -> set[str]:
    """Stage one page in one transaction; gives the resource's name back if a document of it has no id."""
    rows: dict[str, list[Row]] = {kind: [] for kind in KINDS}
    parts: list[Row] = []
    problems: list[Row] = []
    unreadable: list[Row] = []
    nameless = False
    for document in page.documents:
        reading = connector.read(document)
        name = document.id and document.id[:LONGEST_ID]
        wrong = [Problem("missing", lacking) for record in reading.records if not record.gone and (lacking := record.lacks())]
        problems += [(document.resource, name, one.rule, one.field, one.fatal) for one in (*reading.problems, *wrong)]
        if wrong or any(problem.fatal for problem in reading.problems):
            # Nothing of such a document is used: what the roster holds of it stands, whole.
            if name is None:
                nameless = True
            else:
                unreadable.append((document.resource, name))
            continue
        found = [(record.kind, _row(record, document)) for record in reading.records]
        stated = [_part(part, document) for part in reading.parts]
        version = _version(found, stated)
        for kind, row in found:
            rows[kind].append((version, *row))
        parts += [(version, *part) for part in stated]
    with connection.begin():
        for kind, kind_rows in rows.items():
            _insert(connection, staging.STAGED[kind], kind_rows)
        _insert(connection, staging.staged_parts, parts)
        _insert(connection, staging.staged_problems, problems)
        _insert(connection, staging.staged_unreadable, unreadable)
    return {page.resource} if nameless else set()


def _version(found: list[tuple[str, Row]], parts: list[Row]) -> int:
    """A number that is the same for documents that state the same, whatever their dates and the order in which they came."""
    return hash((tuple((kind, row[0], row[1], row[3:]) for kind, row in found), tuple(parts)))


def _insert(connection: Connection, table: Any, rows: list[Row]) -> None:
    if rows:
        bulk.load(connection, table, staging.columns(table), rows)


# Per kind, the fields and whether each lies in its column as JSON.
_LAYOUT: dict[str, tuple[tuple[str, bool], ...]] = {
    kind: tuple((name, type(column_type(kind, name)).__name__ == "JsonText") for name in fields(kind)) for kind in KINDS
}


def _row(record: Record, document: Document) -> Row:
    """The staging row of a record, in the order of the staging table's columns, the version excepted."""
    modified = None if record.modified is None else record.modified.replace(tzinfo=None).isoformat(" ", "microseconds")
    values: list[Any] = [record.id, record.gone, modified, document.resource]
    for name, is_json in _LAYOUT[record.kind]:
        value = getattr(record, name)
        if is_json:
            value = "[]" if value == () else None if value is None else canonical(value)
        values.append(value)
    values.append(canonical(record.extra) if record.extra else None)
    values.append(record.document_id)
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
