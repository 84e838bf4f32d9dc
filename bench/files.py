"""`make bench-files`: the same district by a OneRoster CSV bundle and over REST: first, unchanged, and the days after.

The bundle is what syncd exports of the store that the REST pulls filled, and its floor is to unzip it and to part its rows into cells.
"""

import argparse
import csv
import io
import sys
import tempfile
import zipfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench import district, measures, pulls, server, stores
from bench.child import answer, measured, orders, timed
from bench.phase import NAME
from bench.pulls import PHASES, Taken
from bench.stores import FOLDER, TITLES
from syncd.export import oneroster
from syncd.store import open_store

DAYS = ("first", "unchanged", "shifted", "changed")


def floor(path: Path) -> int:
    """How many cells a bundle has."""
    with zipfile.ZipFile(path) as bundle:
        return sum(sum(map(len, csv.reader(io.TextIOWrapper(bundle.open(name), "utf-8", newline="")))) for name in bundle.namelist())


def step(asked: dict[str, Any]) -> None:
    """In a process of its own: write a bundle, or read it for nothing."""
    path = Path(asked["path"])
    if "store" in asked:
        store = open_store(asked["store"])
        with path.open("wb") as file:
            answer(**timed(lambda: oneroster.write(store, NAME, "1.1", file))[1], size=path.stat().st_size)
        return
    cells, cost = timed(lambda: floor(path))
    answer(**cost, cells=cells)


def taken(kind: str, scale: float, passes: int, rest: Taken, files: Taken, stack: ExitStack) -> None:
    """Both ways, pass by pass, on one kind of store."""
    held = stack.enter_context(stores.running((kind,)))
    served = stack.enter_context(server.running(district.prepared(FOLDER, scale)))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=FOLDER)))
    for _ in range(passes):
        by_rest, by_files, path = held.fresh(kind), held.fresh(kind), folder / "bundle.zip"
        table = {"connector": "oneroster-csv", "path": str(path), "still": 0}
        for day in DAYS:
            found = pulls.pull(served, by_rest, day)
            pulls.check(found, day, district.expected(served.root, PHASES[day][0], first=day == "first"), None)
            _add(rest, f"{TITLES[kind]} {day}, REST", day, found)
            written = measured("bench.files", path=str(path), store=by_rest)
            pulls.tell(f"{TITLES[kind]} {day}, export", written)
            files.add(f"{day} floor", measured("bench.files", path=str(path)))
            came = measured("bench.phase", table=table, store=by_files, mode="full")
            wrong = {name: (found["counts"][name], came["counts"][name]) for name in found["counts"] if _differ(found, came, name)}
            if came["state"] != "applied" or came["doubts"] or wrong:
                raise SystemExit(f"{day}: the run is {came['state']}: {came['error']} {came['doubts']} {came['held']} {wrong}")
            _add(files, f"{TITLES[kind]} {day}, CSV", day, came)
        held.drop(by_rest)
        held.drop(by_files)


def _differ(found: dict[str, Any], came: dict[str, Any], kind: str) -> bool:
    names = ("created", "updated", "deactivated", "reactivated")
    return any(found["counts"][kind][name] != came["counts"][kind][name] for name in names)


def _add(into: Taken, told: str, day: str, found: dict[str, Any]) -> None:
    into.add(day, found)
    into.peaks[day].append(found["peak"])
    pulls.tell(told, found)


def rows(kind: str, rest: Taken, files: Taken) -> list[str]:
    """A line a day: seconds (the processor's in brackets) and memory both ways, and how many times as long files take."""
    found = []
    for day in DAYS:
        both = [f"{median(one.seconds[day]):.3g} s ({median(one.cpu[day]):.3g} s), {max(one.peaks[day]):.0f} MiB" for one in (files, rest)]
        ratio = median(ours / theirs for ours, theirs in zip(files.seconds[day], rest.seconds[day], strict=True))
        found.append(f"| {day}, {TITLES[kind]} | {both[0]} | {both[1]} | {ratio:.2f} × | {len(files.seconds[day])} |")
    floors = [one for day in DAYS for one in files.seconds[f"{day} floor"]]
    found.append(f"| to unzip and to part into cells | {median(floors):.3g} s | – | – | {len(floors)} |")
    return found


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.files", description=__doc__)
    options.add_argument("--scale", type=float, default=1, help="1: 100,000 users, 600,000 enrollments")
    options.add_argument("--passes", type=int, default=1)
    options.add_argument("--stores", default="sqlite postgresql")
    given = options.parse_args()
    kinds = tuple(given.stores.split())
    found: list[str] = []
    for kind in kinds:
        rest, files = Taken(), Taken()
        with ExitStack() as stack:
            taken(kind, given.scale, given.passes, rest, files, stack)
        found += rows(kind, rest, files)
    about = f"{district.Size.of(given.scale).records:,} records. {datetime.now(UTC):%Y-%m-%d}, {measures.machine(None, [])}"
    told = "\n".join([about, "", "| | by files | over REST | ratio | n |", "| --- | --- | --- | --- | --- |", *found])
    print(told, flush=True)
    if set(kinds) == set(TITLES):
        measures.keep("files", told)


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        step(orders())
    else:
        main()
