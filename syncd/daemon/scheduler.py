"""When each source is pulled: APScheduler in this process, a few threads, never two runs of one source at once."""

import threading
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from syncd.contract.connector import Context
from syncd.errors import AlreadyRunning, SyncdError
from syncd.report import Mode, Trigger
from syncd.settings.file import Settings
from syncd.settings.source import Source
from syncd.store import Store, runs
from syncd.sync.run import Order, run

log = structlog.get_logger()


class Scheduler:
    """The schedules of all enabled sources. `apply` may be called again with a changed configuration."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._stop = threading.Event()
        self._sources: dict[str, Source] = {}
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

    def start(self) -> None:
        self._scheduler.start()

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

    def _pull(self, name: str, mode: Mode) -> None:
        source = self._sources.get(name)
        if source is None or self._stop.is_set():
            return
        try:
            # Without full pulls of their own, nothing else would catch what changes do not tell.
            mode = mode if source.common.full is not None else Mode.FULL
            order = Order.of(source, mode=mode, trigger=Trigger.SCHEDULE, today=self._settings.today())
            run(self._store, order, Context(name, stop=self._stop))
        except AlreadyRunning:
            log.info("left out, a run is going on", source=name)
        except SyncdError as problem:
            log.error("run could not start", source=name, error=str(problem))
