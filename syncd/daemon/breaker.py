"""A source whose data ends the process (a fault in a library, memory that runs out) must not take the others with it.

A run's row is written before it starts, so that each attempt counts, however it ends. After three in a row that ended with their process
the daemon leaves the source alone, for an hour and then longer each time. A run by hand still tries, and one that comes to an end, be it
with an error, sets everything right.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from syncd.store import Store, runs

TRIES = 3
SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=1)


class Suspicion(NamedTuple):
    """How many of a source's latest runs, one after the other, ended with their process; until when the daemon leaves it alone for that
    (None: it does not)."""

    crashes: int
    until: datetime | None


def suspicion(store: Store, source: str, now: datetime) -> Suspicion:
    """What to think of a source."""
    crashes, latest = runs.interrupted(store, source)
    # A time in the future is of a clock that was wrong: it decides nothing.
    if latest is None or crashes < TRIES or latest > now:
        return Suspicion(crashes, None)
    until = latest + min(SHORTEST * 2 ** (crashes - TRIES), LONGEST)
    return Suspicion(crashes, until if now < until else None)
