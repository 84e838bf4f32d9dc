"""Kills a run at one point after the other, and looks at what is left: `python -m tests.faults.crash SCENARIO`.

The scenario (a pickled `Scenario`) is a store as it stands before a run, and the run. For n = 1, 2, 3 … a process is forked that does the
run and ends itself with SIGKILL at its n-th point, until the run ends whole. After each, the store must be as before or as after, sound,
and say that the run was interrupted; and doing it once more must lead to where it would have led without the kill. The last line on
stdout is a JSON object: the points, how many left the store as before and as after, and what was wrong.

Points are the statements and commits that SQLAlchemy sends; with `--fine` also each statement inside SQLite (of an insert of many rows,
each row) and each ten thousandth step within one. `--every 4` takes each point of the transaction that applies, and one of four of those
before it, which touch temporary tables only; `--applying 2` takes one of two of the transaction, too. `--minutes` then goes on with kills
from outside, at random times.

What the next run does depends on the store alone, so that it is done once for each different store that is left behind.
"""

import argparse
import gc
import json
import os
import pickle
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import time_machine
from sqlalchemy import Engine, event, func, select

from syncd.contract.connector import Context
from syncd.errors import CanNotUndo, NothingHeld, SyncdError
from syncd.observe import logs
from syncd.report import Mode, State, Trigger
from syncd.settings.guard import GuardSettings
from syncd.store import Store, open_store, runs, tallies
from syncd.store.tables import runs as table
from syncd.sync.run import Order, run
from tests.faults.played import Played, Recording

SOURCE = "springfield"
# A run's own bookkeeping, which a run that was interrupted leaves behind.
BOOKS = ("runs", "run_log", "tallies", "alembic_version", "sqlite_sequence")
STEPS = 10_000

Rows = dict[str, list[tuple[Any, ...]]]


@dataclass
class Scenario:
    """store: the SQLite file before the run (closed, without a WAL). at: the time of all runs."""

    name: str
    store: Path
    recording: Recording
    at: datetime
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class Tally:
    """What came of it."""

    points: int = 0
    before: int = 0
    after: int = 0
    wrong: list[str] = field(default_factory=list)


class Bench:
    """One scenario at work, in a folder of its own."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario = scenario
        self.store = self.opened(folder)
        self.number = 1 + max((report.run for report in runs.recent(self.store)), default=0)
        self.before = self.rows()
        self.attempt()
        self.after = self.rows()
        self.attempt()
        self.twice = self.rows()
        self.restore()
        with self.store.write() as connection:
            runs.start(connection, SOURCE, mode=Mode.FULL, trigger=Trigger.MANUAL, at=scenario.at)
        self.attempt()
        self.once_later = self.rows()
        self._done_again: dict[int, str] = {}
        if self.before == self.after:
            raise AssertionError("the scenario changes nothing")

    def opened(self, folder: Path) -> Store:
        """The store, as it is before the run."""
        self.path = folder / "roster.db"
        self.restore()
        store = open_store(f"sqlite:///{self.path}")
        # Not for a process that is killed, only for a machine that loses its power is the sync to the disk needed.
        event.listen(store.engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous = OFF"))
        return store

    def rows(self, *, books: bool = False) -> Rows:
        """All rows of all tables, in order; without the books of the runs and the sources' epochs, unless these are asked for."""
        return rows(self.path, books=books)

    def restore(self) -> None:
        """Make the store what it is before the run."""
        for name in self.path.parent.glob(f"{self.path.name}*"):
            name.unlink()
        shutil.copy(self.scenario.store, self.path)

    def attempt(self) -> None:
        """The run; when it was done already, an approval or undo is refused, and that is right."""
        order = Order(SOURCE, lambda context: Played(self.scenario.recording, context), GuardSettings(), **self.scenario.options)
        try:
            report = run(self.store, order, Context(SOURCE))
        except (NothingHeld, CanNotUndo, SyncdError):
            return
        if report.state == State.FAILED:
            raise AssertionError(f"{self.scenario.name}: {report.error}")

    def look(self, where: str, tally: Tally, *, whole: bool = False) -> None:
        """Judge what a run that was killed left behind, then do it again."""
        wrong = self._judge(tally, whole)
        if wrong:
            tally.wrong.append(f"{self.scenario.name}, killed at {where}: {wrong}")

    def _judge(self, tally: Tally, whole: bool) -> str:
        found = self.rows()
        number = next((report for report in runs.recent(self.store) if report.run == self.number), None)
        if found == self.after:
            tally.after += 1
            if number is None or number.state not in (State.APPLIED, State.HELD):
                return f"everything is there, and the run is told as {number and number.state}"
            then = self.twice
        elif found == self.before and not whole:
            tally.before += 1
            if number is not None and (number.state, number.error) != (State.FAILED, runs.INTERRUPTED):
                return f"nothing is there, and the run is told as {number.state}"
            then = self.after if number is None else self.once_later
        else:
            return f"neither before nor after: {', '.join(different(found, self.before))} / {', '.join(different(found, self.after))}"
        if self.store.check():
            return "the store is damaged"
        left = hash(repr(self.rows(books=True)))
        if left not in self._done_again:
            self._done_again[left] = self._again(then)
        return self._done_again[left]

    def _again(self, then: Rows) -> str:
        self.attempt()
        again = self.rows()
        if again != then:
            return f"the next run leads elsewhere: {', '.join(different(again, then))}"
        if runs.get(self.store, self.number).state == State.RUNNING:
            return "the interrupted run is never ended"
        return self._miscounted()

    def _miscounted(self) -> str:
        """Each run that ended is in the running totals, and is there once."""
        with self.store.read() as connection:
            ended = connection.execute(select(func.count()).where(table.c.state != State.RUNNING)).scalar_one()
        counted = sum(tally.value for tally in tallies.all_of(self.store) if tally.name == "runs")
        return "" if counted == ended else f"{ended} runs have ended, and {counted} are counted"


def rows(path: Path, *, books: bool = False) -> Rows:
    """All rows of all tables, in order; without the books of the runs and the sources' epochs, unless these are asked for."""
    connection = sqlite3.connect(path)
    try:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {}
        for name in tables if books else set(tables) - set(BOOKS):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            if name == "sources" and not books:
                columns.remove("epoch")
            listed = ", ".join(f'"{column}"' for column in columns)
            found[name] = connection.execute(f"SELECT {listed} FROM {name} ORDER BY {listed}").fetchall()
        return found
    finally:
        connection.close()


def different(left: Rows, right: Rows) -> list[str]:
    """The tables that differ, and by how many rows."""
    return [f"{name} ({len(set(left[name]) ^ set(right[name]))})" for name in left if left[name] != right[name]]


def watch(reached: Callable[[str], None], *, fine: bool = False) -> None:
    """Call `reached` at each point that this process comes to."""
    event.listen(Engine, "before_cursor_execute", lambda _c, _cursor, statement, *_rest: reached(" ".join(statement.split())[:60]))
    event.listen(Engine, "commit", lambda _connection: reached("COMMIT"))
    if fine:

        def on_connect(connection: sqlite3.Connection, _record: object) -> None:
            connection.set_trace_callback(lambda statement: reached(f"in SQLite: {statement[:12]}"))
            connection.set_progress_handler(lambda: reached("within a statement"), STEPS)

        event.listen(Engine, "connect", on_connect)


def kill_at(point: int, told: int, *, fine: bool = False) -> None:
    """End this process with SIGKILL at its n-th point, and write first where that is."""
    passed = 0

    def reached(where: str) -> None:
        nonlocal passed
        passed += 1
        if passed == point:
            os.write(told, f"point {point}, {where}".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    watch(reached, fine=fine)


def in_a_process(arrange: Callable[[int], None], work: Callable[[], None]) -> tuple[int, str]:
    """Fork, arrange, work: how the process ended, and what it wrote to the file descriptor that `arrange` gets."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        ended = 1
        try:
            arrange(writing)
            work()
            ended = 0
        finally:
            os._exit(ended)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), told


def points(bench: Bench, *, fine: bool, every: int, applying: int) -> Iterator[int]:
    """The points to kill at: one of `every` up to the transaction that applies, then one of `applying`, for ever."""
    bench.restore()
    _, told = in_a_process(lambda told: watch(lambda line: os.write(told, f"{line}\n".encode()) and None, fine=fine), bench.attempt)
    # The apply begins with the look at the epoch.
    applies = next(number for number, line in enumerate(told.splitlines(), 1) if line.startswith("SELECT sources.epoch"))
    yield from range(1, applies, every)
    yield from count(applies, applying)


def every_point(bench: Bench, tally: Tally, *, fine: bool, every: int, applying: int) -> None:
    """Kill at one point after the other, until the run ends whole."""
    for point in points(bench, fine=fine, every=every, applying=applying):
        bench.restore()
        ended, where = in_a_process(partial(kill_at, point, fine=fine), bench.attempt)
        if ended not in (0, -signal.SIGKILL):
            tally.wrong.append(f"{bench.scenario.name}: the run ended with {ended} before point {point}")
            return
        bench.look(where, tally, whole=ended == 0)
        if ended == 0:
            return
        tally.points += 1


def at_random(bench: Bench, tally: Tally, minutes: float) -> None:
    """Kill from outside, at times drawn by lot, for so many minutes."""
    chance, began = random.Random(), time.monotonic()
    bench.restore()
    bench.attempt()
    usual = time.monotonic() - began
    while time.monotonic() < began + minutes * 60:
        bench.restore()
        child = os.fork()
        if child == 0:
            bench.attempt()
            os._exit(0)
        after = chance.uniform(0, usual * 1.2)
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        tally.points += 1
        bench.look(f"{after * 1000:.1f} ms", tally)


def main(make: Callable[[Scenario, Path], Bench] = Bench) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", type=Path)
    parser.add_argument("--fine", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--applying", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0)
    asked = parser.parse_args()
    scenario: Scenario = pickle.loads(asked.scenario.read_bytes())
    logs.configure(json=True, level="info", strict=True, stream=(asked.scenario.parent / "log").open("w"))
    folder = asked.scenario.parent / "at-work"
    folder.mkdir()
    tally = Tally()
    with time_machine.travel(scenario.at.astimezone(UTC), tick=False):
        bench = make(scenario, folder)
        # What is here already is not touched in the processes that are forked, so that they need no copy of it.
        gc.collect()
        gc.freeze()
        gc.disable()
        every_point(bench, tally, fine=asked.fine, every=asked.every, applying=asked.applying)
        at_random(bench, tally, asked.minutes)
    sys.stdout.write(json.dumps(tally.__dict__) + "\n")


if __name__ == "__main__":
    main()
