"""Several machines at one store: each `syncd serve` and `syncd worker` a process of its own, on a PostgreSQL database of the test's own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from syncd.daemon import queue
from syncd.report import RunReport, State
from syncd.roster.kinds import PLURALS, SINGULAR
from syncd.sandbox import Sandbox
from syncd.store import open_store, roster, runs
from syncd.store.postgresql import PostgresStore
from tests import stores
from tests.commands import Ended, syncd
from tests.postgresql import Server

SOURCE = """
[sources.{name}]
connector = "clever"
url = "{url}"
token = {{ env = "MACHINES_TOKEN" }}
schedule = "{schedule}"
full = "0 2 29 2 *"
"""
NEVER = "0 2 29 2 *"


def until(done: Callable[[], Any], told: Callable[[], str] = str, seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < deadline, told()[-4000:]
        time.sleep(0.05)
    return found


class Process:
    """One daemon, with its log."""

    def __init__(self, popen: "subprocess.Popen[bytes]", log: Path) -> None:
        self.popen, self._log = popen, log

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def stands_still(self) -> bool:
        """Whether it was stopped by SIGSTOP."""
        return os.waitid(os.P_PID, self.popen.pid, os.WSTOPPED | os.WNOWAIT | os.WNOHANG) is not None

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(20)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.popen.wait(20)

    def ended(self, seconds: float = 20) -> int:
        """How it ended by itself."""
        return self.popen.wait(seconds)


class Machines:
    """A configuration that all of them have, and its store."""

    def __init__(self, folder: Path, sandbox: Sandbox, server: Server) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.url = server.fresh()
        self.config = folder / "syncd.toml"
        self.store = open_store(self.url)
        assert isinstance(self.store, PostgresStore)
        self._until_the_end, self._count = ExitStack(), 0
        self.configure("springfield")

    def configure(self, *names: str, schedule: str = NEVER, silence: int = 3, workers: int = 2, config: Path | None = None) -> Path:
        head = f'workers = {workers}\n[store]\nurl = "{self.url}"\n[console]\nenabled = false\n'
        head += f"[cluster]\nenabled = true\ntick = 1\nsilence = {silence}\n"
        sources = [SOURCE.format(name=name, url=self.sandbox.clever_url, schedule=schedule) for name in names]
        config = config or self.config
        config.write_text(head + "".join(sources))
        return config

    def start(self, *command: str, config: Path | None = None, ready: bool = True, altered: str | None = None) -> Process:
        """A daemon, once it has started; or, if not `ready`, any command, at once. altered: see `tests/faults/altered.py`."""
        self._count += 1
        path = self.folder / f"{command[0]}-{self._count}.log"
        module = ["syncd"] if altered is None else ["tests.faults.altered", altered]
        with path.open("ab") as log:
            arguments = [sys.executable, "-m", *module, "--config", str(config or self.config), *command]
            popen = subprocess.Popen(arguments, stdout=log, stderr=log)
        self._until_the_end.callback(_end, popen)
        process = Process(popen, path)
        if ready:
            until(lambda: '"started"' in process.log, lambda: process.log)
        return process

    def together(self, *commands: str, **options: Any) -> list[Process]:
        """Several daemons, once all of them have started."""
        started = [self.start(command, ready=False, **options) for command in commands]
        for process in started:
            until(lambda process=process: '"started"' in process.log, lambda process=process: process.log)
        return started

    def command(self, *arguments: object) -> Ended:
        return syncd(self.config, *arguments)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.command("status", "--json").out)
        return found

    def runs(self, source: str | None = None, *states: State) -> list[RunReport]:
        """The runs, oldest first."""
        return [run for run in reversed(runs.recent(self.store, source, limit=500)) if not states or run.state in states]

    def applied(self, source: str | None = None) -> list[RunReport]:
        return self.runs(source, State.APPLIED)

    def pulling(self) -> list[int]:
        """The runs that are fetching at this moment."""
        return [run.run for run in self.runs(None, State.RUNNING) if runs.progress(self.store, run.run)]

    def whole(self, source: str = "springfield") -> bool:
        """Whether the roster has all users, and nobody else."""
        held = {record["id"] for record in roster.records(self.store, "user", source)}
        return held == {record["id"] for record in self.sandbox.expected("clever-3.1", "users")}

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All that the roster holds."""
        return {plural: list(roster.records(self.store, SINGULAR[plural], status="all")) for plural in PLURALS}

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """A statement with the queue's tables in sight."""
        with psycopg.connect(
            host=self.store.engine.url.query["host"], user="postgres", dbname=self.store.name, autocommit=True
        ) as connection:
            connection.execute(f"SET search_path = {queue.name()}, public")
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def due_now(self, *names: str) -> None:
        """The sources' next time has come: as soon as anybody has worked out when that is."""
        come = "UPDATE due SET pull_at = now() WHERE source = ANY(%s) RETURNING source"
        until(lambda: len(self.sql(come, list(names))) == len(names))

    def close(self) -> None:
        self._until_the_end.close()
        self.store.close()


def _end(popen: "subprocess.Popen[bytes]") -> None:
    if popen.poll() is None:
        os.kill(popen.pid, signal.SIGCONT)
        popen.kill()
    popen.wait()


@contextmanager
def machines(folder: Path, sandbox: Sandbox, server: Server | None = None) -> Iterator[Machines]:
    """server: where the store is; else on the one that all tests share."""
    made = Machines(folder, sandbox, server or stores.server())
    try:
        yield made
    finally:
        made.close()
