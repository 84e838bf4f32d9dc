"""Keeps a run's log lines and progress in the store while it runs.

A thread of its own writes them, so that a run never waits for its own log: while the run holds the store for its apply, lines queue up
here and are written when it has committed.
"""

import queue
import threading
import time
from types import TracebackType
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from syncd.errors import StoreError
from syncd.observe.logs import LogLine, add_sink, remove_sink
from syncd.store import runs
from syncd.store.engine import Store

# Seconds between writes: often enough to watch a run live.
EVERY = 0.5


class Journal:
    """Context manager: between enter and exit, the lines of this run go to the store."""

    def __init__(self, store: Store, source: str, run: int) -> None:
        self._store, self._source, self._run = store, source, run
        self._lines: queue.SimpleQueue[runs.KeptLine] = queue.SimpleQueue()
        self._progress: dict[str, Any] | None = None
        self._count = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name=f"journal-{run}", daemon=True)

    def progress(self, progress: dict[str, Any]) -> None:
        """Say where the run stands; only the latest is written."""
        self._progress = progress

    def __enter__(self) -> "Journal":
        add_sink(self._take)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        remove_sink(self._take)
        self._done.set()
        self._thread.join()

    def _take(self, line: LogLine) -> None:
        if line.run == self._run:
            self._count += 1
            self._lines.put(runs.KeptLine(self._count, line.at, line.level, line.event, line.fields))

    def _write_on(self) -> None:
        waiting: list[runs.KeptLine] = []
        last = None
        while True:
            ended = self._done.wait(EVERY)
            while not self._lines.empty():
                waiting.append(self._lines.get())
            progress = self._progress
            if waiting or progress is not last:
                try:
                    with self._store.write() as connection:
                        runs.add_lines(connection, self._source, self._run, waiting)
                        if progress is not None:
                            runs.set_progress(connection, self._run, progress)
                    waiting, last = [], progress
                except (StoreError, SQLAlchemyError):
                    # The log must not fail the run; the lines wait for the next try, and went to the service's own log already.
                    time.sleep(EVERY)
            if ended:
                return
