"""The syncd command with one thing in it gone wrong: `python -m tests.faults.altered WHAT ARGUMENT…`, as a process of its own."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures.thread import _WorkItem
from pathlib import Path
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Engine, event

from connectors.clever import CleverConnector
from syncd.cli import main
from syncd.observe import journal
from syncd.store import orders


def poison() -> None:
    """The data of the source called shelbyville end the process, half way through."""
    pull = CleverConnector.pull

    def poisoned(self: CleverConnector) -> Iterator[Any]:
        for number, item in enumerate(pull(self)):
            if self.context.source == "shelbyville" and number == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            yield item

    CleverConnector.pull = poisoned


def deaf() -> None:
    """A pull waits for ever, and hears nobody."""

    def pull(self: CleverConnector) -> Iterator[Any]:
        threading.Event().wait()
        yield from ()

    CleverConnector.pull = pull


def dead_scheduler() -> None:
    """The scheduler's thread dies as soon as it has something to do."""

    def process(self: BackgroundScheduler) -> None:
        sys.exit()

    BackgroundScheduler._process_jobs = process


def stopped_at_apply() -> None:
    """SIGTERM comes in the middle of the transaction that applies."""
    _at_apply(signal.SIGTERM)


def frozen_at_apply() -> None:
    """The process stands still in the middle of the transaction that applies, until SIGCONT."""
    _at_apply(signal.SIGSTOP)


def killed_before_it_says_so() -> None:
    """The process is killed when it has done what was asked for, and is about to say so."""

    def end(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    orders.end = end


def _at_apply(number: int) -> None:
    """The first time only: an apply that others were in the way of is done again."""
    first = iter([True])

    def at(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("INSERT INTO changes") and next(first, False):
            os.kill(os.getpid(), number)

    event.listen(Engine, "before_cursor_execute", at)


def full_disk() -> None:
    """The store may take no page more than it has."""
    event.listen(Engine, "connect", lambda connection, _record: connection.execute("PRAGMA max_page_count = 1"))


def hang(part: str) -> None:
    """Never come back; said once."""
    sys.stderr.write(f"{part} hangs\n")
    sys.stderr.flush()
    threading.Event().wait()


def _asked() -> threading.Event:
    """Set by SIGUSR2."""
    asked = threading.Event()
    signal.signal(signal.SIGUSR2, lambda *_: asked.set())
    return asked


def hung_scheduler() -> None:
    """From SIGUSR2 on the scheduler's thread does nothing more, and does not end either."""
    asked, process = _asked(), BackgroundScheduler._process_jobs

    def processed(self: BackgroundScheduler) -> Any:
        if asked.is_set():
            hang("the scheduler")
        return process(self)

    BackgroundScheduler._process_jobs = processed


def hung_loop() -> None:
    """At SIGUSR2 the main thread, in which a worker's loop goes round, stands still."""
    signal.signal(signal.SIGUSR2, lambda *_: hang("the loop"))


def hung_threads() -> None:
    """From SIGUSR2 on no thread of a pool comes to an end with anything."""
    asked, work = _asked(), _WorkItem.run

    def worked(self: Any) -> None:
        if asked.is_set():
            threading.Event().wait()
        work(self)

    _WorkItem.run = worked


def journal_elsewhere() -> None:
    """Nothing wrong but the journal's socket, which is the test's own."""
    journal.SOCKET = Path(os.environ["TESTS_JOURNAL"])


ALTERATIONS: tuple[Callable[[], None], ...] = (
    poison,
    deaf,
    dead_scheduler,
    stopped_at_apply,
    frozen_at_apply,
    killed_before_it_says_so,
    full_disk,
    hung_scheduler,
    hung_loop,
    hung_threads,
    journal_elsewhere,
)

if __name__ == "__main__":
    {change.__name__: change for change in ALTERATIONS}[sys.argv.pop(1)]()
    main()
