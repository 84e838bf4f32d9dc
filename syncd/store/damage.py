"""Whether the store's file is sound. A damaged one is not written to: what can still be read could be lost with the next write."""

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from syncd.errors import StoreError

ADVICE = (
    "Stop everything that uses it, move it away together with its -wal and -shm files, and restore the last "
    "backup; without one, sync anew (`syncd db check` counts the faults)."
)


def refuse(connection: Connection, name: str) -> None:
    """Read the whole file. Raises StoreError when a page of it is damaged."""
    try:
        sound = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() == "ok"
    except DatabaseError as problem:
        if not getattr(problem.orig, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise
        sound = False
    if not sound:
        raise StoreError(f"the store {name} is damaged; nothing was written to it.", advice=ADVICE)
