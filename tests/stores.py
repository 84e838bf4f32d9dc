"""Where tests keep their rosters: in a file each, or, with `pytest --store postgresql`, in a database each."""

from contextlib import ExitStack
from pathlib import Path

from tests import postgresql

chosen = "sqlite"
_until_the_end = ExitStack()
_server: list[postgresql.Server] = []
_databases: dict[Path, str] = {}


def url(folder: Path, name: str = "roster.db") -> str:
    """The URL of the one store of a folder and name, which is empty when it is asked for first."""
    path = folder / name
    if chosen == "sqlite":
        return f"sqlite:///{path}"
    if path not in _databases:
        _databases[path] = server().fresh()
    return _databases[path]


def server() -> postgresql.Server:
    """The tests' PostgreSQL, started at the first call."""
    if not _server:
        _server.append(_until_the_end.enter_context(postgresql.running(postgresql.required())))
    return _server[0]


def stop() -> None:
    """End the server."""
    _until_the_end.close()
