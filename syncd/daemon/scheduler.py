"""When each source is pulled: APScheduler in this process, a few threads, never two runs of one source at once."""

import threading
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import structlog

from syncd.contract.connector import Context
from syncd.daemon import breaker, places
from syncd.daemon.service import Service
from syncd.errors import AlreadyRunning, Outdated, SyncdError
from syncd.report import Mode, Trigger
from syncd.settings.file import Settings
from syncd.settings.source import Source
from syncd.store import Store, runs
from syncd.sync.run import Order, run

log = structlog.get_logger()


class Scheduler(Service):
    """The schedules of all enabled sources."""

    def __init__(self, store: Store, settings: Settings) -> None:
        # Runs that may end the process go one by one, so that none of them takes the blame for another.
        self._suspects = threading.Lock()
        self._long = places.LongPulls(settings.workers)
        # Sources whose full pull fell into a time in which they were left alone.
        self._owed: set[str] = set()
        super().__init__(store, settings, settings.workers)

    def _schedule(self) -> None:
        for name, source in self._sources.items():
            common = source.common
            self._scheduler.add_job(
                self._pull, common.schedule.trigger(self._settings.timezone), args=[name, Mode.INCREMENTAL], id=f"{name}:schedule",
                **({"next_run_time": datetime.now(UTC)} if self._is_due(source) else {}),
            )  # fmt: skip
            if common.full is not None:
                full = common.full.trigger(self._settings.timezone)
                self._scheduler.add_job(self._pull, full, args=[name, Mode.FULL], id=f"{name}:full")
            log.info("source scheduled", source=name, connector=common.connector, schedule=common.schedule.text)

    def _is_due(self, source: Source) -> bool:
        """Whether to pull at once: after a start, a source that was not synced for an interval goes on by itself."""
        last = runs.last_good(self._store, source.name)
        if last is None:
            return True
        seconds = source.common.schedule.seconds
        return seconds is not None and datetime.now(UTC) - last.started_at >= timedelta(seconds=seconds)

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
                    report = self._latest = run(self._store, order, Context(source.name, stop=self._stop))
                    if source.name in self._owed and report.state in runs.DONE:
                        self._owed.discard(source.name)
        except AlreadyRunning:
            log.info("left out, a run is going on", source=source.name)
        except Outdated as problem:
            self._outdated = problem
        except SyncdError as problem:
            log.error("run could not start", source=source.name, error=str(problem))
