"""The migrations make just the tables that the code works with."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from syncd.store import open_store
from syncd.store.tables import metadata


def test_migrations_and_tables_agree(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/roster.db")
    with store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
