"""Opening the store that the configuration names."""

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from syncd.errors import ConfigError
from syncd.store.engine import Store
from syncd.store.postgresql import open_database
from syncd.store.sqlite import open_file

HOW = "Write sqlite:///path/to/roster.db, or postgresql+psycopg://user@host/database"


def is_there(url: str) -> bool:
    """Whether a store is, without opening it. Of a database only opening it tells: it counts as there."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return True
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").is_file()


def open_store(url: str, *, create: bool = True, kept: int = 0) -> Store:
    """Open the store at an SQLAlchemy URL, creating (a file only) and migrating it as needed. kept: how many connections of a database
    are kept open, for who asks it often.

    Raises ConfigError for a URL that is none or of another database, StoreError when it can not be opened, was made by a newer syncd, or
    (with create=False) is not there.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(f"[store] url: is not a database URL. {HOW}") from None
    match parsed.get_backend_name():
        case "sqlite":
            return open_file(parsed, create=create)
        case "postgresql":
            return open_database(parsed.set(drivername="postgresql+psycopg"), kept)
    raise ConfigError(f"[store] url: {parsed.get_backend_name()} is not supported. {HOW}")
