"""A source whose data ends the process (a fault in a library, memory that runs out) must not take the others with it.

A run's row is written before it starts, so that each attempt counts, however it ends. After three in a row that ended with their process
the daemon leaves the source alone, for an hour and then longer each time. A run by hand still tries, and one that comes to an end, be it
with an error, sets everything right.
"""

from datetime import datetime, timedelta

from syncd.store import Store, runs

TRIES = 3
SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=1)


def left_alone_until(store: Store, source: str, now: datetime) -> datetime | None:
    """Until when the daemon leaves a source alone; None when it does not."""
    count, latest = runs.interrupted(store, source)
    # A time in the future is of a clock that was wrong: it decides nothing.
    if latest is None or count < TRIES or latest > now:
        return None
    until = latest + min(SHORTEST * 2 ** (count - TRIES), LONGEST)
    return until if now < until else None
