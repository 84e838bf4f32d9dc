"""syncd beside others that do part of its job: dlt, and a script with an ORM."""

from collections import defaultdict
from statistics import median

from bench import district, pulls
from bench.child import measured
from bench.measures import Measure, times
from bench.pulls import PHASES, Taken
from bench.server import Served
from bench.stores import TITLES, Stores

COMPARED = ("first", "unchanged", "changed")
DLT = {"first": 3.0, "unchanged": 40.0, "changed": 8.0}
ORM = 10.0
ORM_SCALE = 0.02


def dlt(served: Served, stores: Stores, syncd: Taken, passes: int, *, arrow: bool) -> list[Measure]:
    """dlt's merge into PostgreSQL against syncd's own passes on PostgreSQL, over the same pages. arrow: see `peer_dlt`."""
    name = "dlt with Arrow" if arrow else "dlt"
    seconds: dict[str, list[float]] = defaultdict(list)
    most, kept, gone = 0.0, 0, 0
    for number in range(passes):
        url = stores.fresh("postgresql")
        for phase in COMPARED:
            version = PHASES[phase][0]
            served.serve(version)
            folder = str(stores.folder / f"{name}-{number}")
            found = measured("bench.peer_dlt", whole_tree=True, url=served.url, store=stores.with_password(url), folder=folder, arrow=arrow)
            seconds[phase].append(found["seconds"])
            most = max(most, found["peak"])
            pulls.tell(f"{name} {phase}", found)
        # What it holds that the provider does not have any more.
        gone = sum(counts["deactivated"] for counts in district.expected(served.root, "changed").values())
        kept = sum(found["held"].values()) - sum(district.totals(served.root, "changed").values())
        stores.drop(url)
    rows = [times(f"{name}, {phase}", seconds[phase], [median(syncd.seconds[phase])] * passes, name, DLT[phase]) for phase in COMPARED]
    peak = syncd.peak(COMPARED)
    memory = f"{peak:.0f} MiB, {name} {most:.0f} MiB"
    rows.append(Measure(f"{name}, peak memory", "≥ 4 ×", memory, f"{most / peak:.1f} ×", most >= 4 * peak, passes))
    told = f"of {gone:,} records that are gone it keeps {kept:,}, as if they were there"
    rows.append(Measure(f"{name}, what it deactivates", "nothing", told, "", kept == gone, passes))
    return rows


def orm(served: Served, stores: Stores, kinds: tuple[str, ...], passes: int) -> list[Measure]:
    """A script that merges record by record against syncd, over the pages of a small district."""
    rows = []
    for kind in kinds:
        seconds: dict[str, list[float]] = defaultdict(list)
        syncd = Taken()
        for _ in range(passes):
            url = stores.fresh(kind)
            for phase in COMPARED:
                served.serve(PHASES[phase][0])
                found = measured("bench.peer_orm", url=served.url, store=url)
                seconds[phase].append(found["seconds"])
                pulls.tell(f"ORM script on {TITLES[kind]}, {phase}", found)
            stores.drop(url)
            pulls.syncd(served, stores, kind, syncd)
        rows += [times(f"ORM script, {phase}, {TITLES[kind]}", seconds[phase], syncd.seconds[phase], "script", ORM) for phase in COMPARED]
    return rows
