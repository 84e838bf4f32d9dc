"""How things stand at this moment: each configured source, the daemon, the queue, what is to be sent, the store."""

import platform
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from syncd import __version__
from syncd.daemon.breaker import suspicion
from syncd.report import Mode
from syncd.settings.file import Settings
from syncd.store import Store, deliveries, due, looks, members, runs, standing
from syncd.store.deliveries import Channel, Delivered
from syncd.store.standing import Standing

# Looks that a scheduler may miss before it counts as down.
MISSED = 6


def of_sources(store: Store, settings: Settings, at: datetime) -> Iterator[Metric]:
    """Of each configured source. A time is 0 where there was none yet, so that an age is told of those too."""
    stands, whole = standing.of_all(store), standing.last_good(store, Mode.FULL)
    held = Counter[str]()
    since: dict[str, datetime] = {}
    for report in runs.held_now(store):
        held[report.source] += 1
        since.setdefault(report.source, report.finished_at or report.started_at)
    enabled = _gauge("syncd_source_enabled", "Whether the daemon pulls the source.")
    good = _gauge("syncd_last_good_pull_timestamp_seconds", "When the last pull of the source came to a good end.")
    took = _gauge("syncd_last_good_pull_duration_seconds", "How long that took.")
    proved = _gauge("syncd_last_good_full_pull_timestamp_seconds", "When the last full pull of the source came to a good end.")
    failures = _gauge("syncd_consecutive_failures", "Pulls of the source that failed in a row, the latest among them.")
    alone = _gauge("syncd_source_left_alone", "Whether the daemon leaves the source alone for a while, for what its last runs did.")
    waiting = _gauge("syncd_held_runs", "Runs of the source that hold something for a person.")
    waits = _gauge("syncd_held_since_timestamp_seconds", "Since when the oldest of them waits.")
    seen = GaugeMetricFamily("syncd_last_full_pull_records", "Records that the last full pull brought.", labels=("source", "kind"))
    unused = GaugeMetricFamily("syncd_quarantined_records", "Records of the last full pull that could not be used.", labels=("source",))
    for name, source in settings.sources.items():
        stand = stands.get(name, Standing(None, []))
        enabled.add_metric((name,), source.common.enabled)
        good.add_metric((name,), _seconds(stand.good and stand.good.finished_at))
        if stand.good:
            took.add_metric((name,), (stand.good.finished_at - stand.good.started_at).total_seconds())
        proved.add_metric((name,), _seconds(whole[name].finished_at if name in whole else None))
        failures.add_metric((name,), len(stand.failures))
        alone.add_metric((name,), suspicion(stand.since, at, source.changed_at).until is not None)
        waiting.add_metric((name,), held[name])
        waits.add_metric((name,), _seconds(since.get(name)))
        if name in whole:
            counts = whole[name].counts
            unused.add_metric((name,), sum(each.quarantined for each in counts.values()))
            for kind, each in counts.items():
                seen.add_metric((name, kind), each.seen)
    yield from (enabled, good, took, proved, failures, alone, waiting, waits, seen, unused)


def of_the_whole(store: Store, settings: Settings, at: datetime) -> Iterator[Metric]:
    """Of the store, and of who works on it."""
    yield InfoMetricFamily(
        "syncd_build",
        "What runs here.",
        {"version": __version__, "python": platform.python_version(), "store": store.engine.dialect.name},
    )
    yield GaugeMetricFamily("syncd_store_bytes", "How large the store is.", value=store.where()["bytes"])
    looked = looks.last(store, looks.SCHEDULE)
    up = looked is not None and (at - looked).total_seconds() < MISSED * looks.EVERY
    yield GaugeMetricFamily("syncd_scheduler_up", "Whether a daemon looks after what is due.", value=up)
    yield GaugeMetricFamily("syncd_scheduler_last_look_timestamp_seconds", "When one last did.", value=_seconds(looked))
    outgoing = GaugeMetricFamily(
        "syncd_deliveries", "Notices and reports that have not arrived, by where they stand.", labels=("channel", "state")
    )
    counts = deliveries.counts(store)
    for channel in Channel:
        for state in (Delivered.WAITING, Delivered.DEAD):
            outgoing.add_metric((channel, state), counts.get((channel, state), 0))
    yield outgoing
    yield from _of_the_queue(store, settings)


def _of_the_queue(store: Store, settings: Settings) -> Iterator[Metric]:
    """Where several machines share the store; else there is no such number."""
    waiting = GaugeMetricFamily("syncd_queue_waiting", "Sources that are due and wait for a worker.")
    oldest = GaugeMetricFamily("syncd_queue_oldest_wait_seconds", "For how long the first of them has.")
    running = GaugeMetricFamily("syncd_queue_running", "Sources that are being pulled.")
    living = GaugeMetricFamily("syncd_members", "Processes that share the store, by what they do.", labels=("role",))
    if settings.cluster.enabled:
        found = due.waiting(store, [name for name, source in settings.sources.items() if source.common.enabled])
        roles = Counter(member.role for member in members.alive(store))
        waiting.add_metric((), found.waiting)
        oldest.add_metric((), max(found.oldest or 0.0, 0.0))
        running.add_metric((), found.running)
        for role in (members.SERVE, members.WORKER):
            living.add_metric((role,), roles[role])
    yield from (waiting, oldest, running, living)


def _gauge(name: str, told: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, told, labels=("source",))


def _seconds(time: datetime | None) -> float:
    return time.timestamp() if time else 0.0
