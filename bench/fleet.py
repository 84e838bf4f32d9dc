"""A fleet: many districts, several workers, and death at random. `make bench-fleet`, or `python -m bench.fleet --help`.

Districts of real-life sizes (log-normal, 300 to 200,000 students, divided by --scale) are pulled over OneRoster from a loopback source that
answers each request after 100 ms, on --workers workers and two dispatchers, which are all processes of their own; every few seconds one of
them is killed and started anew, as systemd would. What became due, was taken and was done is noted by a trigger in the database, which
knows nothing of the code it watches. At the end each pull that fell due must have exactly one run that came to its end.

--compress divides the 15 minutes between two pulls: 200 districts at --compress 10 are as many pulls a second as 2,000 at 1.
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

from syncd.report import State, Trigger
from syncd.store import open_store
from tests import postgresql

EVERY = 15 * 60
LATENCY = 0.1
SMALLEST, LARGEST, MEDIAN, SIGMA = 300, 200_000, 1_500, 1.35
SILENCE, TICK = 30, 5
LONG_AGO = "2026-01-01T00:00:00.000Z"
TICKS = os.sysconf("SC_CLK_TCK")


def sizes(count: int, seed: int) -> list[int]:
    """The students of each district."""
    lot = random.Random(seed)
    return [min(max(int(lot.lognormvariate(0, SIGMA) * MEDIAN), SMALLEST), LARGEST) for _ in range(count)]


# ── the source ───────────────────────────────────────────────────────────────────────────────────────


class Districts:
    """What the districts' SIS answers. In each, one student's name changes every `every` seconds."""

    def __init__(self, students: list[int], every: float) -> None:
        self._students, self._every = students, every
        self.requests = 0

    def page(self, number: int, resource: str, limit: int, offset: int, since: str | None) -> tuple[bytes, int]:
        """(body, total): a page of a resource, of what changed since then."""
        count = self._count(number, resource)
        slot = int(time.time() // self._every)
        changed = datetime.fromtimestamp(slot * self._every, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        if since is not None:
            count = 1 if resource == "users" and changed >= since else 0
        rows = [self._record(resource, at, slot, changed) for at in range(offset, min(offset + limit, count))]
        return json.dumps({resource: rows}).encode(), count

    def _count(self, number: int, resource: str) -> int:
        students = self._students[number]
        classes = max(students // 25, 1) * 6
        return {"orgs": 1, "academicSessions": 1, "courses": 6, "classes": classes, "users": students, "enrollments": students * 6}[
            resource
        ]

    def _record(self, resource: str, at: int, slot: int, changed: str) -> dict[str, Any]:
        row: dict[str, Any] = {"sourcedId": f"{resource}-{at}", "status": "active", "dateLastModified": LONG_AGO}
        match resource:
            case "orgs":
                row |= {"name": "Springfield Elementary", "type": "school"}
            case "academicSessions":
                row |= {"title": "2026", "type": "schoolYear", "startDate": "2026-08-15", "endDate": "2027-06-10", "schoolYear": "2027"}
            case "courses":
                row |= {"title": f"Course {at}", "org": {"sourcedId": "orgs-0"}}
            case "classes":
                row |= {"title": f"Section {at}", "course": {"sourcedId": f"courses-{at % 6}"}, "school": {"sourcedId": "orgs-0"}}
                row |= {"terms": [{"sourcedId": "academicSessions-0"}], "classType": "scheduled"}
            case "users":
                row |= {"givenName": f"Given{at}", "familyName": f"Family{at}", "role": "student", "username": f"u{at}"}
                row |= {"orgs": [{"sourcedId": "orgs-0"}], "grades": ["03"], "enabledUser": "true"}
                if at == 0:
                    row |= {"givenName": f"Given{slot}", "dateLastModified": changed}
            case "enrollments":
                of_class = (at // 6 // 25) * 6 + at % 6
                row |= {"user": {"sourcedId": f"users-{at // 6}"}, "class": {"sourcedId": f"classes-{of_class}"}}
                row |= {"school": {"sourcedId": "orgs-0"}, "role": "student"}
        return row

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, as long as it is kept."""
        try:
            while request := (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"):
                url = urlsplit(request.split(" ", 2)[1])
                if url.path == "/requests":
                    body, total = str(self.requests).encode(), 0
                else:
                    self.requests += 1
                    await asyncio.sleep(LATENCY)
                    number, resource = re.fullmatch(r"/(\d+)/ims/oneroster/v1p1/(\w+)", url.path).groups()
                    asked = parse_qs(url.query)
                    since = re.search(r"dateLastModified>='([^']+)'", asked.get("filter", [""])[0])
                    limit, offset = int(asked["limit"][0]), int(asked["offset"][0])
                    body, total = self.page(int(number), resource, limit, offset, since[1] if since else None)
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nX-Total-Count: {total}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def serve(districts: Districts) -> None:
    server = await asyncio.start_server(districts.answer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# ── the fleet ────────────────────────────────────────────────────────────────────────────────────────

NOTE = """
CREATE TABLE fleet_notes (at timestamptz DEFAULT clock_timestamp(), source text, what text, due timestamptz);
CREATE FUNCTION fleet_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF OLD.wanted IS NULL AND NEW.wanted IS NOT NULL THEN
        INSERT INTO fleet_notes (source, what, due) VALUES (NEW.source, 'due', NEW.wanted_at); END IF;
    IF OLD.member IS NULL AND NEW.member IS NOT NULL THEN
        INSERT INTO fleet_notes (source, what, due) VALUES (NEW.source, 'taken', NEW.wanted_at); END IF;
    IF OLD.wanted IS NOT NULL AND NEW.wanted IS NULL THEN
        INSERT INTO fleet_notes (source, what, due) VALUES (NEW.source, 'done', OLD.wanted_at); END IF;
    RETURN NEW; END $$;
CREATE TRIGGER fleet_note AFTER UPDATE ON due FOR EACH ROW EXECUTE FUNCTION fleet_note();
"""


@dataclass
class Fleet:
    """The processes, and what they cost."""

    folder: Path
    config: Path
    alive: dict["subprocess.Popen[bytes]", str] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    kills: int = 0

    def start(self, command: str) -> None:
        with (self.folder / "log").open("ab") as log:
            arguments = [sys.executable, "-m", "syncd", "--config", str(self.config), command]
            self.alive[subprocess.Popen(arguments, stdout=log, stderr=log)] = command

    def kill_one(self, lot: random.Random) -> None:
        process = lot.choice(list(self.alive))
        process.kill()
        process.wait()
        self.kills += 1
        command = self.alive.pop(process)
        time.sleep(1)
        self.start(command)

    def look(self) -> None:
        """Note how much processor time each has used; start anew who has ended by itself."""
        for process, command in list(self.alive.items()):
            self.seconds[process.pid] = _processor(process.pid) or self.seconds.get(process.pid, 0)
            if process.poll() is not None:
                del self.alive[process]
                self.start(command)

    def stop(self) -> None:
        for process in self.alive:
            process.send_signal(signal.SIGTERM)
        for process in self.alive:
            process.wait(60)


def _processor(pid: int, *, children: bool = False) -> float:
    """Seconds of processor time of a process; with those of its children that have ended."""
    try:
        parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, parts[11:15] if children else parts[11:13])) / TICKS


def _database_processor(server: int) -> float:
    """Of the database: its first process, those that have ended, and those that live."""
    family = subprocess.run(["ps", "-o", "pid=", "--ppid", str(server)], capture_output=True, text=True).stdout.split()
    return _processor(server, children=True) + sum(_processor(int(pid)) for pid in family)


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("--districts", type=int, default=2000)
    told.add_argument("--compress", type=float, default=1, help="how much faster than every 15 minutes")
    told.add_argument("--scale", type=int, default=100, help="by what the students are divided")
    told.add_argument("--workers", type=int, default=4)
    told.add_argument("--places", type=int, default=8, help="of each worker")
    told.add_argument("--minutes", type=float, default=45, help="of measuring, after all have been pulled once")
    told.add_argument("--kill-every", type=float, default=20, help="seconds between two kills; 0: none")
    told.add_argument("--seed", type=int, default=1)
    told.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = told.parse_args()
    every = EVERY / options.compress
    students = [max(size // options.scale, 1) for size in sizes(options.districts, options.seed)]
    if options.serve:
        asyncio.run(serve(Districts(students, every)))
    else:
        with ExitStack() as stack:
            _measure(options, students, every, stack)


def _measure(options: argparse.Namespace, students: list[int], every: float, stack: ExitStack) -> None:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    source = subprocess.Popen([sys.executable, "-m", "bench.fleet", "--serve", *sys.argv[1:]], stdout=subprocess.PIPE, text=True)
    stack.callback(source.wait)
    stack.callback(source.kill)
    assert source.stdout is not None
    port = int(source.stdout.readline())
    connections = str(options.workers * (8 + 4 * options.places) + 40)
    server = stack.enter_context(postgresql.running(postgresql.required(), max_connections=connections))
    url = server.fresh()
    store = open_store(url)
    stack.callback(store.close)
    connection = stack.enter_context(server.connect(store.name))
    connection.execute(NOTE)
    config = folder / "syncd.toml"
    config.write_text(_configuration(options, url, port, every))
    fleet = Fleet(folder, config)
    for command in ["serve"] * 2 + ["worker"] * options.workers:
        fleet.start(command)
    lot = random.Random(options.seed)
    postmaster = _postmaster(connection)
    print(f"{options.districts} districts, {sum(students):,} students, a pull every {every:g} s: {options.districts / every:.2f} a second")

    def live(until: float, enough: Any = lambda: False) -> None:
        killed = time.monotonic()
        while time.monotonic() < until and not enough():
            time.sleep(1)
            fleet.look()
            if options.kill_every and time.monotonic() - killed > options.kill_every:
                fleet.kill_one(lot)
                killed = time.monotonic()

    def count(what: str) -> int:
        found = connection.execute("SELECT count(DISTINCT source) FROM fleet_notes WHERE what = %s", (what,)).fetchone()
        assert found
        return int(str(found[0]))

    try:
        began = time.monotonic()
        live(began + 3600, lambda: count("done") == options.districts)
        first = time.monotonic() - began
        print(f"first pulls of all: {first:.0f} s, {fleet.kills} kills")
        # What fell due in the rush of the beginning is behind us after one more round.
        live(time.monotonic() + every)
        from_then_on = connection.execute("SELECT now(), pg_current_wal_lsn()").fetchone()
        before = (sum(fleet.seconds.values()), _database_processor(postmaster), _requests(port), time.monotonic())
        live(time.monotonic() + options.minutes * 60)
        after = (sum(fleet.seconds.values()), _database_processor(postmaster), _requests(port), time.monotonic())
        until_then = connection.execute("SELECT now(), pg_wal_lsn_diff(pg_current_wal_lsn(), %s)", (from_then_on[1],)).fetchone()
        # Nothing more falls due; what has is done.
        connection.execute("UPDATE due SET pull_at = now() + interval '10 years'")
        deadline = time.monotonic() + 300
        while connection.execute("SELECT 1 FROM due WHERE wanted IS NOT NULL LIMIT 1").fetchone():
            assert time.monotonic() < deadline, "something is lost: it is never done"
            fleet.look()
            time.sleep(0.5)
    finally:
        fleet.stop()
    _judge(connection, options)
    assert from_then_on and until_then
    _print(connection, from_then_on[0], until_then[0], [later - earlier for earlier, later in zip(before, after, strict=True)])
    (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
    print(f"write-ahead log {int(until_then[1]) / 1e6:.0f} MB meanwhile; database {int(size) / 1e6:.0f} MB; {fleet.kills} kills in all")


def _judge(connection: Any, options: argparse.Namespace) -> None:
    """None lost, none doubled: as many runs that came to their end as pulls that fell due, for each source."""
    due = dict(connection.execute("SELECT source, count(*) FROM fleet_notes WHERE what = 'due' GROUP BY 1").fetchall())
    ended = dict(
        connection.execute(
            "SELECT source, count(*) FROM runs WHERE trigger = %s AND state <> %s AND NOT (state = 'failed' AND error ~ %s) GROUP BY 1",
            (Trigger.SCHEDULE, State.RUNNING, "was interrupted|was asked to stop|another run took over"),
        ).fetchall()
    )
    lost = {name for name, count in due.items() if ended.get(name, 0) < count}
    doubled = {name for name, count in due.items() if ended.get(name, 0) > count}
    interrupted = connection.execute("SELECT count(*) FROM runs WHERE state = 'failed' AND error ~ 'was interrupted'").fetchone()[0]
    failed = connection.execute("SELECT count(*), max(error) FROM runs WHERE state = 'failed' AND error !~ 'was interrupted'").fetchone()
    print(f"{sum(due.values())} pulls fell due, {sum(ended.values())} runs ended")
    print(f"{interrupted} were interrupted and done again, {failed[0]} failed otherwise")
    print(f"lost: {len(lost)}, doubled: {len(doubled)}")
    if failed[0]:
        print(f"   as in: {failed[1]}")
    assert len(due) == options.districts
    assert not lost and not doubled, (sorted(lost)[:5], sorted(doubled)[:5])


def _print(connection: Any, since: datetime, until: datetime, cost: list[float]) -> None:
    processor, database, requests, seconds = cost
    waits = "SELECT extract(epoch FROM min(at) - due) FROM fleet_notes WHERE what = %s AND due BETWEEN %s AND %s GROUP BY source, due"
    for what, name in (("taken", "start delay"), ("done", "until done")):
        found = sorted(float(row[0]) for row in connection.execute(waits, (what, since, until)).fetchall())
        p99 = found[int(len(found) * 0.99)]
        print(f"{name}: p50 {statistics.median(found):.1f} s, p99 {p99:.1f} s, most {found[-1]:.1f} s ({len(found)} pulls)")
    pulls = len(found)
    print(
        f"a pull costs {processor / pulls * 1000:.0f} ms of processor time in syncd, {database / pulls * 1000:.0f} ms in PostgreSQL, "
        f"{requests / pulls:.1f} requests; {pulls / seconds:.2f} pulls and {requests / seconds:.1f} requests a second"
    )


def _configuration(options: argparse.Namespace, url: str, port: int, every: float) -> str:
    head = f'workers = {options.places}\n[store]\nurl = "{url}"\n[console]\nenabled = false\n[log]\nlevel = "warning"\n'
    head += f"[cluster]\nenabled = true\ntick = {TICK}\nsilence = {SILENCE}\n"
    os.environ["FLEET_TOKEN"] = "loopback-only"
    each = (
        f'[sources.district-{number}]\nconnector = "oneroster"\nurl = "http://127.0.0.1:{port}/{number}/ims/oneroster/v1p1"\n'
        f'auth = "bearer"\ntoken = {{ env = "FLEET_TOKEN" }}\nschedule = "every {every:.0f} seconds"\nfull = "0 2 29 2 *"\n'
        for number in range(options.districts)
    )
    return head + "".join(each)


def _postmaster(connection: Any) -> int:
    """The server's first process: the parent of the one that serves this connection."""
    pid = connection.info.backend_pid
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _requests(port: int) -> int:
    """How many the source has answered."""
    with urlopen(f"http://127.0.0.1:{port}/requests") as answer:
        return int(answer.read())


if __name__ == "__main__":
    main()
