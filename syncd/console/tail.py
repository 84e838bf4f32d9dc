"""Runs as they go: one look at the store for all who watch, however many they are."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool

from syncd.errors import SyncdError
from syncd.report import State
from syncd.store import Store
from syncd.view import lines

log = structlog.get_logger()

# Seconds between two looks: as often as runs write.
EVERY = 0.5
# Looks after which a watcher is sent a sign of life, so that a proxy between does not take the line for dead.
SIGN = 30
# Looks that a run is followed after its end.
FOLLOWED = 6
# What a watcher may be behind before it is let go: it reads too slowly, and its browser asks again.
BEHIND = 2_000
# Watchers at once.
MOST = 1_000

Event = tuple[str, dict[str, Any]]
ALIVE: Event = ("alive", {})


class TooMany(SyncdError):
    """So many watch already that another is not served."""


class Tail:
    """Looks while somebody watches, and tells all of them. Belongs to one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watchers: set[asyncio.Queue[Event | None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._looks = 0

    def has_room(self) -> None:
        """Raises TooMany."""
        if len(self._watchers) >= MOST:
            raise TooMany("too many watch already.", advice="Try again later.")

    async def watch(self) -> AsyncIterator[Event]:
        """What happens from now on: ("line", a log line), ("run", where a run stands) and ("alive", {}), which comes first: nothing that
        happens after it is missed."""
        mine: asyncio.Queue[Event | None] = asyncio.Queue(BEHIND)
        self._watchers.add(mine)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        elif self._looks:
            mine.put_nowait(ALIVE)
        try:
            while (event := await mine.get()) is not None:
                yield event
        finally:
            self._watchers.discard(mine)

    def close(self) -> None:
        """Let all watchers go."""
        for watcher in tuple(self._watchers):
            self._let_go(watcher)

    async def _look(self) -> None:
        going, self._looks = _Going(self._store), 0
        while self._watchers:
            try:
                for event in await run_in_threadpool(going.news):
                    self._tell(event)
            except SyncdError as problem:
                log.error("could not look for news", error=str(problem))
            if self._looks % SIGN == 0:
                self._tell(ALIVE)
            self._looks += 1
            await asyncio.sleep(EVERY)

    def _tell(self, event: Event) -> None:
        for watcher in tuple(self._watchers):
            try:
                watcher.put_nowait(event)
            except asyncio.QueueFull:
                self._let_go(watcher)

    def _let_go(self, watcher: asyncio.Queue[Event | None]) -> None:
        self._watchers.discard(watcher)
        while not watcher.empty():
            watcher.get_nowait()
        watcher.put_nowait(None)


class _Going:
    """The runs that go on, and what was told of each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._newest: int | None = None
        self._seen: dict[int, int] = {}
        self._told: dict[int, dict[str, Any]] = {}
        # How many looks a run is still followed that has ended: the last of its lines are written behind its end.
        self._left: dict[int, int] = {}

    def news(self) -> list[Event]:
        if self._newest is None:
            self._newest = lines.newest_run(self._store)
        now = lines.going_on(self._store, self._newest, list(self._left))
        events: list[Event] = []
        for run in now.keys() - self._seen.keys():
            # Of a run that was going on before, whoever watches has the lines that are there by now.
            self._seen[run] = 0 if run > self._newest else lines.last_seq(self._store, run)
        for line in lines.since(self._store, {run: self._seen[run] for run in now}) if now else ():
            self._seen[line.run] = line.seq
            events.append(("line", line.model_dump(mode="json")))
        for run, stands in now.items():
            if self._told.get(run) != stands:
                self._told[run] = stands
                events.append(("run", {"run": run, **stands}))
            self._left[run] = FOLLOWED if stands["state"] == State.RUNNING else self._left.get(run, FOLLOWED) - 1
            if not self._left[run]:
                for kept in (self._left, self._told, self._seen):
                    kept.pop(run, None)
        self._newest = max([self._newest, *now])
        return events
