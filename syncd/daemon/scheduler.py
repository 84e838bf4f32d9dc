"""When each source is pulled: APScheduler in this process, a few threads, never two runs of one source at once."""

import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from syncd.contract.connector import Context
from syncd.daemon import breaker, places
from syncd.errors import AlreadyRunning, Outdated, SyncdError
from syncd.report import Mode, Trigger
from syncd.settings.file import Settings
from syncd.settings.source import Source
from syncd.store import Store, purge, runs
from syncd.sync.run import Order, run

log = structlog.get_logger()

# Seconds by which the clock has to jump before it counts: more than a time server corrects at once.
JUMP = 60
# When a purge found a run going on.
PURGE_AGAIN = timedelta(minutes=5)


class Scheduler:
    """The schedules of all enabled sources. `apply` may be called again with a changed configuration."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._stop = threading.Event()
        self._sources: dict[str, Source] = {}
        # Runs that may end the process go one by one, so that none of them takes the blame for another.
        self._suspects = threading.Lock()
        self._long = places.LongPulls(settings.workers)
        # Sources whose full pull fell into a time in which they were left alone.
        self._owed: set[str] = set()
        self._outdated: Outdated | None = None
        self._clock = _ahead()
        pool = ThreadPoolExecutor(settings.workers)
        # A missed time is made up once, however often it was missed, and however late it is.
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = BackgroundScheduler(executors={"default": pool}, job_defaults=defaults, timezone=UTC)
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Take over a configuration: jobs of sources that are gone or disabled end, the others follow their schedules."""
        self._settings = settings
        wanted = {name: source for name, source in settings.sources.items() if source.common.enabled}
        self._sources = wanted
        for job in self._scheduler.get_jobs():
            job.remove()
        for name, source in wanted.items():
            common = source.common
            self._scheduler.add_job(
                self._pull, common.schedule.trigger(settings.timezone), args=[name, Mode.INCREMENTAL], id=f"{name}:schedule",
                **({"next_run_time": datetime.now(UTC)} if self._is_due(source) else {}),
            )  # fmt: skip
            if common.full is not None:
                self._scheduler.add_job(self._pull, common.full.trigger(settings.timezone), args=[name, Mode.FULL], id=f"{name}:full")
            log.info("source scheduled", source=name, connector=common.connector, schedule=common.schedule.text)
        # At the start too: what was restored from a backup while the service was down may hold people who were purged.
        self._scheduler.add_job(self._purge, IntervalTrigger(days=1), id=":purge", next_run_time=datetime.now(UTC))

    def start(self) -> None:
        self._scheduler.start()

    def tend(self) -> None:
        """To be called every few seconds: follow a clock that jumped. Raises SyncdError when the scheduler's thread is dead, and when a
        newer syncd has upgraded the store: this one could only fail."""
        if self._outdated:
            raise self._outdated
        if not self._scheduler._thread.is_alive():
            raise SyncdError("the scheduler has ended by itself: no source would be pulled any more.", advice="The daemon starts anew.")
        jumped, self._clock = _ahead() - self._clock, _ahead()
        if jumped > JUMP:
            # A machine that slept, too: what was missed is made up for once.
            log.warning("the clock jumped", seconds=round(jumped))
            self._scheduler.wakeup()
        elif jumped < -JUMP:
            # The next times are of the old clock, and could be far away.
            log.warning("the clock jumped", seconds=round(jumped))
            self.apply(self._settings)

    def stop(self) -> None:
        """Ask the runs in progress to stop, and wait: one that is applying ends whole, the others are dropped."""
        self._stop.set()
        self._scheduler.shutdown(wait=True)

    def _is_due(self, source: Source) -> bool:
        """Whether to pull at once: after a start, a source that was not synced for an interval goes on by itself."""
        last = runs.last_good(self._store, source.name)
        if last is None:
            return True
        seconds = source.common.schedule.seconds
        return seconds is not None and datetime.now(UTC) - last.started_at >= timedelta(seconds=seconds)

    def _purge(self) -> None:
        """What `[retention]` says, and who is back out of a backup, once a day; for a source that is busy, again a little later."""
        now = datetime.now(UTC)
        try:
            trusted = purge.in_step(self._store, now)
            if not trusted and any(map(self._settings.retention, self._settings.sources)):
                log.info("[retention] waits: no run of the week before yesterday shows that the clock is right")
            policy_of = self._settings.retention if trusted else purge.no_policy
            proof = purge.purge(self._store, policy_of, now, account=purge.account())
        except SyncdError as problem:
            log.error("purge failed", error=str(problem))
            return
        for gone in proof.sources:
            log.info("purged", source=gone.source, counts=gone.counts)
        if proof.wiped is False:
            log.warning("purged, but the file could not be rewritten: it is tried again tomorrow")
        if proof.busy and not self._stop.is_set():
            self._scheduler.add_job(self._purge, "date", run_date=datetime.now(UTC) + PURGE_AGAIN, id=":purge-again", replace_existing=True)

    def _pull(self, name: str, mode: Mode) -> None:
        source = self._sources.get(name)
        if source is None or self._stop.is_set():
            return
        # Without full pulls of their own, nothing else would catch what changes do not tell.
        if source.common.full is None or name in self._owed:
            mode = Mode.FULL
        try:
            pulls = runs.latest_pulls(self._store, name)
            seen = breaker.suspicion(pulls, datetime.now(UTC))
        except SyncdError as problem:
            log.error("run could not start", source=name, error=str(problem))
            return
        if seen.until is not None:
            self._leave_alone(name, mode, seen, seen.until)
        elif places.is_long(pulls, mode):
            self._long.pull(name, mode, lambda: self._run(source, mode, seen))
        else:
            self._run(source, mode, seen)

    def _leave_alone(self, name: str, mode: Mode, seen: breaker.Suspicion, until: datetime) -> None:
        """Try again when the time is over, which may be long before the schedule's next; with all that was left out."""
        breaker.tell(name, seen)
        if mode == Mode.FULL:
            self._owed.add(name)
        self._scheduler.add_job(
            self._pull, "date", run_date=until, args=[name, Mode.INCREMENTAL], id=f"{name}:again", replace_existing=True
        )

    def _run(self, source: Source, mode: Mode, seen: breaker.Suspicion) -> None:
        try:
            order = Order.of(source, mode=mode, trigger=Trigger.SCHEDULE, today=self._settings.today())
            with self._suspects if seen.crashes else nullcontext():
                if not self._stop.is_set():
                    report = run(self._store, order, Context(source.name, stop=self._stop))
                    if source.name in self._owed and report.state in runs.DONE:
                        self._owed.discard(source.name)
        except AlreadyRunning:
            log.info("left out, a run is going on", source=source.name)
        except Outdated as problem:
            self._outdated = problem
        except SyncdError as problem:
            log.error("run could not start", source=source.name, error=str(problem))


def _ahead() -> float:
    """Seconds by which the clock is ahead of the one that never jumps."""
    return time.time() - time.monotonic()
