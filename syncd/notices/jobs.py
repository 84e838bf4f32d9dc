"""What a daemon does by the clock so that people and programs are told. Of several machines at one store one does it at a time."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import msgspec
import structlog

from syncd.errors import Outdated, StoreError, SyncdError
from syncd.notices import people, telling, text, webhooks
from syncd.notices.rules import facts
from syncd.settings.file import Settings
from syncd.settings.notices import NoticeSettings
from syncd.store import Store, deliveries, looks, migrations, notices
from syncd.store.deliveries import Channel
from syncd.store.notices import Kept, Key

log = structlog.get_logger()

# Seconds between two looks at what people should know, at what is due for a program, and at what is over.
PEOPLE, PROGRAMS = looks.EVERY, 5
CLEARED = 3600
# After a start, for so long nobody is told that a source was not synced: it is made up for.
SETTLING = timedelta(minutes=10)


class _Busy(SyncdError):
    """Another process is at it."""


class Jobs:
    """Each method is one job; none raises a StoreError, and none takes long but by what it waits for. stop: set when the daemon ends."""

    def __init__(self, store: Store, stop: threading.Event) -> None:
        self._store, self._stop = store, stop
        self._people = people.People(stop)
        self._began = datetime.now(UTC)

    def look(self) -> None:
        """Say that the scheduler lives."""
        self._do(lambda: looks.note(self._store, looks.SCHEDULE, datetime.now(UTC)), "the store could not be told that this daemon lives")

    def clear(self) -> None:
        """Forget what was sent long ago."""
        self._do(lambda: deliveries.clear(self._store, datetime.now(UTC)), "old deliveries could not be cleared away")

    def tell_people(self, settings: Settings) -> None:
        """See what people are to know, and tell them."""
        addresses = people.addresses(settings)

        def job() -> None:
            now = datetime.now(UTC)
            see_to(self._store, settings, now, settled=not timedelta() <= now - self._began < SETTLING)
            self._people.send(self._store, addresses)

        if addresses:
            self._do(job, "notices could not be seen to; it is tried again", alone="-notices")

    def tell_programs(self, settings: Settings) -> None:
        """See which runs have ended, and post their reports."""

        def job() -> None:
            webhooks.see_to_runs(self._store, settings.webhooks, datetime.now(UTC))
            webhooks.send(self._store, settings.webhooks, self._stop)

        self._do(job, "webhooks could not be seen to; it is tried again", alone="-webhooks")

    def _do(self, job: Callable[[], object], otherwise: str, *, alone: str | None = None) -> None:
        """Do a job, unless a newer syncd has upgraded the store, or another process is at what is to be done alone (no source has such a
        name). otherwise: what to log when the store fails."""
        try:
            with self._store.read() as connection:
                migrations.refuse_newer(connection)
            with self._store.locked(alone, lambda _process: _Busy("")) if alone else nullcontext():
                job()
        except (_Busy, Outdated):
            return
        except StoreError as problem:
            if not self._stop.is_set():
                log.error(otherwise, error=str(problem))


def see_to(store: Store, settings: Settings, at: datetime, *, settled: bool = True) -> None:
    """Write down what is so, and have told what is new of it, to those whom it concerns."""
    found = facts(store, settings, at, settled=settled)
    policies: dict[str, NoticeSettings] = {name: settings.notices(name) for name in settings.sources} | {"": settings.notices()}
    with store.write() as connection:
        kept = notices.kept(connection)
        changed: dict[Key, Kept] = {}
        gone = {key for key in kept if key.source not in policies or not policies[key.source].to}
        for places in {policy.places for policy in policies.values()} - {()}:
            mine = {name for name, policy in policies.items() if policy.places == places}
            told = telling.tell(
                [fact for fact in found if fact.key.source in mine],
                {key: row for key, row in kept.items() if key.source in mine},
                policies.__getitem__,
                at,
            )
            changed |= told.changed
            gone |= told.gone
            deliveries.introduce(connection, Channel.NOTICE, places, at)
            for notice in told.notices:
                body = msgspec.json.encode(text.message(notice, console=settings.console.url)).decode()
                for place in places:
                    deliveries.add(connection, Channel.NOTICE, place, source="", about=notice.what, body=body, at=at)
        if changed or gone:
            notices.keep(connection, changed, gone)
