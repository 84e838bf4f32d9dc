"""`syncd serve` where several machines share the store: it looks for what is due or asked for, rings for it, and clears up after the dead.

Any number of them may run. Each tick is complete in itself and remembers nothing: what one of them has locked, the others leave alone; what
one of them did not live to do, another does at its next tick. For what people ask for it looks between the ticks, too.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import Connection, Row

from syncd.daemon import breaker, places, queue
from syncd.daemon.cluster import Membership
from syncd.daemon.orders import is_long
from syncd.daemon.service import Service
from syncd.errors import Outdated, SyncdError
from syncd.order import OrderReport, What
from syncd.report import Mode
from syncd.settings.file import Settings
from syncd.settings.source import Source
from syncd.store import due, lease, members, migrations, orders, runs

log = structlog.get_logger()

# Sources that one transaction rings for: their rows are locked meanwhile.
BATCH = 100
# Seconds after which a look counts as hung: one at a database that does not answer takes a minute or two.
HUNG = 300


class Dispatcher(Service):
    """Rings for all enabled sources, by the database's clock."""

    def __init__(self, membership: Membership, settings: Settings) -> None:
        self._member = membership
        self._bell = queue.Bell()
        self._planned: dict[str, Source] | None = None
        # When orders were rung for: one that nobody took then is rung for again a tick later.
        self._rung: dict[int, float] = {}
        self._looked = time.monotonic()
        # The purge must not keep a tick waiting.
        super().__init__(membership.store, settings, threads=2)

    def _schedule(self, changed: list[Source]) -> None:
        every = IntervalTrigger(seconds=self._settings.cluster.tick)
        self._scheduler.add_job(self._tick, every, id=":tick", next_run_time=datetime.now(UTC), replace_existing=True)
        log.info("sources scheduled", count=len(self._sources))

    def _tick(self) -> None:
        if self._stop.is_set():
            return
        try:
            self.tick()
        except Outdated as problem:
            self._outdated = problem
        except SyncdError as problem:
            log.error("could not look for what is due; it is tried again", error=str(problem))
        finally:
            self._looked = time.monotonic()

    def _hung(self) -> str | None:
        late = time.monotonic() - self._looked > self._settings.cluster.tick + HUNG
        return super()._hung() or ("look for what is due" if late else None)

    def tick(self) -> None:
        """Look once. Raises StoreError, and Outdated when a newer syncd has upgraded the store."""
        # A new configuration may come while this goes on: what is planned is what was looked at, and not what holds by now.
        sources = self._sources
        self._member.hold_on()
        with self._store.write() as connection:
            migrations.refuse_newer(connection)
            if not members.seen(connection, self._member.name):
                # Taken for dead, perhaps rightly. Unlike a worker, it carries nothing from one tick to the next.
                members.join(connection, self._member.name, members.SERVE, places=0, queue=self._member.queue)
            if self._planned is not sources:
                self._plan(connection, sources)
        self._planned = sources
        self._latest = next(iter(runs.recent(self._store, limit=1)), None)
        self._clear_up()
        last = ""
        while True:
            with self._store.write() as connection:
                rows = due.falls_due(connection, due.now(connection), last, BATCH)
                self._ring(connection, rows)
            if len(rows) < BATCH:
                return
            last = rows[-1].source

    def _plan(self, connection: Connection, sources: dict[str, Source]) -> None:
        """Once for each configuration: when sources are due that are new or have another schedule."""
        planned, now, timezone = due.planned(connection), due.now(connection), self._settings.timezone
        for name, source in sources.items():
            common, schedule = source.common, source.rhythm(timezone)
            if planned.get(name) != schedule:
                full_at = common.full.next(now, now, timezone) if common.full else None
                due.plan(connection, name, schedule, self._first(connection, source, now), full_at)

    def _first(self, connection: Connection, source: Source, now: datetime) -> datetime:
        """At once what was never pulled, or not for an interval."""
        schedule = source.common.schedule
        good = next((pull for pull in runs.latest_pulls(self._store, source.name, connection) if pull.state in runs.DONE), None)
        if good is None:
            return now
        return (
            good.started_at + timedelta(seconds=schedule.seconds) if schedule.seconds else schedule.next(now, now, self._settings.timezone)
        )

    def _clear_up(self) -> None:
        silence = self._settings.cluster.silence
        with self._store.write() as connection:
            queue.look_into(connection, self._member.queue)
            jobs: list[int] = []
            for name, listeners in members.bury(connection, silence):
                log.warning("a member is dead, its runs are done again", where=name)
                # What it had heard of and not begun, too.
                jobs += self._bell.taken_by(connection, listeners)
            jobs += due.give_back_of_the_dead(connection) + orders.give_back_of_the_dead(connection)
            jobs += self._bell.left_behind(connection, silence)
            if jobs:
                log.warning("jobs of dead workers were ended", count=self._bell.end(connection, jobs))

    def _ring(self, connection: Connection, rows: list[Row[Any]]) -> None:
        queue.look_into(connection, self._member.queue)
        # Asked for behind the lock on the rows, so that what another has just queued is seen.
        rung, now, ring = self._bell.rung(connection, [row.source for row in rows]), due.now(connection), []
        for row in rows:
            source = self._sources.get(row.source)
            if source is None:
                continue
            pull_due, full_due = row.pull_at <= now, row.full_at is not None and row.full_at <= now
            schedule, full, timezone = source.common.schedule, source.common.full, self._settings.timezone
            if row.member is not None:
                # Being pulled. A full pull that fell due meanwhile is made up for, the next frequent one is early enough.
                if pull_due:
                    due.move(connection, row.source, pull_at=schedule.next(row.pull_at, now, timezone))
                continue
            pulls = runs.latest_pulls(self._store, row.source, connection)
            seen = breaker.suspicion(pulls, now, source.changed_at)
            wanted = Mode.FULL if full_due or full is None or row.wanted == Mode.FULL else Mode.INCREMENTAL
            first = None if not pulls else row.pull_at
            times: dict[str, Any] = {"pull_at": schedule.next(first, now, timezone)} if pull_due else {}
            if full_due and full is not None:
                times["full_at"] = full.next(row.full_at, now, timezone)
            if seen.until is not None:
                self._leave_alone(connection, row, wanted, seen, times)
                continue
            if row.wanted is None:
                times["wanted_at"] = min(at for at in (row.pull_at, row.full_at) if at is not None)
            due.move(connection, row.source, wanted=wanted, **times)
            if row.source not in rung:
                ring.append((row.source, places.is_long(pulls, wanted)))
        self._bell.ring(connection, ring)

    def _leave_alone(self, connection: Connection, row: Row[Any], wanted: Mode, seen: breaker.Suspicion, times: dict[str, Any]) -> None:
        """Look again at its next time, since a run by hand may have set everything right, and when the time is over at the latest. A full
        pull that fell into it stays due."""
        breaker.tell(row.source, seen)
        again = min(times.get("pull_at", row.pull_at), seen.until)
        times = {"pull_at": again, "full_at": again} if wanted == Mode.FULL and row.full_at is not None else {"pull_at": again}
        due.move(connection, row.source, wanted=None, wanted_at=None, **times)

    # ── what people ask for ──────────────────────────────────────────────────────────────────────────

    def look(self) -> None:
        """Ring for the orders that are to be begun next, and whose source is free."""
        with self._store.read() as connection:
            found = orders.open_ones(connection)
        lately = time.monotonic() - self._settings.cluster.tick
        self._rung = {order.id: at for order in found if (at := self._rung.get(order.id, lately)) > lately}
        wanted = [order for order in orders.following(found) if order.id not in self._rung]
        free = {order.id: order for order in wanted if not self._refused(order) and not lease.is_held(self._store, order.source)}
        if free:
            with self._store.write() as connection:
                self._ring_for_orders(connection, free)

    def _ring_for_orders(self, connection: Connection, free: dict[int, OrderReport]) -> None:
        migrations.refuse_newer(connection)
        queue.look_into(connection, self._member.queue)
        waiting = orders.lock(connection, free)
        # As with sources: asked for behind the lock.
        rung, ring = self._bell.rung(connection, [queue.of_order(number) for number in waiting]), []
        for number in waiting:
            self._rung[number] = time.monotonic()
            if queue.of_order(number) not in rung:
                ring.append((number, self._queue_of(connection, free[number])))
        self._bell.ring_for_orders(connection, ring)

    def _queue_of(self, connection: Connection, order: OrderReport) -> str:
        if order.what != What.SYNC:
            return queue.ANSWERS
        return queue.LONG if is_long(order, runs.latest_pulls(self._store, order.source, connection)) else queue.QUICK
