"""`make bench`: every measure in one run on one machine, each against a floor or a peer that was timed beside it."""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import median

from bench import district, measures, peers, pulls, server, stores
from bench.child import measured
from bench.measures import Measure, of_floor
from bench.pulls import Taken
from bench.stores import FOLDER, TITLES

# What each phase is held against, and its limit on SQLite and PostgreSQL.
LIMITS = {
    "first": ("first pull", "F", 2.0, 2.2),
    "unchanged": ("unchanged full pull", "D", 1.0, 1.0),
    "shifted": ("unchanged, but every page shifted by one record", "D", 4.0, 4.0),
    "changed": ("1 % changed, 0.5 % new, 0.5 % gone, over all pages", "D", 4.0, 5.0),
}
MOST_MEMORY = 250  # MiB
DLT = {"dlt", "dlt-arrow"}
PEERS = {*DLT, "orm"}
# A run's steps, and what happens in each.
STEPS = {
    "fetching": "fetch, read and stage",
    "comparing": "compare",
    "confirming": "ask for the missing, weigh, guard",
    "applying": "apply, link",
}


def of_store(kind: str, taken: Taken) -> Iterator[Measure]:
    """The rows of one kind of store."""
    passes = len(taken.seconds["D"])
    for phase, (name, letter, on_sqlite, on_postgresql) in LIMITS.items():
        limit = on_sqlite if kind == "sqlite" else on_postgresql
        cpu = taken.cpu[phase], taken.cpu[letter]
        yield of_floor(f"{name}, {TITLES[kind]}", taken.seconds[phase], taken.seconds[letter], letter, limit, cpu)
    most = max(taken.poll.values())
    told = f"{sum(taken.poll.values())} requests for {len(taken.poll)} lists, nothing written, {median(taken.seconds['poll']):.2g} s"
    yield Measure(f"unchanged poll for changes, {TITLES[kind]}", "≤ 1 request a list", told, f"{most}", most <= 1, passes)
    peak = taken.peak()
    yield Measure(f"peak memory of all these, {TITLES[kind]}", f"< {MOST_MEMORY} MiB", f"{peak:.0f} MiB", "", peak < MOST_MEMORY, passes)


def steps(taken: dict[str, Taken]) -> str:
    """Where the time of each phase went, as a table in Markdown: medians, in seconds."""
    lines = [f"| phase | {' | '.join(STEPS.values())} |", "| --- | --- | --- | --- | --- |"]
    for kind, of_kind in taken.items():
        for phase, passes in of_kind.steps.items():
            cells = [f"{median(one.get(step, 0.0) for one in passes):.3g}" for step in STEPS]
            lines.append(f"| {phase}, {TITLES[kind]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--scale", type=float, default=1.0, help="1.0: 100,000 users, 20,000 classes, 600,000 enrollments")
    options.add_argument("--passes", type=int, default=3)
    options.add_argument("--stores", default="sqlite postgresql")
    options.add_argument("--peers", default="dlt dlt-arrow orm")
    options.add_argument("--peer-passes", type=int, default=1)
    options.add_argument("--etag", action="store_true", help="let the provider send ETags, and answer 304")
    options.add_argument("--latency", type=float, default=0.0, help="seconds before each of the provider's answers")
    given = options.parse_args()
    kinds, others = tuple(given.stores.split()), tuple(given.peers.split())
    if unknown := {*kinds} - {*TITLES} | {*others} - PEERS:
        raise SystemExit(f"STORES are {', '.join(TITLES)}, PEERS are {', '.join(sorted(PEERS))}; there is no {', '.join(sorted(unknown))}")
    if DLT.intersection(others) and "postgresql" not in kinds:
        raise SystemExit("dlt is measured on PostgreSQL: take it out of PEERS, or PostgreSQL into STORES")
    records = district.Size.of(given.scale).records
    print(f"writing the pages of a district of {records:,} records", flush=True)
    root = district.prepared(FOLDER, given.scale)
    rows: list[Measure] = []
    taken = {kind: Taken() for kind in kinds}
    with stores.running(kinds) as held, server.running(root, etag=given.etag, latency=given.latency) as served:
        speed = min(served.own_speed("same") for _ in range(3))
        size = measured("bench.floor", url=served.url)["bytes"]
        for number in range(given.passes):
            for kind in kinds:
                print(f"pass {number + 1} of {given.passes}, {TITLES[kind]}", flush=True)
                pulls.floors(served, held, kind, taken[kind])
                pulls.syncd(served, held, kind, taken[kind])
        for kind in kinds:
            rows += of_store(kind, taken[kind])
        for peer in sorted(DLT.intersection(others)):
            rows += peers.dlt(served, held, taken["postgresql"], given.peer_passes, arrow=peer == "dlt-arrow")
        if "orm" in others:
            small = district.prepared(FOLDER, peers.ORM_SCALE)
            with server.running(small) as serving_small:
                rows += peers.orm(serving_small, held, kinds, given.passes)
        special = ", with ETags" * given.etag + f", {given.latency:g} s before each answer" * bool(given.latency)
        about = [
            f"{records:,} records, {size / 1e6:.0f} MB of JSON in {sum(district.pages(root, 'same').values())} pages. "
            f"The provider itself: {speed:.2g} s for all pages by bare sockets ({size / speed / 1e9:.1f} GB/s){special}.",
            f"{datetime.now(UTC):%Y-%m-%d}, {measures.machine(held.version(), ['dlt'] if 'dlt' in others else [])}",
        ]
    told = "\n\n".join([*about, measures.table(rows), "Where the time goes, in seconds (medians):", steps(taken)])
    print(told, flush=True)
    # A quick look at a part must not replace what the page says of the whole.
    if set(kinds) == set(TITLES) and set(others) == PEERS and given.passes >= 3:
        measures.keep("measured", told)


if __name__ == "__main__":
    main()
