"""The phases of syncd that are measured, one after the other on one store, and what each must have found.

A run that did not do exactly what the district's author knows is no measure of anything: then the bench ends.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench import district
from bench.child import measured
from bench.server import Served
from bench.stores import TITLES, Stores

# In this order: which version of the district, and whether all of it is asked for. Each version is the day after the one before.
PHASES = {
    "first": ("same", "full"),
    "unchanged": ("same", "full"),
    "poll": ("same", "incremental"),
    "shifted": ("shifted", "full"),
    "changed": ("changed", "full"),
}
QUIET = ("unchanged", "poll")
MOST_FAULTS = 5


@dataclass
class Taken:
    """What the passes took, one figure a pass: seconds, seconds of the processor (of the database's none) and peak MiB by phase or floor
    (D, F), seconds by phase and step. poll: how often it asked for each list."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    peaks: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    steps: dict[str, list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))
    poll: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, found: dict[str, Any]) -> None:
        self.seconds[what].append(found["seconds"])
        self.cpu[what].append(found["cpu"])

    def peak(self, phases: Iterable[str] = PHASES) -> float:
        return max(max(self.peaks[phase]) for phase in phases)


def floors(served: Served, stores: Stores, kind: str, taken: Taken) -> None:
    """Time D and F. D is short: the median of three counts as one."""
    served.serve("same")
    three = [measured("bench.floor", url=served.url) for _ in range(3)]
    taken.add("D", {name: median(one[name] for one in three) for name in ("seconds", "cpu")})
    bare = stores.fresh(kind)
    taken.add("F", measured("bench.floor", url=served.url, store=bare))
    stores.drop(bare)


def syncd(served: Served, stores: Stores, kind: str, taken: Taken, phases: Iterable[str] = PHASES) -> None:
    """Time the phases once, beginning with an empty store. Raises SystemExit when one did not do what it should."""
    url = stores.fresh(kind)
    for phase in phases:
        before = stores.rows_written(url) if kind == "postgresql" else 0
        found = pull(served, url, phase)
        written = stores.rows_written(url) - before if kind == "postgresql" else None
        check(found, phase, district.expected(served.root, PHASES[phase][0], first=phase == "first"), written)
        taken.add(phase, found)
        taken.peaks[phase].append(found["peak"])
        taken.steps[phase].append(found["steps"])
        if phase == "poll":
            taken.poll = found["asked"]
        tell(f"{TITLES[kind]} {phase}", found)
    stores.drop(url)


def pull(served: Served, url: str, phase: str) -> dict[str, Any]:
    """One phase, once: its report, its cost, and what the provider was asked."""
    version, mode = PHASES[phase]
    served.serve(version)
    served.asked()
    found = measured("bench.phase", url=served.url, store=url, mode=mode)
    return found | {"asked": served.asked()}


def check(found: dict[str, Any], phase: str, expected: dict[str, dict[str, int]], written: int | None) -> None:
    """Raises SystemExit unless the run did what it should. written: rows of the roster that PostgreSQL saw written, if it was there."""
    if found["state"] != "applied" or found["doubts"] or found["mode"] != PHASES[phase][1]:
        raise SystemExit(f"{phase}: the run is {found['state']} ({found['mode']}): {found['error']} {found['doubts']} {found['held']}")
    for kind, wanted in expected.items():
        counts = {name: found["counts"][kind][name] for name in wanted}
        if counts != wanted:
            raise SystemExit(f"{phase}: {kind} are {counts}, and should be {wanted}")
    if sum(found["quality"].values()) > MOST_FAULTS:
        raise SystemExit(f"{phase}: the pretend district has faults of its own: {found['quality']}")
    if phase in QUIET and (found["touched"] or written):
        raise SystemExit(f"{phase}: {found['touched']} records or changes ({written} rows) were written, although nothing had changed")
    if phase not in QUIET and written == 0:
        raise SystemExit(f"{phase}: PostgreSQL saw no row written, so that it can not tell for the other phases either")


def tell(what: str, found: dict[str, Any]) -> None:
    """A line on what was just measured."""
    print(f"  {what}: {found['seconds']:.2f} s, CPU {found['cpu']:.2f} s, {found['peak']:.0f} MiB", flush=True)
