"""`make bench-console`: what it costs a run to be watched, and how soon pages answer meanwhile.

The first pull of a district, alone and with 50 people at its live log and one who goes through the console's pages, pass by pass in turn.
"""

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import requests

from bench import district, measures, pulls, server, stores
from bench.measures import Measure
from bench.phase import NAME
from bench.stores import FOLDER, TITLES
from syncd.account import Role, here
from syncd.store import open_store, tokens

WATCHERS = 50
PAGES = ("/", f"/sources/{NAME}", "/runs", "/runs/1", "/logs", "/roster?kind=users", "/quality")
# What it may cost, and milliseconds within which half of the pages have to be there.
COST, SOON = 1.1, 200


class Watched:
    """lines: how many each watcher saw. pages: milliseconds that each page took, by its path."""

    def __init__(self) -> None:
        self.lines = [0] * WATCHERS
        self.pages: list[tuple[str, float]] = []


@contextmanager
def watched(store_url: str) -> Iterator[Watched]:
    """Serve the console of a store, with everybody at it."""
    store, now = open_store(store_url), datetime.now(UTC)
    token = tokens.add(store, "bench", Role.ADMIN, expires_at=now + timedelta(days=1), by=here(), now=now)
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
    with TemporaryDirectory() as folder:
        config, log = Path(folder) / "syncd.toml", Path(folder) / "console.log"
        source = (
            f'[sources.{NAME}]\nconnector = "oneroster"\nurl = "http://127.0.0.1:1/"\nauth = "bearer"\ntoken = {{ env = "BENCH_TOKEN" }}\n'
        )
        config.write_text(f'[store]\nurl = "{store_url}"\n[console]\nport = 0\n{source}')
        with log.open("w") as told:
            command = [sys.executable, "-m", "syncd.console", str(config)]
            console = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=told, env=os.environ | {"BENCH_TOKEN": "none"})
        over, found = threading.Event(), Watched()
        try:
            url = _address(log, console)
            people = [threading.Thread(target=_watch, args=(url, headers, found, number, over)) for number in range(WATCHERS)]
            people.append(threading.Thread(target=_look_around, args=(url, headers, found, over)))
            for each in people:
                each.start()
            yield found
            over.set()
            for each in people:
                each.join()
        finally:
            over.set()
            assert console.stdin is not None
            console.stdin.close()
            console.wait(20)
            store.close()


def _address(log: Path, console: "subprocess.Popen[bytes]") -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end and console.poll() is None:
        _, found, rest = log.read_text().partition('"address": "')
        if found:
            return rest.partition('"')[0]
        time.sleep(0.1)
    raise SystemExit(f"the console did not start: {log.read_text()}")


def _watch(url: str, headers: dict[str, str], found: Watched, number: int, over: threading.Event) -> None:
    with requests.get(f"{url}/api/events", headers=headers, stream=True, timeout=60) as answer:
        for line in answer.iter_lines(chunk_size=512):
            if over.is_set():
                return
            found.lines[number] += line.startswith(b"data: ")


def _look_around(url: str, headers: dict[str, str], found: Watched, over: threading.Event) -> None:
    session = requests.Session()
    while not over.is_set():
        for path in PAGES:
            began = time.perf_counter()
            answer = session.get(url + path, headers=headers, timeout=60)
            took = (time.perf_counter() - began) * 1000
            if answer.status_code == 200:
                found.pages.append((path, took))
            elif answer.status_code != 404:
                raise SystemExit(f"{path}: {answer.status_code}")
            over.wait(0.2)


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.console", description=__doc__)
    options.add_argument("--scale", type=float, default=1, help="1: 100,000 users, 600,000 enrollments")
    options.add_argument("--passes", type=int, default=3)
    options.add_argument("--stores", default="sqlite postgresql")
    given = options.parse_args()
    kinds = tuple(given.stores.split())
    rows: list[Measure] = []
    with stores.running(kinds) as held, server.running(district.prepared(FOLDER, given.scale)) as served:
        for kind in kinds:
            alone, together, pages = [], [], []
            for number in range(given.passes):
                print(f"pass {number + 1} of {given.passes}, {TITLES[kind]}", flush=True)
                url = held.fresh(kind)
                alone.append(pulls.pull(served, url, "first")["seconds"])
                held.drop(url)
                url = held.fresh(kind)
                with watched(url) as seen:
                    together.append(pulls.pull(served, url, "first")["seconds"])
                held.drop(url)
                if not all(seen.lines):
                    raise SystemExit(f"of {WATCHERS} watchers only {sum(map(bool, seen.lines))} saw anything")
                pages += [took for _, took in seen.pages]
                slowest = {path: round(median(took for where, took in seen.pages if where == path)) for path in dict(seen.pages)}
                print(f"  alone {alone[-1]:.1f} s, watched {together[-1]:.1f} s; pages, median ms: {slowest}", flush=True)
            ratios = [watched / plain for watched, plain in zip(together, alone, strict=True)]
            result = f"{median(together):.3g} s, alone {median(alone):.3g} s"
            rows.append(
                Measure(
                    f"watched by {WATCHERS}, {TITLES[kind]}",
                    f"≤ {COST:g} ×",
                    result,
                    f"{median(ratios):.2f} ×",
                    median(ratios) <= COST,
                    given.passes,
                )
            )
            told = f"{median(pages):.0f} ms of {len(pages)} pages"
            rows.append(Measure(f"pages meanwhile, {TITLES[kind]}", f"≤ {SOON} ms", told, "–", median(pages) <= SOON, given.passes))
        about = f"{datetime.now(UTC):%Y-%m-%d}, {measures.machine(held.version(), [])}"
    told = f"{district.Size.of(given.scale).records:,} records. {about}\n\n{measures.table(rows)}"
    print(told, flush=True)
    if given.scale == 1 and set(kinds) == set(TITLES):
        measures.keep("console", told)


if __name__ == "__main__":
    main()
