"""Opening the store: a private SQLite file in WAL mode, brought to the newest schema.

Transactions are begun explicitly: a run reads in a deferred one and applies in `BEGIN IMMEDIATE`, which waits for its turn to write
instead of failing half way.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError
from sqlalchemy.pool import NullPool

from syncd.errors import ConfigError, StoreError
from syncd.store import damage, migrations
from syncd.store.columns import folded

# Seconds to wait for another process's write. Longer than the apply of a large district.
WAIT_FOR_WRITER = 120
# Seconds to wait for other processes to end their reading, when the file is rewritten.
WAIT_FOR_READER = 10


class Store:
    """An open store. `path` is the SQLite file. Threads may share it; a connection belongs to one thread."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self.engine = engine
        self.path = path

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection in a read transaction: one consistent view, whatever is written meanwhile."""
        with _told(self.path), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in a write transaction, committed at the end, rolled back on an exception."""
        with _told(self.path), self.engine.connect().execution_options(immediate=True) as connection, connection.begin():
            yield connection

    def session(self) -> Connection:
        """A connection of one's own, for a run and its temporary tables. The caller closes it."""
        with _told(self.path):
            return self.engine.connect()

    def wipe(self) -> bool:
        """Rewrite the file without what was deleted, and empty the write-ahead log, so that no deleted byte is left in either. False when
        another program's reading, or too little room, kept it from being done."""
        with _told(self.path), closing(self.engine.raw_connection()) as connection:
            cursor = connection.cursor()
            try:
                # While it waits for readers nobody can write.
                cursor.execute(f"PRAGMA busy_timeout = {WAIT_FOR_READER * 1000}")
                cursor.execute("VACUUM")
                busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.DatabaseError:
                return False
        return not busy

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say what a database error means for people; the original text may quote data, so it is left out."""
    try:
        yield
    except DatabaseError as problem:
        cause = problem.orig
        code = getattr(cause, "sqlite_errorname", None) or type(cause).__name__
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
        raise StoreError(f"the store {path.name} could not be used ({code}).", advice=advice) from problem


def told(store: Store) -> Any:
    """Context manager: database errors inside become StoreError."""
    return _told(store.path)


def open_store(url: str, *, create: bool = True) -> Store:
    """Open the store at an SQLAlchemy URL, creating and migrating it as needed.

    Raises ConfigError for a URL that is none or of another database, StoreError when the file can not be opened, was made by a newer
    syncd, or (with create=False) is not there.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError("[store] url: is not a database URL. Write sqlite:///path/to/roster.db") from None
    if parsed.get_backend_name() != "sqlite":
        raise ConfigError(f"[store] url: {parsed.get_backend_name()} is not supported yet. Write sqlite:///path/to/roster.db")
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigError("[store] url: needs a file, as in sqlite:///path/to/roster.db")
    path = Path(parsed.database)
    if not path.exists():
        if not create:
            raise StoreError(f"there is no store at {path.name} yet.", advice="Run `syncd sync SOURCE` first.")
        _create_private(path)
    _keep_private(path)
    engine = create_engine(parsed, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": WAIT_FOR_WRITER})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    with _told(path):
        migrations.upgrade(engine, path.name)
    return Store(engine, path)


def _create_private(path: Path) -> None:
    """Children's data: the file is its owner's alone from the first byte; SQLite gives -wal and -shm the same mode."""
    try:
        for folder in reversed(path.parents):
            folder.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
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
    cursor.execute("PRAGMA cache_size = -65536")
    cursor.close()
    # SQLite's own lower() knows only ASCII.
    connection.create_function("folded", 1, lambda value: None if value is None else folded(value), deterministic=True)


def _on_begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def refuse_damaged(store: Store) -> None:
    """Read the whole file, without writing. Raises StoreError when it is damaged."""
    with store.read() as connection:
        damage.refuse(connection, store.path.name)


def check(store: Store) -> list[str]:
    """What SQLite's own integrity check finds wrong; empty when the file is sound."""
    with store.read() as connection:
        return [row[0] for row in connection.execute(text("PRAGMA integrity_check")) if row[0] != "ok"]
