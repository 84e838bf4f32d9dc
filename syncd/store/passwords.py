"""The passwords of people whose source asks to keep them: as Argon2id hashes, and as nothing else.

They stand apart from the roster: no list, history, feed or export looks in here, and no password ever comes out. All that can be asked is
whether a password is a person's (`is_right`).

A row is of a run, and counts while that run stands: of one that failed or was undone the passwords before count. So hashes can be made
before the roster is written, some at a time, and what a run that was killed has made is not made again.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, delete, exists, func, insert, select

from syncd import password as hashes
from syncd.report import State
from syncd.store import tries
from syncd.store.engine import Store
from syncd.store.tables import ROSTER, passwords, runs

_COUNTS = tuple(state.value for state in (State.APPLIED, State.HELD, State.REJECTED))


class Made(NamedTuple):
    """A password's hash, and the mark by which the same one is known again (`contract/passwords.py`)."""

    user_id: str
    mark: bytes
    hash: str


def known(connection: Connection, source: str, ids: Collection[str]) -> tuple[dict[str, bytes], dict[tuple[str, bytes], str]]:
    """({user: the mark of the password that counts}, {(user, mark): the hash, whether it counts or not}) of some users."""
    row = passwords.c
    query = select(row.user_id, row.mark, row.hash, runs.c.state).outerjoin(runs, runs.c.id == row.run)
    counts: dict[str, bytes] = {}
    made: dict[tuple[str, bytes], str] = {}
    for found in connection.execute(query.where(row.source == source, row.user_id.in_(ids)).order_by(row.run)):
        made[found.user_id, bytes(found.mark)] = found.hash
        if found.state in _COUNTS:
            counts[found.user_id] = bytes(found.mark)
    return counts, made


def put(connection: Connection, source: str, run: int, rows: Iterable[Made]) -> None:
    """Keep hashes that count as soon as the run does."""
    values = [{"source": source, "run": run, **row._asdict()} for row in rows]
    if values:
        connection.execute(insert(passwords), values)


def settle(connection: Connection, source: str, run: int) -> None:
    """Of those of whom this run has a password, remove the older ones, but for the one that would count if this run were undone."""
    row, new, old = passwords.c, passwords.alias().c, passwords.alias().c
    mine = select(new.user_id).where(new.source == source, new.run == run)
    before = (
        select(func.max(old.run))
        .join(runs, runs.c.id == old.run)
        .where(old.source == source, old.user_id == row.user_id, old.run < run, runs.c.state.in_(_COUNTS))
        .scalar_subquery()
    )
    # (Where there is none before, nothing is equal to it.)
    over = row.run != func.coalesce(before, 0)
    connection.execute(delete(passwords).where(row.source == source, row.user_id.in_(mine), row.run < run, over))


def drop(connection: Connection, source: str) -> None:
    """Have none of a source, which does not ask to keep them any more."""
    connection.execute(delete(passwords).where(passwords.c.source == source))


def forget(connection: Connection, source: str, people: Select[Any]) -> int:
    """Remove those of some users (a SELECT of their ids), and of who never was in the roster and does not wait for a person; how many
    that were."""
    row, user = passwords.c, ROSTER["user"].c
    nobodys = ~exists(select(user.id).where(user.source == row.source, user.id == row.user_id))
    waits = exists(select(runs.c.id).where(runs.c.id == row.run, runs.c.state.in_((State.HELD.value, State.RUNNING.value))))
    gone = delete(passwords).where(row.source == source, row.user_id.in_(people) | (nobodys & ~waits))
    return int(connection.execute(gone, execution_options={"preserve_rowcount": True}).rowcount)


def is_right(store: Store, source: str, user_id: str, password: str, now: datetime) -> bool:
    """Whether a password is that of an active user. Of who has none, and of nobody, it is False, and takes as long. Raises TooManyTries, as
    for an account: after five wrong ones in a quarter of an hour nothing is looked at."""
    with store.write() as connection:
        key = tries.of_person(source, user_id)
        number = tries.take(connection, {key: tries.BY_NAME}, now)
    right = hashes.verify_persons(_hash(store, source, user_id), password)
    if right:
        with store.write() as connection:
            tries.forgive(connection, key, number=number)
    return right


def _hash(store: Store, source: str, user_id: str) -> str | None:
    row, user = passwords.c, ROSTER["user"].c
    query = (
        select(row.hash)
        .join(ROSTER["user"], (user.source == row.source) & (user.id == row.user_id))
        .join(runs, runs.c.id == row.run)
        .where(row.source == source, row.user_id == user_id, user.status == "active", runs.c.state.in_(_COUNTS))
        .order_by(row.run.desc())
        .limit(1)
    )
    with store.read() as connection:
        return connection.execute(query).scalar()
