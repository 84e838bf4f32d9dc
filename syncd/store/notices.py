"""What people are to know, as long as it is so, and whether they were told: kept, so that no restart and no other machine tells it anew."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, tuple_

from syncd.store.tables import notices
from syncd.store.upsert import insert


class Key(NamedTuple):
    """source: "" where it is about none. about: what of it, where there can be several at a time."""

    source: str
    rule: str
    about: str


class Kept(NamedTuple):
    """Something that is so since a time. amount: how much it was when it was told. reminded_at: told once more, since it lasts. over_at: it
    has ended, which is still to be told."""

    since: datetime
    amount: int
    told_at: datetime | None = None
    reminded_at: datetime | None = None
    over_at: datetime | None = None


def kept(connection: Connection) -> dict[Key, Kept]:
    """All of it."""
    rows = connection.execute(select(notices)).all()
    return {Key(row.source, row.rule, row.about): Kept(row.since, row.amount, row.told_at, row.reminded_at, row.over_at) for row in rows}


def keep(connection: Connection, changed: dict[Key, Kept], gone: Collection[Key]) -> None:
    """Write what is new or other than it was, and remove what is over."""
    key = list(notices.primary_key)
    if gone:
        connection.execute(delete(notices).where(tuple_(*key).in_([tuple(one) for one in gone])))
    if changed:
        new = insert(connection, notices)
        values = {name: new.excluded[name] for name in Kept._fields}
        rows = [{**one._asdict(), **how._asdict()} for one, how in changed.items()]
        connection.execute(new.on_conflict_do_update(index_elements=key, set_=values), rows)
