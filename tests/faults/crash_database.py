"""As `crash.py`, on a store in PostgreSQL: `python -m tests.faults.crash_database SCENARIO`. The server is this process's own."""

import time
from contextlib import closing
from functools import partial
from pathlib import Path

from syncd.store import Store, open_store
from syncd.store.move import move
from tests import postgresql
from tests.faults import crash

BASE, WORK = "base", "work"


class DatabaseBench(crash.Bench):
    """The scenario's store is moved into a database once, and copied from there."""

    def __init__(self, server: postgresql.Server, scenario: crash.Scenario, folder: Path) -> None:
        self._server = server
        super().__init__(scenario, folder)

    def opened(self, folder: Path) -> Store:
        with self._server.connect() as connection:
            connection.execute(f"CREATE DATABASE {BASE}")
        with closing(open_store(f"sqlite:///{self.scenario.store}")) as old, closing(open_store(self._server.url(BASE))) as new:
            move(old, new)
        self.restore()
        return open_store(self._server.url(WORK))

    def restore(self) -> None:
        with self._server.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {WORK} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {WORK} TEMPLATE {BASE} STRATEGY FILE_COPY")

    def rows(self, *, books: bool = False) -> crash.Rows:
        self._until_alone()
        with self._server.connect(WORK) as connection:
            query = (
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position"
            )
            columns: dict[str, list[str]] = {}
            for table, column in connection.execute(query):
                if books or (table not in crash.BOOKS and (table, column) != ("sources", "epoch")):
                    columns.setdefault(str(table), []).append(f'"{column}"')
            return {
                table: connection.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY {', '.join(names)}").fetchall()
                for table, names in columns.items()
            }

    def _until_alone(self) -> None:
        """The server needs a moment to see that a process was killed, and to take back what it had begun."""
        with self._server.connect() as connection:
            for _ in range(1000):
                others = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (WORK,)).fetchone()
                if others == (0,):
                    return
                time.sleep(0.01)
        raise AssertionError("a connection of a process that was killed is still there")


if __name__ == "__main__":
    with postgresql.running(postgresql.required()) as server:
        crash.main(partial(DatabaseBench, server))
