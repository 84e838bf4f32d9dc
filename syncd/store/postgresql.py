"""The store in a PostgreSQL database, by psycopg.

Locks are session advisory locks on a connection of their own: the server gives them back when that connection ends, however its process
died. The epoch (`lease.py`) stands behind them, for a process that lost its connection without noticing.
"""

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.pool import NullPool
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from syncd.errors import SyncdError
from syncd.store import migrations
from syncd.store.engine import Store
from syncd.store.tables import metadata

# What syncd's advisory locks have in common, so that they meet no other program's in the same database.
OURS = zlib.crc32(b"syncd") - 2**31
# Seconds to wait for an answer to a connection attempt.
CONNECT = 10
# Tries to connect, half a second, a second, two and four apart.
TRIES = 5
# A machine that is gone without a word is noticed in a minute and a half, not in the two hours that are usual: until then the server
# keeps the locks of its runs. (No matter for a socket.)
KEEPALIVES = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=15 -c tcp_keepalives_count=4"
# And a server that is gone is noticed here.
NOTICED = {"keepalives_idle": 30, "keepalives_interval": 15, "keepalives_count": 4, "tcp_user_timeout": 90_000}
# On a kept connection: a way that is good for a small district's tables is none for a large one's, whose run may come next.
PLANS = "-c plan_cache_mode=force_custom_plan"
# Seconds for which a connection is kept: what a server process remembers of the tables it met grows.
KEEP = 3600
# Seconds to wait for others to end their reading, when tables are rewritten.
WAIT_FOR_READER = 10


class PostgresStore(Store):
    """A database at a URL; its name is the database's. kept: connections that are kept open between transactions, and as many between
    runs, for who has many of them: each is a process of the server, which costs ten milliseconds to start."""

    def __init__(self, url: URL, kept: int = 0) -> None:
        options: dict[str, Any] = {
            "hide_parameters": True,
            "connect_args": {"connect_timeout": CONNECT, "application_name": "syncd", "options": f"-c timezone=UTC {KEEPALIVES}"} | NOTICED,
        }
        # Locks end with their connection.
        super().__init__(create_engine(url, poolclass=NullPool, **options), url.database or "")
        self._transactions = self._runs = self.engine
        if kept:
            # Who needs one more than are kept gets it: how many are at work at once is the caller's to bound.
            options |= {"pool_size": kept, "max_overflow": -1, "pool_use_lifo": True, "pool_pre_ping": True, "pool_recycle": KEEP}
            options["connect_args"] |= {"options": f"{options['connect_args']['options']} {PLANS}"}
            self._transactions, self._runs = create_engine(url, **options), create_engine(url, **options)
        for engine in self._engines:
            event.listen(engine, "connect", _on_connect)

    @property
    def _engines(self) -> set[Engine]:
        return {self.engine, self._transactions, self._runs}

    def close(self) -> None:
        for engine in self._engines:
            engine.dispose()

    def connect(self) -> Connection:
        return _patiently(self.engine)

    def session(self) -> Connection:
        with self.told():
            return _patiently(self._runs)

    def _ready(self) -> Connection:
        return _patiently(self._transactions)

    def _reading(self) -> Connection:
        return self._ready().execution_options(isolation_level="REPEATABLE READ")

    def may_pass(self, problem: BaseException) -> bool:
        """A conflict (40001) or a deadlock (40P01)."""
        return str(getattr(getattr(problem, "orig", None), "sqlstate", None) or "")[:2] == "40"

    @property
    def beside(self) -> Path:
        """In the service's own folder (systemd's StateDirectory=), else where programs of this user keep such things."""
        folder = os.environ.get("STATE_DIRECTORY") or Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "syncd"
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        return Path(folder) / self.name

    def _count(self, connection: Connection) -> None:
        for table in metadata.tables:
            connection.exec_driver_sql(f"ANALYZE {table}")

    def explain(self, problem: DatabaseError) -> tuple[str, str]:
        code = getattr(problem.orig, "sqlstate", None) or _why_refused(str(problem.orig))
        advice = {
            "08": "The database can not be reached, or broke the connection: is it running, and is [store] url right?",
            "28": "The database refused the sign-in: check the user and password of [store] url.",
            "3D": "There is no such database: create it first, as in `createdb roster`.",
            "42501": "The database's user may not do that: it needs to own the schema.",
            "25006": "It is read-only: a standby, perhaps. Name the primary in [store] url.",
            "40": "Others changed the same rows at the same time; run again.",
            "53100": "Its disk is full; make room and run again.",
            "53": "It has no room for another connection or for memory; see its log.",
            "57P": "It is being shut down or started; run again when it is back.",
            "XX": "It found itself damaged: see its log, and restore the last backup.",
        }
        found = next((told for length in (5, 3, 2) if (told := advice.get(code[:length]))), None)
        return code, found or "See the database's log."

    def call_connections(self, name: str) -> None:
        """Give the connections that are made from now on a name, by which others see that this process lives, and can end them."""
        for engine in self._engines:
            event.listen(engine, "do_connect", lambda _dialect, _record, _args, options: options.update(application_name=name))
            engine.dispose()

    def locked(self, what: str, busy: Callable[[str], SyncdError]) -> AbstractContextManager[None]:
        return self._locked("", what, busy)

    def shared(self, what: str, busy: Callable[[str], SyncdError]) -> AbstractContextManager[None]:
        """Hold a named lock beside others who share it. Raises busy(the holder's process) at once when somebody has it alone."""
        return self._locked("_shared", what, busy)

    @contextmanager
    def _locked(self, how: str, what: str, busy: Callable[[str], SyncdError]) -> Iterator[None]:
        with self.told():
            connection = self.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            with self.told():
                free = connection.execute(text(f"SELECT pg_try_advisory_lock{how}(:ours, :what)"), _key(what)).scalar()
                holder = None if free else connection.execute(text(_HOLDER), _key(what)).scalar()
            if not free:
                raise busy(str(holder or "unknown"))
            try:
                yield
            finally:
                # The server gives the lock back when the connection ends, too, but needs a moment to see that.
                with suppress(DBAPIError):
                    connection.execute(text(f"SELECT pg_advisory_unlock{how}(:ours, :what)"), _key(what))
        finally:
            connection.close()

    def is_locked(self, what: str) -> bool:
        with self.read() as connection:
            return connection.execute(text(_HOLDER), _key(what)).first() is not None

    def refuse_damaged(self) -> None:
        """PostgreSQL looks after its files itself; whether it answers is all there is to ask."""
        with self.read() as connection:
            connection.execute(text("SELECT 1"))

    def check(self) -> list[str]:
        self.refuse_damaged()
        return []

    def wipe(self) -> bool:
        """Rewrite the tables that deletions leave holes in. (What the server wrote ahead goes as its log is recycled.)"""
        with self.told(), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"SET lock_timeout = '{WAIT_FOR_READER}s'"))
            try:
                connection.execute(text("VACUUM (FULL)"))
            except OperationalError:
                return False
        return True

    def where(self) -> dict[str, Any]:
        with self.read() as connection:
            size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        return {"place": self.engine.url.render_as_string(hide_password=True), "bytes": int(size)}


def _why_refused(told: str) -> str:
    """The code of a connection that was refused: psycopg gives its text only."""
    for words, code in (
        ("starting up", "57P03"),
        ("shutting down", "57P01"),
        ("authentication failed", "28P01"),
        ("no pg_hba.conf entry", "28000"),
        ("role ", "28000"),
        ("database ", "3D000"),
    ):
        if words in told:
            return code
    return "08001"


def _patiently(engine: Engine) -> Connection:
    """A connection; a server that is being started again is waited for, some seconds."""
    tries = Retrying(
        retry=retry_if_exception(_is_away), stop=stop_after_attempt(TRIES), wait=wait_exponential(multiplier=0.5), reraise=True
    )
    found: Connection = tries(engine.connect)
    return found


def _is_away(problem: BaseException) -> bool:
    """Whether the server could not be reached, or is being started or shut down; a refused sign-in is no such thing."""
    told = str(problem)
    away = ("Connection refused", "No such file", "starting up", "shutting down", "server closed the connection", "timeout")
    return isinstance(problem, OperationalError) and any(words in told for words in away)


_HOLDER = """
SELECT l.pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database() AND l.objsubid = 2
AND l.classid::bigint = CAST(:ours AS bigint) + (CASE WHEN :ours < 0 THEN 4294967296 ELSE 0 END)
AND l.objid::bigint = CAST(:what AS bigint) + (CASE WHEN :what < 0 THEN 4294967296 ELSE 0 END)
"""


def _key(what: str) -> dict[str, int]:
    """Two 32-bit numbers: advisory locks have no names."""
    return {"ours": OURS, "what": zlib.crc32(what.encode()) - 2**31}


def open_database(url: URL, kept: int = 0) -> PostgresStore:
    """Open the database at a URL and bring it to the newest schema. Raises StoreError when it can not be used, or a newer syncd made it."""
    store = PostgresStore(url, kept)
    with store.told():
        migrations.upgrade(store.engine, store.name)
    return store


def _on_connect(connection: Any, _record: object) -> None:
    # A staging table is a temporary one: its pages in memory, up to this much.
    connection.execute("SET temp_buffers = '64MB'")
    # A run joins large tables a few times, by statements that are not worth compiling; and a few rows of many are found by an index, since
    # what it looks at lies in memory, or on a disk that has no arm to move.
    connection.execute("SET work_mem = '32MB'")
    connection.execute("SET jit = off")
    connection.execute("SET random_page_cost = 1.1")
    connection.commit()
