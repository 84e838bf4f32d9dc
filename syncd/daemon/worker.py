"""`syncd worker`: it hears the bell, and pulls what is due, so many sources at once, on this machine; and does what people ask for.

Its places are shared as those of a single daemon are (`places.py`): one of them is for quick pulls only, and where there is no other, one
more is for answers, which wait for no pull of another source. When it is taken for dead, when a
newer syncd upgrades the store, or when it loses the queue, it stops its runs and ends with code 1, and the service manager starts it anew:
under another name, with what is installed now. What it was at is done by another.
"""

import asyncio
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import structlog
from procrastinate import App
from procrastinate.jobs import DeleteJobCondition
from procrastinate.worker import Worker as Listener

from syncd import __version__
from syncd.contract import discovery
from syncd.contract.connector import Context
from syncd.daemon import breaker, cluster, notify, places, queue
from syncd.daemon.cluster import Membership
from syncd.daemon.configuration import Configuration
from syncd.daemon.orders import carry_out
from syncd.daemon.pace import SharedPace
from syncd.errors import AlreadyRunning, DaemonRunning, Outdated, StoreError, SyncdError
from syncd.report import Mode, RunReport, Trigger
from syncd.settings.file import Settings
from syncd.store import due, members, migrations, open_store, orders, runs
from syncd.sync.run import Order, run

log = structlog.get_logger()

# Seconds between two looks into the queue, should the bell not be heard: some poolers do not pass it on.
POLL = 5.0
# Seconds after which a question to the store counts as hung: to learn that it is away takes a minute or two.
HUNG = 300


def work(path: Path, settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; a second signal ends at once.

    Raises StoreError or ConfigError when it can not start, DaemonRunning when a daemon has the store alone, SyncdError when it has to end
    and to be started anew.
    """
    cluster.require(settings)
    store = open_store(settings.store_url, kept=settings.workers)
    try:
        with cluster.member(store, settings, members.WORKER) as membership:
            for name, where in discovery.installed():
                log.info("connector installed", connector=name, where=where)
            worker = Worker(Configuration(path, settings, store), membership)
            try:
                asyncio.run(worker.run())
            finally:
                log.info("stopped")
            if worker.problem:
                raise worker.problem
    finally:
        store.close()


class Worker:
    """One worker at work. problem: why it ended by itself."""

    def __init__(self, configuration: Configuration, membership: Membership) -> None:
        self.problem: SyncdError | None = None
        self._configuration = configuration
        self._store, self._name, self._queue, self._hold_on = membership
        self._pace = SharedPace(self._store)
        self._stop = threading.Event()
        # Runs that may end the process go one by one, so that none of them takes the blame for another.
        self._suspects = threading.Lock()
        # The sources and the orders that a thread is at.
        self._at_work: set[str] = set()
        self._orders: set[int] = set()
        self._places, self._asked = sum(self._shared_out().values()), time.monotonic()
        self._latest: RunReport | None = None
        self._pool = ThreadPoolExecutor(self._places, thread_name_prefix="pull")
        self._stopping = asyncio.Event()
        self._listeners: list[Listener] = []

    @property
    def _settings(self) -> Settings:
        return self._configuration.settings

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        app = queue.listening(self._store, self._queue, self._name, self._hear, self._hear_of_order)
        async with app.open_async():
            listeners = [self._listener(app, queues, count) for queues, count in self._shared_out().items()]
            tasks = [asyncio.create_task(listener.run()) for listener in listeners]
            self._listeners = listeners
            beating, signing = asyncio.create_task(self._beat()), asyncio.create_task(self._sign())
            log.info("started", version=__version__, count=self._settings.workers, pid=os.getpid())
            ended = asyncio.create_task(self._stopping.wait())
            await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
            if not self._stopping.is_set():
                self._end(SyncdError("the queue could not be reached.", advice="The worker ends, and is to be started anew."))
            log.info("stopping")
            signing.cancel()
            notify.stopping()
            for listener in listeners:
                listener.stop()
            for problem in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(problem, Exception):
                    log.error("the queue broke off", error=type(problem.__cause__ or problem).__name__)
            beating.cancel()
        self._pool.shutdown()

    def _shared_out(self) -> dict[tuple[str, ...], int]:
        """How many places there are for which queues."""
        for_long = places.for_long(self._settings.workers)
        quick = self._settings.workers - for_long
        never_long: tuple[str, ...] = (queue.QUICK, queue.ANSWERS) if quick else (queue.ANSWERS,)
        return {(queue.QUICK, queue.LONG, queue.ANSWERS): for_long, never_long: max(quick, 1)}

    def _listener(self, app: App, queues: tuple[str, ...], count: int) -> Listener:
        return Listener(
            app,
            queues=list(queues),
            name=None,
            concurrency=count,
            fetch_job_polling_interval=min(POLL, self._settings.cluster.tick),
            delete_jobs=DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
            update_heartbeat_interval=self._settings.cluster.beat,
            stalled_worker_timeout=2 * self._settings.cluster.silence,
        )

    def _on_stop(self, number: int) -> None:
        if self._stopping.is_set():
            os._exit(128 + number)
        self._end(None)

    def _end(self, problem: SyncdError | None) -> None:
        """Stop the runs, and take no more. Called in the loop's thread."""
        if problem is not None and self.problem is None:
            self.problem = problem
        self._stop.set()
        self._stopping.set()

    def _reload(self) -> None:
        notify.reloading()
        self._configuration.reload()
        notify.ready(self._status())

    async def _beat(self) -> None:
        """Give signs of life, and end when they come too late."""
        beat = 0.5  # soon for the first time: its listeners are told with it
        while True:
            await asyncio.sleep(beat)
            beat = self._settings.cluster.beat
            try:
                await asyncio.to_thread(self._tell_that_it_lives)
            except (Outdated, DaemonRunning, _TakenForDead) as problem:
                self._end(problem)
                return
            except SyncdError as problem:
                log.error("could not give a sign of life; it is tried again", error=str(problem))
            self._asked = time.monotonic()

    async def _sign(self) -> None:
        """Give the service manager signs of life, unless something hangs: this loop gives them, a thread of the pool has answered, or all
        are at work, and the store was asked."""
        loop, answer = asyncio.get_running_loop(), None
        while True:
            if answer is None or answer.done():
                answer = loop.run_in_executor(self._pool, int)
            await asyncio.wait({answer}, timeout=notify.interval())
            hung = None
            if not answer.done() and len(self._at_work) < self._places:
                hung = "threads"
            elif time.monotonic() - self._asked > self._settings.cluster.beat + HUNG:
                hung = "store"
            if hung:
                log.error("hangs, and gives no sign of life", where=hung)
            else:
                notify.ready(self._status())
                notify.alive()
            await asyncio.sleep(notify.interval())

    def _status(self) -> str:
        enabled = sum(source.common.enabled for source in self._settings.sources.values())
        return f"{notify.status(enabled, self._latest)}; places taken: {len(self._at_work)} of {self._places}"

    def _tell_that_it_lives(self) -> None:
        self._hold_on()
        with self._store.write() as connection:
            migrations.refuse_newer(connection)
            listeners = [listener.worker_id for listener in self._listeners if listener.worker_id is not None]
            if not members.seen(connection, self._name, listeners):
                told = "this worker was silent for so long that the others took it for dead."
                raise _TakenForDead(told, advice="It ends, and is to be started anew; what it was at is done by another.")
            # What could not be given back when it ended: the store was away.
            due.give_back(connection, self._name, but=set(self._at_work))
            orders.give_back(connection, self._name, but=self._orders)

    async def _hear(self, source: str, job: int) -> None:
        loop = asyncio.get_running_loop()
        problem = await loop.run_in_executor(self._pool, self._pull, source, job)
        if problem is not None:
            self._end(problem)

    async def _hear_of_order(self, number: int, job: int) -> None:
        loop = asyncio.get_running_loop()
        problem = await loop.run_in_executor(self._pool, self._carry_out, number, job)
        if problem is not None:
            self._end(problem)

    def _pull(self, name: str, job: int) -> SyncdError | None:
        """Pull a source if there is need. Gives back why the worker has to end, if it has."""
        if self._stop.is_set():
            return None
        self._at_work.add(name)
        try:
            with self._store.write() as connection:
                mode = due.claim(connection, name, job, self._name)
            if mode is not None:
                self._run(name, mode)
                with self._store.write() as connection:
                    due.give_back(connection, self._name, source=name)
        except Outdated as problem:
            return problem
        except StoreError as problem:
            log.error("run could not start", source=name, error=str(problem))
        finally:
            self._at_work.discard(name)
        return None

    def _run(self, name: str, mode: Mode) -> None:
        # Who rang has seen it as it is now.
        self._configuration.look()
        source = self._settings.sources.get(name)
        if source is None:
            log.warning("left to another worker, this one's configuration does not have it", source=name)
            return
        pulls = runs.latest_pulls(self._store, name)
        order = Order.of(source, mode=mode, trigger=Trigger.SCHEDULE, today=self._settings.today())
        suspect = breaker.suspicion(pulls, datetime.now(UTC), source.changed_at).crashes
        try:
            with self._suspects if suspect else nullcontext():
                if not self._stop.is_set():
                    self._latest = run(self._store, order, Context(name, stop=self._stop, pace=self._pace))
        except AlreadyRunning:
            log.info("waits, a run is going on", source=name)

    def _carry_out(self, number: int, job: int) -> SyncdError | None:
        """Do what a person asked for. Gives back why the worker has to end, if it has."""
        if self._stop.is_set():
            return None
        self._orders.add(number)
        try:
            name = orders.get(self._store, number).source
            # Who asked may have set it up a moment ago.
            self._configuration.look()
            if name not in self._settings.sources:
                log.warning("left to another worker, this one's configuration does not have it", source=name)
                return None
            suspect = breaker.suspicion(runs.latest_pulls(self._store, name), datetime.now(UTC)).crashes
            with self._suspects if suspect else nullcontext():
                if not self._stop.is_set():
                    carry_out(self._store, self._settings, number, self._name, Context(name, stop=self._stop, pace=self._pace), job)
        except Outdated as problem:
            return problem
        except StoreError as problem:
            log.error("run could not start", error=str(problem))
        finally:
            self._orders.discard(number)
        return None


class _TakenForDead(SyncdError):
    """The others have ended what this worker was at."""
