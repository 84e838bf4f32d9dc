"""Moving a store into another database: every row of every table, and each compared afterwards, in one transaction of the new one."""

from collections.abc import Iterator
from itertools import islice
from shutil import copy2
from typing import Any

from sqlalchemy import Column, Connection, Row, Table, func, insert, select, tuple_

from syncd.errors import AlreadyRunning, StoreError
from syncd.store import keyfile, lease
from syncd.store.engine import Store
from syncd.store.tables import metadata, sources

BATCH = 500


def move(old: Store, new: Store) -> dict[str, int]:
    """Copy everything of `old` into `new`, which must be empty; gives back {table: rows}. `old` stays as it is.

    Raises StoreError when `new` is not empty, or holds something else afterwards than what was copied (then nothing stays there), and
    DaemonRunning or AlreadyRunning while anybody works on `old`.
    """
    with lease.serve_alone(old):
        _refuse_while_a_run_goes_on(old)
        moved = {}
        with old.read() as source, new.write() as target:
            for table in metadata.sorted_tables:
                if target.execute(select(func.count()).select_from(table)).scalar_one():
                    raise StoreError(f"the store {new.name} is not empty: {table.name} has rows.", advice="Move into an empty database.")
            for table in metadata.sorted_tables:
                moved[table.name] = _copy(source, target, table)
                _compare(source, target, table, moved[table.name], new.name)
            if target.dialect.name == "postgresql":
                # The next run's number goes on from the last one's, and so on.
                for table in metadata.sorted_tables:
                    if table.autoincrement_column is not None:
                        _go_on(target, table.autoincrement_column)
    tombstones = old.beside.with_name(f"{old.beside.name}.purged")
    if tombstones.exists():
        copy2(tombstones, new.beside.with_name(f"{new.beside.name}.purged"))
    keyfile.carry(old, new)
    return moved


def _go_on(target: Connection, number: Column[int]) -> None:
    following = select(func.coalesce(func.max(number), 0) + 1).scalar_subquery()
    target.execute(select(func.setval(func.pg_get_serial_sequence(number.table.name, number.name), following, False)))


def _refuse_while_a_run_goes_on(old: Store) -> None:
    with old.read() as connection:
        names = connection.execute(select(sources.c.name)).scalars().all()
    busy = [name for name in names if lease.is_held(old, name)]
    if busy:
        raise AlreadyRunning(
            f"{busy[0]}: a run of this source is going on.", advice="Wait for it to end; start none before the move is done."
        )


def _batches(connection: Connection, table: Table) -> Iterator[list[Row[Any]]]:
    rows = iter(connection.execution_options(yield_per=BATCH).execute(select(table)))
    while batch := list(islice(rows, BATCH)):
        yield batch


def _copy(source: Connection, target: Connection, table: Table) -> int:
    count = 0
    for batch in _batches(source, table):
        target.execute(insert(table), [dict(row._mapping) for row in batch])
        count += len(batch)
    return count


def _compare(source: Connection, target: Connection, table: Table, count: int, name: str) -> None:
    """Hold each row against its copy. Raises StoreError at the first that differs, by the table's name: a key could tell of a person."""
    key = list(table.primary_key.columns)
    differs = target.execute(select(func.count()).select_from(table)).scalar_one() != count
    for batch in _batches(source, table):
        wanted = [tuple(row._mapping[column] for column in key) for row in batch]
        there = {
            tuple(row._mapping[column] for column in key): row for row in target.execute(select(table).where(tuple_(*key).in_(wanted)))
        }
        differs = differs or any(there.get(one) is None or tuple(there[one]) != tuple(row) for one, row in zip(wanted, batch, strict=True))
    if differs:
        raise StoreError(f"the table {table.name} is not the same in {name} as it was here.", advice="Nothing was moved. Please report it.")
