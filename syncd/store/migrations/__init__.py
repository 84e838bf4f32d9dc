"""The schema's history, by Alembic: one file a step in `versions/`, applied when a store is opened."""

from functools import cache
from importlib import import_module
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from syncd.errors import Outdated, StoreError
from syncd.store import damage


@cache
def known() -> list[str]:
    """All revisions, the oldest first: each file in `versions/` begins with its own."""
    return sorted(file.name.partition("_")[0] for file in (Path(__file__).parent / "versions").glob("[0-9]*_*.py"))


def newest() -> str:
    """The revision that this version of syncd works with."""
    return known()[-1]


def current(connection: Connection) -> str | None:
    """The revision of a store; None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def refuse_newer(connection: Connection) -> None:
    """Raises Outdated when a newer syncd has upgraded the store since this process opened it."""
    if current(connection) != newest():
        raise Outdated(
            "the store was upgraded by a newer syncd while this one was running.",
            advice="Install the newer syncd here too, and start it anew.",
        )


def upgrade(engine: Engine, name: str) -> None:
    """Bring a store to the newest schema, in one transaction. Raises StoreError when a newer syncd made it, or it is damaged."""
    with engine.connect() as connection:
        at = current(connection)
    if at == newest():
        return
    if at is not None and at not in known():
        raise StoreError(f"the store has schema {at}, which this version of syncd does not know.", advice="Install the newer syncd.")
    if at is not None and engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            damage.refuse(connection, name)
    with engine.connect().execution_options(immediate=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            # Another process may be at it, too.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('syncd schema'))"))
        if current(connection) != newest():
            if at is not None:
                _fence_off_older(connection)
            # Alembic is imported when there is something to do: it takes a fifth of a short command's time.
            steps = import_module("syncd.store.migrations.steps")
            steps.upgrade(connection, "head")


def _fence_off_older(connection: Connection) -> None:
    """Runs that older processes have begun may not apply what they were made for to tables that are no longer the same: their epochs end.
    One that is applying at this moment is waited for; one that begins later asks for the schema (`runs.start`)."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE sources IN EXCLUSIVE MODE"))
    connection.execute(text("UPDATE sources SET epoch = epoch + 1"))
