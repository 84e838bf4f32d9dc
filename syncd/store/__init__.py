"""The store: the only place that opens a database. SQLite in one private file, or PostgreSQL."""

from syncd.store.engine import Store
from syncd.store.open import is_there, open_store

__all__ = ["Store", "is_there", "open_store"]
