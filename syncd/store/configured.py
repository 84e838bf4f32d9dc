"""The sources that were set up in the console, as rows. What they mean, and how their secrets are sealed, is left to `settings/kept.py`.

Each change takes the next version of all, in the order in which changes become visible: a process that has read up to one version sees by
the highest alone whether anything is new. So a source that was removed leaves its row, without settings.
"""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select, text

from syncd.store.engine import Store
from syncd.store.tables import configured
from syncd.store.upsert import insert


class Row(NamedTuple):
    """settings: as they would stand in the source's table in the file, without secrets; None when it was removed. sealed: {key: secret}."""

    source: str
    settings: dict[str, Any] | None
    sealed: dict[str, str]
    changed_at: datetime
    changed_by: str
    version: int


def version(store: Store) -> int:
    """The version of the latest change; 0 when there was none."""
    with store.read() as connection:
        return int(connection.execute(select(func.coalesce(func.max(configured.c.version), 0))).scalar_one())


def rows(store: Store) -> list[Row]:
    """All, by name, those that were removed among them."""
    with store.read() as connection:
        found = connection.execute(select(configured).order_by(configured.c.source)).all()
    return [Row(row.source, row.settings, row.sealed, row.changed_at, row.changed_by, row.version) for row in found]


def write(
    store: Store, source: str, settings: dict[str, Any] | None, sealed: dict[str, str], *, at: datetime, by: str, seen: int | None
) -> bool:
    """Write a source, or, without settings, remove it. seen: the version of the row that this was made from, None when there was no row.
    False, and nothing is written, when it has another by now."""
    with store.write() as connection:
        if connection.dialect.name == "postgresql":
            # Two changes at once would take the same version, or become visible out of order.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('syncd configured'))"))
        found = connection.execute(select(configured.c.version).where(configured.c.source == source)).scalar()
        if found != seen:
            return False
        following = connection.execute(select(func.coalesce(func.max(configured.c.version), 0) + 1)).scalar_one()
        row = {"settings": settings, "sealed": sealed, "changed_at": at, "changed_by": by, "version": following}
        statement = insert(connection, configured).values(source=source, **row)
        connection.execute(statement.on_conflict_do_update(index_elements=[configured.c.source], set_=row))
    return True
