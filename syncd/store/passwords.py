"""The passwords of people whose source asks to keep them: as Argon2id hashes, and as nothing else.

They stand apart from the roster: no list, history, feed or export looks in here, and no password ever comes out. All that can be asked is
whether a password is a person's (`is_right`).

A row is of a run, and counts while that run stands: of one that failed or was undone the passwords before count. So hashes can be made
before the roster is written, some at a time, and what a run that was killed has made is not made again. Earlier ones stay as long as the
old values in the change log do.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, exists, func, insert, literal, or_, select

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


def copy(connection: Connection, source: str, run: int, ids: Select[Any]) -> None:
    """Let users who got another id (ids: a SELECT of old_id and new_id) have the password that counts for the old one, unless this run has
    one for the new. The mark is bound to the old id: the same word is hashed anew when it comes under the new one."""
    row, pair, new = passwords.c, ids.subquery().c, passwords.alias().c
    has = exists(select(new.run).where(new.source == source, new.user_id == pair.new_id, new.run == run))
    found = select(literal(source), pair.new_id, literal(run), row.mark, row.hash).where(
        row.source == source, row.user_id == pair.old_id, row.run == _latest(row.source, row.user_id), ~has
    )
    connection.execute(insert(passwords).from_select(["source", "user_id", "run", "mark", "hash"], found))


def _latest(source: Any, user_id: Any) -> Any:
    """The run whose password counts for a user."""
    row = passwords.alias().c
    counting = select(func.max(row.run)).join(runs, runs.c.id == row.run)
    return counting.where(row.source == source, row.user_id == user_id, runs.c.state.in_(_COUNTS)).scalar_subquery()


def drop(connection: Connection, source: str) -> None:
    """Have none of a source, which does not ask to keep them any more."""
    connection.execute(delete(passwords).where(passwords.c.source == source))


def forget(connection: Connection, source: str, people: Select[Any], old: Select[Any] | None) -> int:
    """Remove those of some users (a SELECT of their ids); and, as the values in the change log, those of runs that are old (a SELECT of
    their numbers), unless they count for somebody in the roster. How many that were."""
    row, user = passwords.c, ROSTER["user"].c
    gone: ColumnElement[bool] = row.user_id.in_(people)
    if old is not None:
        there = exists(select(user.id).where(user.source == row.source, user.id == row.user_id))
        counts = and_(there, row.run == func.coalesce(_latest(row.source, row.user_id), 0))
        gone = or_(gone, and_(row.run.in_(old), ~counts))
    return int(
        connection.execute(delete(passwords).where(row.source == source, gone), execution_options={"preserve_rowcount": True}).rowcount
    )


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
