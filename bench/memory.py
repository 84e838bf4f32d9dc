"""`make bench-memory`: whether memory grows with the district: the pulls of a large one, and of one ten times as large.

The day between `same` and `changed` is pulled too, since each version is the day after the one before.
"""

import argparse
from datetime import UTC, datetime

from bench import district, measures, pulls, server, stores
from bench.measures import Measure
from bench.pulls import Taken
from bench.stores import FOLDER, TITLES

LARGEST = 250.0  # MiB
GROWTH = 1.25
PHASES = ("first", "unchanged", "shifted", "changed")


def rows(kind: str, small: Taken, large: Taken, scales: tuple[float, float]) -> list[Measure]:
    """Each phase, on one kind of store."""
    found = []
    for phase in PHASES:
        before, after = small.peak([phase]), large.peak([phase])
        reached = after <= GROWTH * before and max(before, after) < LARGEST
        told = f"{before:.0f} MiB at {scales[0]:g}, {after:.0f} MiB at {scales[1]:g}"
        found.append(Measure(f"{phase}, {TITLES[kind]}", f"< {LARGEST:g} MiB, ≤ {GROWTH:g} ×", told, f"{after / before:.2f} ×", reached, 1))
    return found


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    options.add_argument("--scales", default="1 10", help="10: 1,000,000 users, 6,000,000 enrollments")
    options.add_argument("--stores", default="sqlite postgresql")
    given = options.parse_args()
    scales = tuple(float(scale) for scale in given.scales.split())
    kinds = tuple(given.stores.split())
    if len(scales) != 2:
        raise SystemExit("SCALES: two of them, the small one first")
    taken: dict[tuple[str, float], Taken] = {}
    with stores.running(kinds) as held:
        for scale in scales:
            print(f"a district of {district.Size.of(scale).records:,} records", flush=True)
            with server.running(district.prepared(FOLDER, scale)) as served:
                for kind in kinds:
                    taken[kind, scale] = Taken()
                    pulls.syncd(served, held, kind, taken[kind, scale], PHASES)
        about = f"{datetime.now(UTC):%Y-%m-%d}, {measures.machine(held.version(), [])}"
    found = [row for kind in kinds for row in rows(kind, taken[kind, scales[0]], taken[kind, scales[1]], (scales[0], scales[1]))]
    sizes = " and ".join(f"{district.Size.of(scale).records:,}" for scale in scales)
    told = f"{sizes} records. {about}\n\n{measures.table(found)}"
    print(told, flush=True)
    if set(kinds) == set(TITLES):
        measures.keep("memory", told)


if __name__ == "__main__":
    main()
