"""A source that a person paused: its schedule does not pull it until it is resumed. By hand everything works as ever."""

from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from syncd.account import Who
from syncd.store import audit, due
from syncd.store.tables import PAUSED, sources
from syncd.store.upsert import insert


class Paused(NamedTuple):
    """Since when, and by whose word."""

    at: datetime
    by: str


def pause(connection: Connection, source: str, *, by: Who) -> bool:
    """Pause a source, also one that was never synced. A pull that is under way ends. False when it was paused already: that word stands."""
    row = insert(connection, sources).values(name=source, epoch=0, paused_at=datetime.now(UTC), paused_by=by.name)
    word = {name: row.excluded[name] for name in ("paused_at", "paused_by")}
    statement = row.on_conflict_do_update(index_elements=[sources.c.name], set_=word, where=~PAUSED)
    if connection.execute(statement.returning(sources.c.name)).first() is None:
        return False
    audit.note(connection, by, "pause", source=source)
    return True


def resume(connection: Connection, source: str, *, by: Who) -> bool:
    """Let the schedule pull a source again, soon for the first time. False when it was not paused."""
    rests = update(sources).where(sources.c.name == source, PAUSED).values(paused_at=None, paused_by=None)
    if not connection.execute(rests).rowcount:
        return False
    due.soon(connection, source)
    audit.note(connection, by, "resume", source=source)
    return True


def paused(connection: Connection) -> dict[str, Paused]:
    """The sources that are paused."""
    query = select(sources.c.name, sources.c.paused_at, sources.c.paused_by).where(PAUSED)
    return {row.name: Paused(row.paused_at, row.paused_by) for row in connection.execute(query)}
