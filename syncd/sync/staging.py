"""The staging tables: temporary ones of the run's own connection, so that a run that dies leaves nothing behind, and a run
that is still fetching locks nobody out.

To make them costs PostgreSQL more than a small pull does with them. Where the store keeps connections, a run that was small and came to its
end leaves its tables, empty, to the next one that gets the connection.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.exc import SQLAlchemyError

from syncd.roster.kinds import KINDS, PLURAL, fields
from syncd.store.columns import JsonText, UtcTime
from syncd.store.engine import Store
from syncd.store.tables import column_type

metadata = MetaData()

# What a connection knows of itself: that it has these tables, and that they are empty.
EMPTY = "staging is empty"
# Bytes in the tables of a run above which the planner has to be told what is in them, and they are left to no other run: so much takes long
# to delete, and memory of the server's, and statistics have names in them that nothing takes out again.
MUCH = 1024 * 1024


def _staged(kind: str) -> Table:
    return Table(
        f"staged_{PLURAL[kind]}",
        metadata,
        Column("row", Integer, primary_key=True),
        Column("version", BigInteger),  # of the document that stated it: equal numbers state the same
        Column("id", Text, nullable=False),
        Column("gone", Boolean, nullable=False),
        Column("modified", UtcTime),
        Column("resource", Text, nullable=False),
        *(Column(name, column_type(kind, name)) for name in fields(kind)),
        Column("extra", JsonText),
        Column("document_id", Text),
        *([Column("home_id", Text)] if kind == "user" else []),
        prefixes=["TEMPORARY"],
    )


STAGED: dict[str, Table] = {kind: _staged(kind) for kind in KINDS}

staged_parts = Table(
    "staged_parts",
    metadata,
    Column("row", Integer, primary_key=True),
    Column("version", BigInteger),
    Column("resource", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("guardian_id", Text, nullable=False),
    Column("birth_date", Text),
    Column("gender", Text),
    Column("demographics", JsonText),
    prefixes=["TEMPORARY"],
)

# Documents that came but could not be used: what they stated before stands.
staged_unreadable = Table(
    "staged_unreadable",
    metadata,
    Column("row", Integer, primary_key=True),
    Column("resource", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    prefixes=["TEMPORARY"],
)

staged_problems = Table(
    "staged_problems",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("resource", Text, nullable=False),
    Column("document_id", Text),
    Column("rule", Text, nullable=False),
    Column("field", Text),
    Column("fatal", Boolean, nullable=False),
    prefixes=["TEMPORARY"],
)

# The pages of this pull that are not what they were at the same place before (store/tables/sources.py: pages).
staged_pages = Table(
    "staged_pages",
    metadata,
    Column("resource", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first", Text),
    Column("last", Text),
    Column("fingerprints", LargeBinary, nullable=False),
    Column("ids", LargeBinary, nullable=False),
    Column("address", LargeBinary),
    Column("etag", Text),
    prefixes=["TEMPORARY"],
)
# To try and press them costs PostgreSQL more than to write them, and gains next to nothing.
_AS_THEY_ARE = "ALTER TABLE staged_pages ALTER COLUMN fingerprints SET STORAGE EXTERNAL, ALTER COLUMN ids SET STORAGE EXTERNAL"

# Documents that were read with a problem, or in two versions: they are read again, even if they come just so the next time.
staged_unsettled = Table(
    "staged_unsettled",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("resource", Text, nullable=False),
    Column("document_id", Text),
    prefixes=["TEMPORARY"],
)

# Sealed passwords of users, of a source that asks to keep them.
staged_passwords = Table(
    "staged_passwords",
    metadata,
    Column("row", Integer, primary_key=True),
    Column("version", BigInteger),
    Column("user_id", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    prefixes=["TEMPORARY"],
)

# The rows of staged records that came twice and are not used, by their numbers.
dropped = Table("dropped", metadata, Column("row", Integer, primary_key=True), prefixes=["TEMPORARY"])

# Documents that are known from before, or whose records stand, and that did not come (one may stand here twice).
lost_documents = Table(
    "lost_documents",
    metadata,
    Column("resource", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Index("ix_lost_documents", "resource", "document_id"),
    prefixes=["TEMPORARY"],
)

# Records that we hold and that nothing stated that came and could be read (syncd/sync/absent.py).
absent = Table(
    "absent",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

# Users of whom something that came, or that did not come, says something, or said something before (syncd/sync/assemble.py).
affected = Table("affected", metadata, Column("id", Text, primary_key=True), prefixes=["TEMPORARY"], sqlite_with_rowid=False)

# old_id: of a rekey. missing: nobody said that the record is gone, it only did not come. held: the rule that holds it back.
planned = Table(
    "planned",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("record_id", Text, primary_key=True),
    Column("action", Text, nullable=False),
    Column("fields", JsonText),
    Column("old_id", Text),
    Column("missing", Boolean, nullable=False, server_default="0"),
    Column("held", Text),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)


# Enrollments that name somebody who is not there.
staged_waiting = Table(
    "staged_waiting",
    metadata,
    Column("id", Text, primary_key=True),
    Column("resource", Text, nullable=False),
    Column("document_id", Text),
    Column("record", JsonText, nullable=False),
    prefixes=["TEMPORARY"],
)

# Those of the roster who may be somebody who comes.
known_people = Table("known_people", metadata, Column("id", Text, primary_key=True), prefixes=["TEMPORARY"], sqlite_with_rowid=False)

# Emails, in small letters, that more than one user could have (syncd/sync/quality.py).
shared_emails = Table("shared_emails", metadata, Column("address", Text, primary_key=True), prefixes=["TEMPORARY"])

# Who might be the same person under another id, and by what.
pairs = Table(
    "pairs",
    metadata,
    Column("old_id", Text, primary_key=True),
    Column("new_id", Text, primary_key=True),
    prefixes=["TEMPORARY"],
)


@contextmanager
def session(store: Store) -> Iterator[Connection]:
    """A connection with empty staging tables of its own, for a run. What ends with an exception is left to no other."""
    connection = store.session()
    try:
        if not connection.info.pop(EMPTY, False):
            create(connection)
        yield connection
        _leave(connection)
    except BaseException:
        connection.invalidate()
        raise
    finally:
        connection.close()


def create(connection: Connection) -> None:
    """Make the staging tables; they go with the connection."""
    with connection.begin():
        _create(connection)


def empty(connection: Connection) -> None:
    """Begin anew, without an index: what was staged so far is not to be used."""
    with connection.begin():
        metadata.drop_all(connection, checkfirst=False)
        _create(connection)


def unindex(connection: Connection) -> None:
    """Drop the indexes that a run before this one left, before much is staged."""
    if connection.dialect.name == "postgresql":
        with connection.begin():
            _do(connection, (f"DROP INDEX IF EXISTS {_name(table, on)}" for table, on in (*_INDEXES, *_OF_PEOPLE)))


def _leave(connection: Connection) -> None:
    """Leave empty tables behind, of which the server keeps no byte, or none. What a run did stands, and no fault here may say otherwise."""
    if connection.dialect.name != "postgresql":
        return
    try:
        # Neither goes within a transaction.
        connection.execution_options(isolation_level="AUTOCOMMIT")
        if _is_much(connection):
            connection.invalidate()
            return
        _do(connection, (f"DELETE FROM {table}" for table in metadata.tables))  # nosec B608  # our own tables
        connection.exec_driver_sql(f"VACUUM {', '.join(metadata.tables)}")
        connection.info[EMPTY] = True
    except SQLAlchemyError:
        connection.invalidate()


def _is_much(connection: Connection) -> bool:
    return int(connection.exec_driver_sql(_BYTES).scalar_one()) > MUCH


# What lies beside a table counts, too; indexes have a page each, also of nothing.
_BYTES = "SELECT coalesce(sum(pg_table_size(oid)), 0) FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'"


def _create(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_AS_THEY_ARE)


def index(connection: Connection) -> None:
    """Index what was staged, once it is all there: cheaper than keeping an index while rows stream in."""
    with connection.begin():
        _index(connection, _INDEXES)
        count(connection)


def count(connection: Connection) -> None:
    """Let the planner know how much was staged: nobody else looks at a temporary table, so that nobody else would tell it."""
    if connection.dialect.name == "postgresql":
        # Of little it makes a good guess by the tables' size.
        if not _is_much(connection):
            return
        # Rows that it looks at are 300 times this; a tenth of what is usual tells as much.
        connection.exec_driver_sql("SET LOCAL default_statistics_target = 10")
        connection.exec_driver_sql(f"ANALYZE {', '.join(metadata.tables)}")
    else:
        connection.exec_driver_sql("PRAGMA analysis_limit = 1000")
        connection.exec_driver_sql("ANALYZE temp")
        # Of an empty table it would take a million rows for granted. (sqlite.org/fileformat2.html, sqlite_stat1: statistics may be written
        # by hand, and ANALYZE of the schema table takes them over.)
        for table in metadata.tables:
            connection.exec_driver_sql(
                "INSERT INTO temp.sqlite_stat1 (tbl, idx, stat) SELECT ?, NULL, '10' "
                "WHERE NOT EXISTS (SELECT 1 FROM temp.sqlite_stat1 WHERE tbl = ?)",
                (table, table),
            )
        connection.exec_driver_sql("ANALYZE temp.sqlite_master")


def index_people(connection: Connection) -> None:
    """Index what tells a person, in the caller's transaction: only asked for when somebody comes while somebody goes."""
    _index(connection, _OF_PEOPLE)


# (table, on what). With `gone`, the index alone tells whether somebody is there.
_INDEXES = (
    *((f"staged_{PLURAL[kind]}", "id, gone") for kind in KINDS),
    ("staged_parts", "user_id, guardian_id"),
    ("staged_parts", "resource, document_id"),
    ("staged_unreadable", "resource, document_id"),
)
_OF_PEOPLE = tuple(("staged_users", column) for column in ("student_number", "state_id", "lower(email)"))


def _index(connection: Connection, indexes: Iterable[tuple[str, str]]) -> None:
    _do(connection, (f"CREATE INDEX IF NOT EXISTS {_name(table, on)} ON {table} ({on})" for table, on in indexes))


def _name(table: str, on: str) -> str:
    return re.sub(r"\W+", "_", f"ix_{table}_{on}")


def _do(connection: Connection, statements: Iterable[str]) -> None:
    """Do one after the other; a server is asked once."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("; ".join(statements), execution_options={"no_parameters": True})
    else:
        for statement in statements:
            connection.exec_driver_sql(statement)


def columns(table: Table) -> tuple[str, ...]:
    """The columns that a staged row fills, in order."""
    return tuple(column.name for column in table.columns if column.name not in ("row", "seq"))


Row = tuple[Any, ...]
