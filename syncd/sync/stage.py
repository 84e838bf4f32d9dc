"""Streams a pull into the staging tables: nothing of it is kept in memory but a few pages. While one is written the next is read
(`reading.py`), and those after it are fetched.

At the end each resource is complete, or doubtful for a reason that is said: absence from a doubtful one proves nothing.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table

from syncd.contract.connector import Connector, Context, Resource
from syncd.contract.document import Cursor, Finished, Page
from syncd.errors import BadAnswer
from syncd.roster.scope import Scope
from syncd.store import bulk
from syncd.sync import staging
from syncd.sync.ahead import ahead
from syncd.sync.known import KnownPages
from syncd.sync.reading import PageReader, Read
from syncd.sync.staging import Row


@dataclass
class Staged:
    """What came. doubts: {resource: why what it does not list may not be taken for gone, or None}. incremental: only what changed was
    asked for, or only a part (scope), so that absence proves nothing; of a part, a resource without a doubt lists all that belongs to it.
    roles: {resource: the only roles of whom it lists users}. cursor: where the next pull of changes may start. known: what was known before
    the pull, and is not staged where it came again. documents, read, pages: {resource: documents that came; those of them that were read;
    pages}. active: {kind: active records before the run}. left: what of a part was left to the next full pull, in sentences."""

    resources: tuple[Resource, ...]
    incremental: bool = False
    scope: Scope | None = None
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    cursor: Cursor | None = None
    known: KnownPages | None = None
    doubts: dict[str, str | None] = field(default_factory=dict)
    documents: dict[str, int] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)
    active: dict[str, int] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

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

    def take(self, read: Read) -> None:
        """Count a page that came."""
        self.documents[read.resource] = self.documents.get(read.resource, 0) + read.came
        self.read[read.resource] = self.read.get(read.resource, 0) + read.documents
        self.pages[read.resource] = read.number + 1

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
    context: Context,
    connection: Connection,
    on_page: Callable[[str, int, int | None], None],
    cursor: Any = None,
    known: KnownPages | None = None,
    scope: Scope | None = None,
) -> Staged:
    """Pull everything, or with a cursor what changed, or a part, into the staging tables. on_page(resource, documents so far, total or
    None) is called after each page. known: what need not be read again, if everything is pulled.

    Raises SourceError or Stopped from the connector: then nothing that was staged may be used.
    """
    incremental = cursor is not None or scope is not None
    staged = Staged(connector.resources(), incremental, scope, known=known)
    names = {resource.name for resource in staged.resources}
    nameless: set[str] = set()
    items_of = connector.part(scope) if scope is not None else connector.pull() if cursor is None else connector.changes(cursor)
    reader = PageReader(connector, known, incremental=incremental)
    with closing(_read(items_of, reader, context, names)) as pages, ahead(pages, context) as items:
        for item in items:
            if isinstance(item, Cursor):
                staged.cursor = item
                continue
            if isinstance(item, Finished):
                staged.doubts[item.resource] = item.doubt
                staged.roles[item.resource] = item.roles
                continue
            if item.nameless:
                nameless.add(item.resource)
            take(connection, staged, item)
            on_page(item.resource, staged.documents[item.resource], item.total)
    for resource in () if staged.incremental else names - staged.doubts.keys():
        staged.doubts[resource] = f"{resource} did not come to its end"
    for resource in nameless:
        staged.doubts[resource] = staged.doubts.get(resource) or (
            f"{resource} has documents without an id: nobody can say whose record they were"
        )
    staging.index(connection)
    return staged


def take(connection: Connection, staged: Staged, read: Read) -> None:
    """Count and stage a page that was read."""
    staged.take(read)
    with connection.begin():
        _write(connection, read)


def _read(
    pull: Iterator[Page | Finished | Cursor], reader: PageReader, context: Context, names: set[str]
) -> Generator[Read | Finished | Cursor, None, None]:
    """What a pull gives, its pages read."""
    with ahead(pull, context) as items:
        for item in items:
            if not isinstance(item, Cursor) and item.resource not in names:
                raise BadAnswer(f"the connector gave {item.resource}, which it does not declare.")
            yield reader.read(item) if isinstance(item, Page) else item


def _write(connection: Connection, read: Read) -> None:
    """Stage one page, in the caller's transaction."""
    for kind, rows in read.rows.items():
        _insert(connection, staging.STAGED[kind], rows)
    _insert(connection, staging.staged_parts, read.parts)
    _insert(connection, staging.staged_passwords, read.passwords)
    _insert(connection, staging.staged_problems, read.problems)
    _insert(connection, staging.staged_unreadable, read.unreadable)
    _insert(connection, staging.staged_unsettled, read.unsettled)
    _insert(connection, staging.staged_pages, read.page)


def _insert(connection: Connection, table: Table, rows: list[Row]) -> None:
    if rows:
        bulk.load(connection, table, staging.columns(table), rows)


def doubts(staged: Staged) -> Iterable[str]:
    """The doubts, as sentences for the report."""
    return dict.fromkeys([*(doubt for doubt in staged.doubts.values() if doubt), *staged.left])
