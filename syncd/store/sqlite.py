"""The store in a private SQLite file in WAL mode.

A run reads in deferred transactions and applies in `BEGIN IMMEDIATE`, which waits for its turn to write instead of failing half way. Locks
are the operating system's (`flock`), on files beside the store.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, func, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from syncd.errors import ConfigError, StoreError, SyncdError
from syncd.store import damage, migrations
from syncd.store.columns import folded
from syncd.store.engine import Store
from syncd.store.private import open_private
from syncd.store.tables import sources

# Seconds to wait for another process's write. Longer than the apply of a large district.
WAIT_FOR_WRITER = 120
# Seconds to wait for other processes to end their reading, when the file is rewritten.
WAIT_FOR_READER = 10


class SqliteStore(Store):
    """`path` is the file."""

    def __init__(self, url: URL, path: Path) -> None:
        engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": WAIT_FOR_WRITER})
        super().__init__(engine, path.name)
        self.path = path
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)

    @property
    def beside(self) -> Path:
        return self.path

    def _count(self, connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA analysis_limit = 1000")
        connection.exec_driver_sql("ANALYZE")
        # So quick a look does not see how few sources and states there are, by which each index begins.
        held = max(connection.execute(select(func.count()).select_from(sources)).scalar_one(), 1)
        for table, index, told in connection.exec_driver_sql("SELECT tbl, idx, stat FROM sqlite_stat1 WHERE idx IS NOT NULL").all():
            rows, *each = told.split()
            alike = 3 if index.endswith("_counted") else 1
            stat = " ".join([rows, *[str(max(int(rows) // held, 1))] * alike, *each[alike:]])
            connection.exec_driver_sql("UPDATE sqlite_stat1 SET stat = ? WHERE tbl = ? AND idx = ?", (stat, table, index))

    def _hurry(self, connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA busy_timeout = 0")

    def explain(self, problem: DatabaseError) -> tuple[str, str]:
        code = getattr(problem.orig, "sqlite_errorname", None) or type(problem.orig).__name__
        # SQLITE_READONLY_DIRECTORY is a SQLITE_READONLY: what follows says where in SQLite it came up.
        advice = {
            "SQLITE_FULL": "The disk is full; make room and run again.",
            "SQLITE_BUSY": "Another program keeps it locked; wait for it or end it, then run again.",
            "SQLITE_READONLY": "It may not be written by this user.",
            "SQLITE_IOERR": "The disk failed, or gives it no more room; look at the system's log.",
            "SQLITE_CANTOPEN": "Check that its folder exists and may be written.",
            "SQLITE_CORRUPT": f"It is damaged. {damage.ADVICE}",
            "SQLITE_NOTADB": "It is not an SQLite file: check [store] url.",
        }.get("_".join(code.split("_")[:2]), "See `syncd db check`.")
        return code, advice

    def _lock_file(self, what: str) -> Path:
        return self.path.with_name(f"{self.path.name}-{what}.lock")

    @contextmanager
    def locked(self, what: str, busy: Callable[[str], SyncdError]) -> Iterator[None]:
        handle = open_private(self._lock_file(what), os.O_RDWR | os.O_NOFOLLOW)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
                raise busy(pid or "unknown") from None
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(handle)

    def is_locked(self, what: str) -> bool:
        with suppress(FileNotFoundError):
            handle = os.open(self._lock_file(what), os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(handle)
        return False

    def refuse_damaged(self) -> None:
        with self.read() as connection:
            damage.refuse(connection, self.name)

    def check(self) -> list[str]:
        with self.read() as connection:
            return [row[0] for row in connection.execute(text("PRAGMA integrity_check")) if row[0] != "ok"]

    def wipe(self) -> bool:
        """Rewrite the file, and empty the write-ahead log. False when another program's reading, or too little room, kept it from that."""
        with self.told(), closing(self.engine.raw_connection()) as connection:
            cursor = connection.cursor()
            try:
                # While it waits for readers nobody can write.
                cursor.execute(f"PRAGMA busy_timeout = {WAIT_FOR_READER * 1000}")
                cursor.execute("VACUUM")
                busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.DatabaseError:
                return False
        return not busy

    def where(self) -> dict[str, Any]:
        return {"place": str(self.path), "bytes": self.path.stat().st_size}


def open_file(url: URL, *, create: bool) -> SqliteStore:
    """Open the file at a URL and bring it to the newest schema; with `create`, make it if it is not there.

    Raises ConfigError when the URL names no file, StoreError when it can not be opened, or was made by a newer syncd.
    """
    if not url.database or url.database == ":memory:":
        raise ConfigError("[store] url: needs a file, as in sqlite:///path/to/roster.db")
    path = Path(url.database)
    if not path.exists():
        if not create:
            raise StoreError(f"there is no store at {path.name} yet.", advice="Run `syncd sync SOURCE` first.")
        _create_private(path)
    _keep_private(path)
    store = SqliteStore(url, path)
    with store.told():
        migrations.upgrade(store.engine, path.name)
    return store


def _create_private(path: Path) -> None:
    """Children's data: the file is its owner's alone from the first byte; SQLite gives -wal and -shm the same mode."""
    try:
        for folder in reversed(path.parents):
            folder.mkdir(mode=0o700, exist_ok=True)
        os.close(open_private(path, os.O_RDWR))
    except OSError as problem:
        raise StoreError(
            f"the store {path.name} can not be created ({problem.strerror}).",
            advice="Check that the folder exists and may be written.",
        ) from None


def _keep_private(path: Path) -> None:
    """A store that came out of a backup may have become readable by everybody: that ends here. (A group is an administrator's choice.)"""
    for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        with suppress(FileNotFoundError):
            found = file.stat()
            if found.st_mode & 0o007 and found.st_uid == os.geteuid():
                file.chmod(found.st_mode & 0o770)


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    # SQLAlchemy's "begin" event starts transactions; sqlite3 must not start its own.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA cache_size = -32768")
    # Temporary tables have a cache of their own, of 2 MiB if nobody says otherwise.
    cursor.execute("PRAGMA temp.cache_size = -16384")
    cursor.close()
    # SQLite's own lower() knows only ASCII.
    connection.create_function("folded", 1, lambda value: None if value is None else folded(value), deterministic=True)


def _on_begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
