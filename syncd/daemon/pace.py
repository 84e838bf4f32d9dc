"""What a host asked of one worker holds for all: who was told to wait tells the others by the store, and each looks before a request."""

import threading
import time
from contextlib import suppress

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from syncd.contract.connector import Pace
from syncd.errors import StoreError
from syncd.store import Store
from syncd.store.tables import hosts

log = structlog.get_logger()

# Seconds for which an answer of the store serves: the many requests of many runs must not each cost it a question.
FRESH = 1.0


class SharedPace(Pace):
    """One for all runs of a process; threads may share it. A store that does not answer here never fails a run: it will say so itself."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        # host: (when it was asked for, until when to wait), both by the clock that never jumps.
        self._known: dict[str, tuple[float, float]] = {}

    def wait(self, host: str) -> float:
        with self._lock:
            asked, until = self._known.get(host, (float("-inf"), 0.0))
            if time.monotonic() - asked > FRESH:
                until = time.monotonic() + self._seconds(host)
                self._known[host] = (time.monotonic(), until)
        return max(until - time.monotonic(), 0.0)

    def told(self, host: str, seconds: float) -> None:
        not_before = func.now() + text("make_interval(secs => :seconds)").bindparams(seconds=seconds)
        row = insert(hosts).values(host=host, not_before=not_before)
        later = {"not_before": func.greatest(hosts.c.not_before, row.excluded.not_before)}
        with suppress(StoreError), self._store.write() as connection:
            connection.execute(row.on_conflict_do_update(index_elements=[hosts.c.host], set_=later))
        with self._lock:
            self._known.pop(host, None)

    def _seconds(self, host: str) -> float:
        left = func.extract("epoch", hosts.c.not_before - func.now())
        with suppress(StoreError), self._store.read() as connection:
            return max(float(connection.execute(select(left).where(hosts.c.host == host)).scalar() or 0), 0.0)
        return 0.0
