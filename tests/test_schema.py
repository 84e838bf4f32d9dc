"""The migrations make just the tables that the code works with."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from syncd.store import open_store
from syncd.store.tables import metadata
from tests import stores


def test_migrations_and_tables_agree(tmp_path: Path) -> None:
    store = open_store(stores.url(tmp_path))
    with store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
