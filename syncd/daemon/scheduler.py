"""When each source is pulled, and what people ask for beside: APScheduler in this process, a few threads, never two runs of one source at
once.

What is asked of a source alone takes a place as its own pulls do. Answers, to approve or undo, ask nobody: they have threads of their own,
so that they wait for no pull of another source.
"""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor

from syncd.contract.connector import Context
from syncd.daemon import breaker, places
from syncd.daemon.orders import carry_out, is_long
from syncd.daemon.service import ORDER, Service
from syncd.errors import AlreadyRunning, Outdated, SyncdError
from syncd.order import OrderReport, OrderState, What
from syncd.report import Mode, Trigger
from syncd.settings.file import Settings
from syncd.settings.source import Source
from syncd.store import Store, due, lease, members, orders, pause, runs
from syncd.sync.run import Order, run

log = structlog.get_logger()

# How many answers are applied at once.
ANSWERS = 2


class Scheduler(Service):
    """The schedules of all enabled sources, and the orders of all."""

    def __init__(self, store: Store, settings: Settings) -> None:
        # Orders are taken in this name, which no other process has.
        self._name = members.new_name()
        # Orders that a thread is at, or has before it.
        self._at_work: set[int] = set()
        # Runs that may end the process go one by one, so that none of them takes the blame for another.
        self._suspects = threading.Lock()
        self._long = places.LongPulls(settings.workers)
        # Sources whose full pull fell into a time in which they were left alone or paused, another run went on, or nobody was there.
        self._owed: set[str] = set()
        self._paused: set[str] = set()
        # What was told of the next times; None: nothing yet.
        self._told: dict[str, due.Times] | None = None
        super().__init__(store, settings, settings.workers)
        self._scheduler.add_executor(ThreadPoolExecutor(ANSWERS), "answers")

    def _schedule(self, changed: list[Source]) -> None:
        for source in changed:
            name, common = source.name, source.common
            if self._is_owed(source):
                self._owed.add(name)
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

    def _is_owed(self, source: Source) -> bool:
        """Whether a full pull has fallen due since the last one."""
        last, full = runs.last_whole(self._store, source.name), source.common.full
        if last is None or full is None:
            return False
        return full.next(last.started_at, last.started_at, self._settings.timezone) <= datetime.now(UTC)

    def _pull(self, name: str, mode: Mode) -> None:
        source = self._sources.get(name)
        if source is None or self._stop.is_set():
            return
        # Without full pulls of their own, nothing else would catch what changes do not tell.
        if source.common.full is None or name in self._owed:
            mode = Mode.FULL
        try:
            pulls = runs.latest_pulls(self._store, name)
            seen = breaker.suspicion(pulls, datetime.now(UTC), source.changed_at)
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
        self._pull_at(name, until)

    def _pull_at(self, name: str, at: datetime) -> None:
        """Pull a source, beside its schedule."""
        args = [name, Mode.INCREMENTAL]
        self._scheduler.add_job(self._pull, "date", run_date=at, args=args, id=f"{name}:again", replace_existing=True)

    def _run(self, source: Source, mode: Mode, seen: breaker.Suspicion) -> None:
        def do() -> None:
            with self._store.read() as connection:
                paused = source.name in pause.paused(connection)
            if paused:
                log.info("left out, it is paused", source=source.name)
                return
            order = Order.of(source, mode=mode, trigger=Trigger.SCHEDULE, today=self._settings.today())
            try:
                report = self._latest = run(self._store, order, Context(source.name, stop=self._stop))
            except AlreadyRunning:
                if mode == Mode.FULL:
                    # What goes on may be about one school only: the next pull makes up for it.
                    self._owed.add(source.name)
                raise
            if source.name in self._owed and report.state in runs.DONE:
                self._owed.discard(source.name)

        self._do(source.name, seen, do)

    def _do(self, source: str, seen: breaker.Suspicion, do: Callable[[], None]) -> None:
        """Do what may end in a run, unless the service is to stop."""
        try:
            with self._suspects if seen.crashes else nullcontext():
                if not self._stop.is_set():
                    do()
        except AlreadyRunning:
            log.info("left out, a run is going on", source=source)
        except Outdated as problem:
            self._outdated = problem
        except SyncdError as problem:
            log.error("run could not start", source=source, error=str(problem))

    # ── what people ask for ──────────────────────────────────────────────────────────────────────────

    def look(self) -> None:
        with self._store.read() as connection:
            found, paused = orders.open_ones(connection), set(pause.paused(connection))
        if any(order.state == OrderState.RUNNING and order.id not in self._at_work for order in found):
            self._clear_up()
        for order in orders.following(found):
            if order.id not in self._at_work and not self._refused(order) and not lease.is_held(self._store, order.source):
                self._begin(order)
        for name in self._paused - paused:
            self._go_on(name)
        self._paused = paused
        self._tell_times()

    def _clear_up(self) -> None:
        """Of what is taken nobody is at: a daemon that is no more had taken it, or what became of it could not be told."""
        with self._store.write() as connection:
            orders.give_back_of_others(connection, self._name)
            orders.give_back(connection, self._name, but=self._at_work)

    def _begin(self, order: OrderReport) -> None:
        pulls = runs.latest_pulls(self._store, order.source)
        seen, long = breaker.suspicion(pulls, datetime.now(UTC)), is_long(order, pulls)
        executor = "default" if order.what == What.SYNC else "answers"
        self._at_work.add(order.id)
        self._scheduler.add_job(
            self._carry_out, args=[order, seen, long], id=f"{ORDER}{order.id}", executor=executor, replace_existing=True
        )

    def _carry_out(self, order: OrderReport, seen: breaker.Suspicion, long: bool) -> None:
        context = Context(order.source, stop=self._stop)

        def do() -> None:
            try:
                self._do(order.source, seen, lambda: carry_out(self._store, self._settings, order.id, self._name, context))
            finally:
                self._at_work.discard(order.id)

        if long:
            self._long.pull(order.source, Mode(order.options.mode), do, order.id)
        else:
            do()

    def _go_on(self, name: str) -> None:
        """A source that was paused is pulled now, wholly if a full pull has fallen due meanwhile."""
        source = self._sources.get(name)
        if source is None:
            return
        if self._is_owed(source):
            self._owed.add(name)
        self._pull_at(name, datetime.now(UTC))
        # Whoever resumed it has told another time.
        if self._told:
            self._told.pop(name, None)

    def _tell_times(self) -> None:
        """Tell others when sources are pulled next, where that has changed."""
        now, told = self._times(), self._told or {}
        changed = {name: times for name in now | told if (times := now.get(name)) != told.get(name)}
        if changed or self._told is None:
            with self._store.write() as connection:
                due.publish(connection, changed, alone=self._told is None)
            self._told = now

    def _times(self) -> dict[str, due.Times]:
        jobs = {job.id: job.next_run_time for job in self._scheduler.get_jobs()}
        found = {}
        for name, source in self._sources.items():
            pulls = [at for kind in ("schedule", "again") if (at := jobs.get(f"{name}:{kind}")) is not None]
            if name in self._paused and self._told and name in self._told:
                # What falls due meanwhile stays so, also for those who go by what is told.
                found[name] = self._told[name]
            elif pulls:
                full_at = jobs.get(f"{name}:full")
                found[name] = due.Times(source.rhythm(self._settings.timezone), min(pulls), full_at)
        return found
