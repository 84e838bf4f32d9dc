"""What each daemon does by the clock: it shows that it lives, follows a clock that jumps, looks at what people ask for, tells people and
programs (`syncd/notices`), purges once a day, and stops cleanly. When sources are pulled, and who does what is asked for, is left to
`scheduler.py`, for one process, and `dispatcher.py`, where several machines share the store.

The sign of life is a job like any other: who hears it knows that the scheduler does what is due, and one that hangs gives none.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from syncd import account
from syncd.daemon import notify
from syncd.daemon.orders import LOOK, refuse
from syncd.errors import ConfigError, Outdated, SyncdError
from syncd.notices import jobs
from syncd.order import OrderReport
from syncd.report import RunReport
from syncd.settings import kept
from syncd.settings.file import Settings
from syncd.settings.source import Source
from syncd.store import Store, purge
from syncd.store.orders import drop_old_previews

log = structlog.get_logger()

# Seconds by which the clock has to jump before it counts: more than a time server corrects at once.
JUMP = 60
# What the jobs are called by which a person's orders are carried out.
ORDER = ":order-"
# Seconds for which the main thread may be away before it counts as hung: a database that does not answer keeps it for a minute.
AWAY = 150
# Seconds between two times at which what dry runs would have changed is forgotten where it is too old.
FORGET = 3600
# When a purge found a run going on.
PURGE_AGAIN = timedelta(minutes=5)


class Service(ABC):
    """A daemon at work, with so many threads. `apply` may be called again with a changed configuration. up: set once it was at work."""

    def __init__(self, store: Store, settings: Settings, threads: int) -> None:
        self.up = threading.Event()
        self._store = store
        self._stop = threading.Event()
        self._sources: dict[str, Source] = {}
        self._outdated: Outdated | None = None
        self._blind = ""
        self._latest: RunReport | None = None
        self._clock, self._tended = _ahead(), time.monotonic()
        # A missed time is made up once, however often it was missed, and however late it is.
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        # Pulls may take all of the threads for hours: the sign of life must not wait for them, nor those who are to be told, nor pulls for
        # any of those.
        names = {"default": threads, "sign": 1, "beside": 4}
        executors = {name: ThreadPoolExecutor(count) for name, count in names.items()}
        self._outside = jobs.Jobs(store, self._stop)
        self._scheduler = BackgroundScheduler(executors=executors, job_defaults=defaults, timezone=UTC)
        # Pulls may take all of those threads for hours, and what people ask for must not wait for them, or for a clock.
        self._looking = threading.Thread(target=self._look_on, name="orders", daemon=True)
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Take over a configuration: jobs of sources that are gone or disabled end, the others follow their schedules."""
        for job in self._scheduler.get_jobs():
            # What a person asked for is done whatever the schedules are.
            if not job.id.startswith(ORDER):
                job.remove()
        self.take_over(settings, anew=True)
        # At the start too: what was restored from a backup while the service was down may hold people who were purged.
        self._scheduler.add_job(self._purge, IntervalTrigger(days=1), id=":purge", next_run_time=datetime.now(UTC))
        self._scheduler.add_job(
            self._sign, IntervalTrigger(seconds=notify.interval()), id=":sign", executor="sign", next_run_time=datetime.now(UTC)
        )

    def take_over(self, settings: Settings, *, anew: bool = False) -> None:
        """Take over the sources that somebody changed in the console; the jobs of all others go on. anew: of all."""
        before = self._sources
        self._settings = settings
        self._sources = {name: source for name, source in settings.sources.items() if source.common.enabled}
        changed = {name for name in before.keys() | self._sources.keys() if anew or not _same(before.get(name), self._sources.get(name))}
        for job in self._scheduler.get_jobs():
            if job.id.rpartition(":")[0] in changed:
                job.remove()
        self._schedule([source for name, source in self._sources.items() if name in changed])
        self._beside(self._outside.look, jobs.PEOPLE)
        self._beside(self._outside.clear, jobs.CLEARED)
        self._beside(self._outside.tell_people, jobs.PEOPLE, settings)
        self._beside(self._outside.tell_programs, jobs.PROGRAMS, settings)

    def _beside(self, job: Callable[..., None], seconds: float, *settings: Settings) -> None:
        every = IntervalTrigger(seconds=seconds)
        self._scheduler.add_job(
            job, every, args=settings, id=f":{job.__name__}", next_run_time=datetime.now(UTC), executor="beside", replace_existing=True
        )

    @abstractmethod
    def _schedule(self, changed: list[Source]) -> None:
        """Add the jobs by which sources are pulled: of those that are new, or other than before."""

    @abstractmethod
    def look(self) -> None:
        """See to what people ask for. Called every second. Raises SyncdError, which is told, and Outdated when a newer syncd has upgraded
        the store."""

    def start(self) -> None:
        self._scheduler.start()
        self._looking.start()

    def tend(self) -> None:
        """To be called every few seconds: follow a clock that jumped. Raises SyncdError when the scheduler's thread is dead, and when a
        newer syncd has upgraded the store: this one could only fail."""
        if self._outdated:
            raise self._outdated
        if not self._scheduler._thread.is_alive():
            raise SyncdError("the scheduler has ended by itself: no source would be pulled any more.", advice="The daemon starts anew.")
        self._tended = time.monotonic()
        jumped, self._clock = _ahead() - self._clock, _ahead()
        if jumped > JUMP:
            # A machine that slept, too: what was missed is made up for once.
            log.warning("the clock jumped", seconds=round(jumped))
            self._scheduler.wakeup()
        elif jumped < -JUMP:
            # The next times are of the old clock, and could be far away.
            log.warning("the clock jumped", seconds=round(jumped))
            self.apply(self._settings)
        elif jumped < -notify.interval():
            # Too little for the schedules, and too long for who waits for a sign of life.
            self._scheduler.modify_job(":sign", next_run_time=datetime.now(UTC))

    def status(self) -> str:
        """The service in one line, for whoever looks at it from outside."""
        return notify.status(len(self._sources), self._latest)

    def stop(self) -> None:
        """Ask the runs in progress to stop, and wait: one that is applying ends whole, the others are dropped."""
        self._stop.set()
        self._looking.join()
        self._scheduler.shutdown(wait=True)

    def _refused(self, order: OrderReport) -> bool:
        """Whether an order is of a source that is not configured (any more), and is refused for that. Raises StoreError."""
        try:
            if order.source not in self._settings.sources:
                # It may have been set up a moment ago, and not be taken over yet.
                kept.current(self._settings, self._store).source(order.source)
        except ConfigError as problem:
            refuse(self._store, order, problem.message)
            return True
        return False

    def _look_on(self) -> None:
        forgot = float("-inf")
        while not self._stop.wait(LOOK):
            try:
                self.look()
                if time.monotonic() - forgot > FORGET:
                    forgot = time.monotonic()
                    with self._store.write() as connection:
                        drop_old_previews(connection)
                self._blind = ""
            except Outdated as problem:
                self._outdated = problem
            except Exception as problem:
                # Each second the same would fill the log.
                told = str(problem) if isinstance(problem, SyncdError) else type(problem).__name__
                if self._blind != told:
                    self._blind = told
                    unforeseen = not isinstance(problem, SyncdError)
                    log.error("could not look at what is asked for; it is tried again", error=told, exc_info=unforeseen)

    def _sign(self) -> None:
        """A sign of life, unless something hangs."""
        hung = self._hung()
        if hung:
            log.error("hangs, and gives no sign of life", where=hung)
            return
        self.up.set()
        notify.alive()

    def _hung(self) -> str | None:
        """What has been away for too long, if anything has."""
        return "main thread" if time.monotonic() - self._tended > AWAY else None

    def _purge(self) -> None:
        """What `[retention]` says, and who is back out of a backup, once a day; for a source that is busy, again a little later."""
        now = datetime.now(UTC)
        try:
            trusted = purge.in_step(self._store, now)
            if not trusted and any(map(self._settings.retention, self._settings.sources)):
                log.info("[retention] waits: no run of the week before yesterday shows that the clock is right")
            policy_of = self._settings.retention if trusted else purge.no_policy
            proof = purge.purge(self._store, policy_of, now, by=account.daemon())
        except SyncdError as problem:
            log.error("purge failed", error=str(problem))
            return
        for gone in proof.sources:
            log.info("purged", source=gone.source, counts=gone.counts)
        if proof.wiped is False:
            log.warning("purged, but the file could not be rewritten: it is tried again tomorrow")
        if proof.busy and not self._stop.is_set():
            self._scheduler.add_job(self._purge, "date", run_date=datetime.now(UTC) + PURGE_AGAIN, id=":purge-again", replace_existing=True)


def _same(one: Source | None, other: Source | None) -> bool:
    """Whether a source is as it was. What is kept in the store is read anew each time, and dated."""
    if one is None or other is None or one is other:
        return one is other
    return one.changed_at is not None and one.changed_at == other.changed_at


def _ahead() -> float:
    """Seconds by which the clock is ahead of the one that never jumps."""
    return time.time() - time.monotonic()
