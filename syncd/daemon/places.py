"""Places for pulls, shared fairly: a huge district must not keep the small ones waiting.

A long pull never takes the last free place. So there is always one that is given back within a minute or so, and a small district waits
that long at most, however many huge ones are pulled for the first time. Where there is one place only, nothing can be kept free.
"""

import threading
from collections.abc import Callable, Sequence

import structlog

from syncd.report import Mode, RunReport, State
from syncd.store.runs import DONE

log = structlog.get_logger()

# Seconds from which on a pull is long.
LONG = 60.0


def is_long(pulls: Sequence[RunReport], mode: Mode) -> bool:
    """Whether a pull is to be expected long: by the source's latest good one (for a full pull: its latest full one), or because there was
    none yet. pulls: its latest ones, newest first. One that failed after a long time tells so too."""
    ended = [pull for pull in pulls if pull.finished_at and (mode == Mode.INCREMENTAL or pull.mode == Mode.FULL)]
    good = next((pull for pull in ended if pull.state in DONE), None)
    return good is None or _took(good) > LONG or (ended[0].state == State.FAILED and _took(ended[0]) > LONG)


def for_long(places: int) -> int:
    """How many of so many places long pulls may take."""
    return max(places - 1, 1)


def _took(pull: RunReport) -> float:
    return (pull.finished_at - pull.started_at).total_seconds() if pull.finished_at else 0.0


class LongPulls:
    """The long pulls of a pool: so many at once, the others wait in line without taking a place, those first that a person asked for."""

    def __init__(self, places: int) -> None:
        self._free = for_long(places)
        # (order, source): an order of a person stands in line for itself; by its schedule a source does so once.
        self._line: dict[tuple[int | None, str], Callable[[], None]] = {}
        self._lock = threading.Lock()

    def pull(self, source: str, mode: Mode, pull: Callable[[], None], order: int | None = None) -> None:
        """Do it now, in this thread, or, if no place is free, in the thread that ends another. By its schedule a source stands in line
        once; a full pull is more than one of changes. order: of the person who asked for it."""
        with self._lock:
            if not self._free:
                log.info("waits, other long pulls are going on", source=source)
                if (order, source) not in self._line or mode == Mode.FULL:
                    self._line[order, source] = pull
                return
            self._free -= 1
        following: Callable[[], None] | None = pull
        while following:
            try:
                following()
            except Exception as problem:
                # Those in line do not suffer for it.
                log.error("unforeseen fault", error=type(problem).__name__, exc_info=True)
            following = self._next()

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            if self._line:
                return self._line.pop(min(self._line, key=lambda standing: standing[0] is None))
            self._free += 1
            return None
