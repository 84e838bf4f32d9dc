"""A source in trouble is asked less often, and takes nobody with it.

Two kinds of trouble. A source whose data ends the process (a fault in a library, memory that runs out) would take the others with it: a
run's row is written before it starts, so that each attempt counts, however it ends. A source that fails run after run (an outage, a token
that was withdrawn) costs requests and a place in vain, and some providers lock an account for it. After three such runs in a row the
daemon leaves the source alone, and longer each time. Of a failing source the waits are no longer than it has failed already, so that an
outage is at most doubled. A run by hand always tries, and one that comes to a good end sets everything right. So does whoever changes the
source in the console: it is tried at once, as what was wrong may be mended.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import NamedTuple

import structlog

from syncd.report import RunReport
from syncd.store.runs import INTERRUPTED, failed_in_a_row

log = structlog.get_logger()

TRIES = 3
# After runs that ended with their process, which does harm to all.
SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=1)
# After runs that failed: what lasts for a morning is tried again within the same day.
SHORTEST_OF_FAILED, LONGEST_OF_FAILED = timedelta(minutes=5), timedelta(hours=4)


class Suspicion(NamedTuple):
    """How many of a source's latest pulls, one after the other, ended with their process; how many failed, those included; until when the
    daemon leaves it alone for that (None: it does not)."""

    crashes: int
    failures: int
    until: datetime | None

    @property
    def crashing(self) -> bool:
        """Whether it is left alone for what it does to the process."""
        return self.crashes >= TRIES


def suspicion(pulls: Sequence[RunReport], now: datetime, changed_at: datetime | None = None) -> Suspicion:
    """What to think of a source. pulls: its latest ones, newest first (`runs.latest_pulls`). changed_at: when it was changed in the
    console; what was before that tells nothing."""
    failed = failed_in_a_row(pull for pull in pulls if changed_at is None or pull.started_at >= changed_at)
    crashed = list(takewhile(lambda pull: pull.error == INTERRUPTED, failed))
    seen = Suspicion(len(crashed), len(failed), None)
    if seen.failures < TRIES:
        return seen
    shortest, longest = (SHORTEST, LONGEST) if seen.crashing else (SHORTEST_OF_FAILED, LONGEST_OF_FAILED)
    doubled = (seen.crashes if seen.crashing else seen.failures) - TRIES
    # What is known of a run that was interrupted is when it began.
    latest = failed[0].started_at if crashed else failed[0].finished_at or failed[0].started_at
    until = latest + min(shortest * 2**doubled, longest)
    # A time in the future is of a clock that was wrong: it decides nothing.
    return seen._replace(until=until) if latest <= now < until else seen


def tell(source: str, seen: Suspicion) -> None:
    """Say in the log that a source is left alone, and until when."""
    until = seen.until.isoformat() if seen.until else None
    if seen.crashing:
        log.error("left alone, its last runs ended the whole process", source=source, count=seen.crashes, next=until)
    else:
        log.warning("left alone, its last runs failed", source=source, count=seen.failures, next=until)
