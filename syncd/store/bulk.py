"""Many rows at once, as fast as the database takes them: inserts of dicts cost 2.5 times as much on SQLite, 4 times on PostgreSQL."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, Table, func, insert, select

# Rows that have to come before it is worth making a table's indexes anew.
MANY = 10_000


def load(connection: Connection, table: Table, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert rows of driver-level values (text, numbers, booleans, None) into the named columns (in the table's order), in the caller's
    transaction."""
    if connection.dialect.name == "sqlite":
        statement = insert(table).compile(dialect=connection.dialect, column_keys=names)
        connection.exec_driver_sql(str(statement), list(rows))
        return
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    copying = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), columns)
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(copying) as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def filling(connection: Connection, table: Table, rows: int) -> Iterator[None]:
    """Make a table's indexes anew after `rows` rows were inserted, where those are more than it had: sorting all at once costs a fraction
    of finding a place for each. On SQLite, whose writer is alone anyway; elsewhere it would lock readers out."""
    held = select(func.count()).select_from(table)
    if connection.dialect.name != "sqlite" or rows <= MANY or rows <= connection.execute(held).scalar_one():
        yield
        return
    for index in table.indexes:
        index.drop(connection)
    yield
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        index.create(connection)
