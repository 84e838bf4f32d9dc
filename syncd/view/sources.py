"""How each source stands: its latest run, its last good one, what waits for a person, when it is pulled next."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from pydantic import BaseModel
from sqlalchemy import select

from syncd.daemon.breaker import TRIES, suspicion
from syncd.order import OrderReport
from syncd.report import RunReport, State
from syncd.settings import kept
from syncd.settings.file import Settings
from syncd.settings.source import Source
from syncd.store import Store, due, orders, pause, roster, runs, tables

# From then on a source counts as late: a school day has gone by without a sync.
LATE = timedelta(days=1)
# Runs that a trend shows.
TREND = 30


class Standing(StrEnum):
    """How a source stands, in one word; the first that holds, from what needs a person soonest."""

    RUNNING = "running"
    HELD = "waits for you"
    FAILED = "failed"
    PAUSED = "paused"
    OFF = "off"
    NEW = "never synced"
    LATE = "late"
    GOOD = "up to date"


class Progress(BaseModel):
    """Where a run stands: documents of `total` of a resource in a step; total is None when nobody knows."""

    step: str
    resource: str | None = None
    documents: int = 0
    total: int | None = None


class Rest(BaseModel):
    """Since when a source is paused, and by whose word."""

    at: datetime
    by: str


class Next(BaseModel):
    """When a source is pulled next, and when wholly. A time that has passed is due, or of a daemon that is no more."""

    pull_at: datetime
    full_at: datetime | None


class SourceState(BaseModel):
    """One source as it stands. origin: file or console. active: how many active records of each kind. doubts: why its last full pull proved
    nothing about who is gone. left_alone_until: the daemon does not pull it before, since it failed (or ended the process) so many times
    in a row. orders: what people asked for and is not done yet."""

    source: str
    connector: str
    origin: str
    standing: Standing
    enabled: bool
    schedule: str
    full: str | None
    paused: Rest | None
    next: Next | None
    latest: RunReport | None
    last_good: RunReport | None
    waiting: list[RunReport]
    doubts: list[str]
    progress: Progress | None
    active: dict[str, int]
    failures: int
    crashes: int
    left_alone_until: datetime | None
    orders: list[OrderReport]

    @property
    def left_alone_for_crashes(self) -> bool:
        return self.crashes >= TRIES


def states(store: Store, settings: Settings, names: Sequence[str] | None = None) -> list[SourceState]:
    """How these sources stand, or all that are configured."""
    now, times = datetime.now(UTC), due.next_times(store)
    with store.read() as connection:
        resting = pause.paused(connection)
    return [
        _state(store, settings, settings.source(name), now, times.get(name), resting.get(name))
        for name in (settings.sources if names is None else names)
    ]


def _state(
    store: Store,
    settings: Settings,
    source: Source,
    now: datetime,
    times: tuple[datetime, datetime | None] | None,
    rest: pause.Paused | None,
) -> SourceState:
    name, common = source.name, source.common
    latest, good, whole = runs.latest(store, name), runs.last_good(store, name), runs.last_whole(store, name)
    held = runs.waiting_for_a_person(store, name)
    seen = suspicion(runs.latest_pulls(store, name), now, source.changed_at)
    found = runs.progress(store, latest.run) if latest and latest.state == State.RUNNING else None
    pulled = times is not None and common.enabled and rest is None
    return SourceState(
        source=name,
        connector=common.connector,
        origin=kept.origin(settings, name),
        standing=_standing(common.enabled, rest, latest, good, held, now),
        enabled=common.enabled,
        schedule=common.schedule.text,
        full=common.full.text if common.full else None,
        paused=Rest(at=rest.at, by=rest.by) if rest else None,
        next=Next(pull_at=times[0], full_at=times[1]) if times and pulled else None,
        latest=latest,
        last_good=good,
        waiting=held,
        doubts=whole.doubts if whole else [],
        progress=Progress(**found) if found else None,
        active=_active(store, name, good.run if good else 0),
        failures=seen.failures,
        crashes=seen.crashes,
        left_alone_until=seen.until,
        orders=orders.waiting(store, name),
    )


def waiting(store: Store, names: Sequence[str]) -> dict[str, list[RunReport]]:
    """What waits for a person, by source, of these sources."""
    found: dict[str, list[RunReport]] = {}
    for report in runs.reports(store, select(tables.runs).where(tables.runs.c.state == State.HELD).order_by(tables.runs.c.id)):
        if report.source in names:
            found.setdefault(report.source, []).append(report)
    return found


def trend(store: Store, name: str) -> list[RunReport]:
    """The source's last runs, oldest first."""
    return runs.recent(store, name, TREND)[::-1]


@lru_cache(maxsize=4096)
def _active(store: Store, name: str, _run: int) -> dict[str, int]:
    """Only a run that applies something changes them, so that they are counted once for each."""
    return roster.active_counts(store, name)


def _standing(
    enabled: bool, rest: pause.Paused | None, latest: RunReport | None, good: RunReport | None, held: list[RunReport], now: datetime
) -> Standing:
    if latest is not None and latest.state == State.RUNNING:
        return Standing.RUNNING
    if held:
        return Standing.HELD
    if latest is not None and latest.state == State.FAILED:
        return Standing.FAILED
    if rest is not None:
        return Standing.PAUSED
    if not enabled:
        return Standing.OFF
    if good is None:
        return Standing.NEW
    return Standing.LATE if now - (good.finished_at or good.started_at) > LATE else Standing.GOOD
