"""When a daemon last looked after something: how others see that it lives, and looks."""

from datetime import datetime

from sqlalchemy import select

from syncd.store.engine import Store
from syncd.store.tables import looks
from syncd.store.upsert import insert

# What is looked after: when sources are due.
SCHEDULE = "schedule"
# Seconds between two looks.
EVERY = 30


def note(store: Store, what: str, at: datetime) -> None:
    """Somebody looks."""
    with store.write() as connection:
        row = insert(connection, looks).values(what=what, at=at)
        connection.execute(row.on_conflict_do_update(index_elements=[looks.c.what], set_={"at": at}))


def last(store: Store, what: str) -> datetime | None:
    """When somebody last did; None: never."""
    with store.read() as connection:
        return connection.execute(select(looks.c.at).where(looks.c.what == what)).scalar_one_or_none()
