"""The processes that share a store in PostgreSQL, each under a name of its own: who lives, and who is dead.

A worker is dead when none of its connections is left: its process ended. Any member is when it has not been heard of for a time: its
machine stands still, is cut off, or gone. What it left behind is ended: its connections, with the locks and transactions that they hold,
and its row. A member that wakes up after that finds its row gone, and ends itself; a run that it still carries is refused by its epoch.
"""

import os
import secrets
import socket
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, or_, select, text, update

from syncd import __version__
from syncd.store import lease
from syncd.store.engine import Store
from syncd.store.tables import members

SERVE, WORKER = "serve", "worker"


class Member(NamedTuple):
    """A member as it is shown. seconds: since it was last heard of, by the database's clock."""

    name: str
    role: str
    version: str
    places: int
    since: datetime
    seconds: float


def new_name() -> str:
    """A name for this process that no other has had: it is also the name of its connections, and those have 63 letters at most."""
    return f"syncd {socket.gethostname()[:32]} {os.getpid()} {secrets.token_hex(4)}"


def join(connection: Connection, name: str, role: str, *, places: int, queue: str) -> None:
    """Take part from now on."""
    row = {"name": name, "role": role, "version": __version__, "places": places, "queue": queue}
    connection.execute(insert(members).values(**row, since=func.now(), seen_at=func.now()))


def leave(connection: Connection, name: str) -> None:
    connection.execute(delete(members).where(members.c.name == name))


def seen(connection: Connection, name: str, listeners: list[int] | None = None) -> bool:
    """Give a sign of life. False: the others took this member for dead, and it may do nothing more."""
    alive = update(members).where(members.c.name == name).values(seen_at=func.now(), listeners=listeners)
    return connection.execute(alive).rowcount == 1


def bury(connection: Connection, silence: float) -> list[tuple[str, list[int]]]:
    """End what dead members left behind. silence: seconds without a sign of life. Gives back their names and listeners."""
    silent = or_(members.c.seen_at < func.now() - text("make_interval(secs => :silence)").bindparams(silence=silence), text(_ENDED))
    # Others may be at it at the same time, or the member itself.
    dead = select(members.c.name).where(silent).with_for_update(skip_locked=True)
    buried = delete(members).where(members.c.name.in_(dead)).returning(members.c.name, members.c.listeners)
    rows = connection.execute(buried).all()
    for row in rows:
        connection.execute(text(_END_CONNECTIONS), {"name": row.name})
    return [(row.name, row.listeners or []) for row in rows]


_ENDED = """
(members.role = 'worker' AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.application_name = members.name))
"""
# A transaction that is rolled back needs a moment; the milliseconds bound the wait for it.
_END_CONNECTIONS = """
SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
WHERE application_name = :name AND datname = current_database() AND pid <> pg_backend_pid()
"""


def serving(store: Store, silence: float | None) -> bool:
    """Whether anybody looks for what is due and for what people ask for. silence: of `[cluster]`, seconds after which a member counts as
    dead; None: a daemon serves the store alone, and has its lock as long as it lives."""
    if silence is None:
        return store.is_locked(lease.DAEMON)
    return any(member.role == SERVE and member.seconds < silence for member in alive(store))


def alive(store: Store) -> list[Member]:
    """All members, workers last."""
    ago = func.extract("epoch", func.now() - members.c.seen_at)
    query = select(members, ago.label("seconds")).order_by(members.c.role, members.c.since)
    with store.read() as connection:
        rows = connection.execute(query).all()
    return [Member(row.name, row.role, row.version, row.places, row.since, round(float(row.seconds), 1)) for row in rows]
