"""What only ever grows: the running totals of the store (`syncd/store/tallies.py`), as counters and one histogram."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from syncd.store import Store, tallies

# {tally: (name, what it is, what its label says)}; each has its source as the first label.
COUNTERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "runs": ("syncd_runs", "Runs, by how they ended.", ("mode", "trigger", "state")),
    "changed": ("syncd_records_changed", "Records that were created, updated, reactivated or deactivated.", ("kind", "action")),
    "quarantined": ("syncd_records_quarantined", "Records that came and could not be used.", ("kind",)),
    "requests": ("syncd_requests", "Requests to a source, by the status of the answer; none: there was none.", ("status",)),
    "retries": ("syncd_retries", "Requests to a source that repeat one that failed.", ()),
    "bytes": ("syncd_received_bytes", "Bytes of answers, decoded.", ()),
}
BOUNDS = (*map(str, tallies.BELOW), tallies.LONGER)


def of(store: Store) -> Iterator[Metric]:
    """All of them, as of now."""
    found: dict[str, list[tallies.Tally]] = defaultdict(list)
    for tally in tallies.all_of(store):
        found[tally.name].append(tally)
    for name, (metric, told, labels) in COUNTERS.items():
        family = CounterMetricFamily(metric, told, labels=("source", *labels))
        for tally in found[name]:
            family.add_metric((tally.source, *tally.label.split()), tally.value)
        yield family
    yield _durations(found)


def _durations(found: dict[str, list[tallies.Tally]]) -> Metric:
    """Of all sources together: for each of thousands that would be too many lines."""
    took: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(BOUNDS, 0))
    in_all: dict[str, int] = defaultdict(int)
    for tally in found["seconds"]:
        mode, below = tally.label.split()
        took[mode][below] += tally.value
    for tally in found["milliseconds"]:
        in_all[tally.label] += tally.value
    family = HistogramMetricFamily("syncd_pull_duration_seconds", "How long pulls took that came to a good end.", labels=("mode",))
    for mode, counts in sorted(took.items()):
        bounds = (bound if bound == tallies.LONGER else str(float(bound)) for bound in BOUNDS)
        buckets = list(zip(bounds, map(float, accumulate(counts.values())), strict=True))
        family.add_metric((mode,), buckets, sum_value=in_all[mode] / 1000)
    return family
