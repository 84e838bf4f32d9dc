"""The text that Prometheus reads. Labels are sources, kinds and words of ours: nothing of a person, and no text of an error."""

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from syncd.metrics import counters, gauges
from syncd.settings.file import Settings
from syncd.store import Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(store: Store, settings: Settings) -> bytes:
    """All metrics, as of now, in the text format (CONTENT_TYPE). Raises StoreError.

    It reads running totals and, of each source, a few runs from the end of an index: how many runs there ever were does not matter.
    """
    registry = CollectorRegistry()
    registry.register(_OfTheStore(store, settings))
    return generate_latest(registry)


class _OfTheStore(Collector):
    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings

    def describe(self) -> Iterator[Metric]:
        """Nothing beforehand: nobody else registers anything here."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        now = datetime.now(UTC)
        yield from counters.of(self._store)
        yield from gauges.of_sources(self._store, self._settings, now)
        yield from gauges.of_the_whole(self._store, self._settings, now)
