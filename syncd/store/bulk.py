"""Many rows at once, as fast as the database takes them: inserts of dicts cost 2.5 times as much on SQLite, 4 times on PostgreSQL."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table, func, insert, literal, select
from sqlalchemy.exc import OperationalError

# Rows that have to come before it is worth making a table's indexes anew.
MANY = 10_000


def load(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert rows of driver-level values (text, numbers, booleans, None) into the named columns (in the table's order), in the caller's
    transaction."""
    if connection.dialect.name == "sqlite":
        statement = insert(table).compile(dialect=connection.dialect, column_keys=names)
        connection.exec_driver_sql(str(statement), list(rows))
        return
    quote = connection.dialect.identifier_preparer.quote
    copying = f"COPY {quote(table.name)} ({', '.join(map(quote, names))}) FROM STDIN"
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(copying) as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def filling(connection: Connection, table: Table, rows: int) -> Iterator[None]:
    """Make a table's indexes anew after `rows` rows were inserted, where those are more than it had: sorting all at once costs a fraction
    of finding a place for each. On SQLite, whose writer is alone anyway; on PostgreSQL it locks readers out, and is done only for the first
    rows of all, before which there is nothing to read."""
    if rows <= MANY or not _is_worth_it(connection, table, rows):
        yield
        return
    for index in table.indexes:
        index.drop(connection)
    yield
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        index.create(connection)


def _is_worth_it(connection: Connection, table: Table, rows: int) -> bool:
    """Whether a table will more than double; on PostgreSQL whether it is empty, and nobody else is at it: it is locked then, until the
    transaction's end. Nobody is waited for."""
    if connection.dialect.name == "sqlite":
        return rows > int(connection.execute(select(func.count()).select_from(table)).scalar_one())
    if connection.execute(select(literal(1)).select_from(table).limit(1)).first() is not None:
        return False
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"LOCK TABLE {table.name} IN ACCESS EXCLUSIVE MODE NOWAIT")
    except OperationalError:
        return False
    return True
