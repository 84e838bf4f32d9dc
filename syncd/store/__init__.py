"""The store: the only place that opens a database. SQLite, in one private file."""

from syncd.store.engine import Store, open_store

__all__ = ["Store", "open_store"]
