"""A provider of OneRoster 1.1 that is never the bottleneck: pages that lie ready on disk, sent by the kernel, one thread a connection.

It honours limit and offset, X-Total-Count, a filter on dateLastModified (for recent changes), single records by id, keep-alive and, if
wanted, ETags and a fixed delay. It runs in a process of its own, so that its work is not counted as the client's, and is told by
/control/… which version to serve. It counts what it was asked.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import urlopen

import msgspec

from bench import district

PATH = "/ims/oneroster/v1p1/"
_SINCE = re.compile(r"dateLastModified>='([^']+)'")
_MARK = b'{"sourcedId":"'
_records = msgspec.json.Decoder(dict[str, list[msgspec.Raw]])


class _Dated(msgspec.Struct):
    dateLastModified: str


class Version:
    """One version of the district, as it lies on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lists = json.loads((folder / "manifest.json").read_text())["lists"]
        # Held open: sending a page costs no look-up of its name.
        self._files = {name: [(folder / page["file"]).open("rb") for page in found["pages"]] for name, found in self.lists.items()}
        self._firsts = {name: [page["first"] for page in found["pages"]] for name, found in self.lists.items()}

    def ready(self, name: str, limit: int, offset: int) -> tuple[int, int, str] | None:
        """(file, bytes, ETag) of a page that lies ready as asked for, else None."""
        number = offset // district.PAGE
        if limit != district.PAGE or offset % district.PAGE or number >= len(self._files[name]):
            return None
        file = self._files[name][number].fileno()
        return file, os.fstat(file).st_size, self.lists[name]["pages"][number]["etag"]

    def cut(self, name: str, limit: int, offset: int) -> bytes:
        """A page of any other measure."""
        found: list[bytes] = []
        while len(found) < limit and offset + len(found) < self.lists[name]["total"]:
            number, start = divmod(offset + len(found), district.PAGE)
            page = _records.decode(self._read(name, number))[name]
            found += map(bytes, page[start : start + limit - len(found)])
        return _list(name, found)

    def recent(self, name: str, since: str, limit: int, offset: int) -> tuple[int, bytes] | None:
        """(how many records are dated since then, a page of them); None when that is too long ago to lie ready."""
        if since < district.RECENT:
            return None
        kept = _records.decode((self._folder / name / "recent.json").read_bytes())[name]
        found = [bytes(raw) for raw in kept if msgspec.json.decode(raw, type=_Dated).dateLastModified >= since]
        return len(found), _list(name, found[offset : offset + limit])

    def one(self, name: str, record: str) -> bytes | None:
        """One record by its id, found by halving: a page is sorted by id."""
        number = bisect_right(self._firsts[name], record) - 1
        if number < 0:
            return None
        page, wanted = self._read(name, number), _MARK + record.encode()
        low, high = page.find(_MARK), len(page)
        while (middle := page.find(_MARK, (low + high) // 2, high)) > low:
            low, high = (middle, high) if page[middle : middle + len(wanted)] <= wanted else (low, middle)
        # Between the last two marks that halving left, there are few records.
        while low >= 0 and page[low : low + len(wanted)] < wanted:
            low = page.find(_MARK, low + 1)
        if low < 0 or page[low : low + len(wanted)] != wanted:
            return None
        end = page.find(b"," + _MARK, low)
        return page[low : end if end >= 0 else page.rindex(b"]}")]

    def _read(self, name: str, number: int) -> bytes:
        file = self._files[name][number].fileno()
        return os.pread(file, os.fstat(file).st_size, 0)


def _list(name: str, found: list[bytes]) -> bytes:
    return b'{"' + name.encode() + b'":[' + b",".join(found) + b"]}"


class Provider:
    """Answers requests on one listening socket until its process ends."""

    def __init__(self, root: Path, *, etag: bool, latency: float) -> None:
        self._versions = {folder.name: Version(folder) for folder in root.iterdir() if (folder / "manifest.json").is_file()}
        self._served = "same"
        self._etag, self._latency = etag, latency
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def serve(self, listening: socket.socket) -> None:
        while True:
            connection, _ = listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        waiting = b""
        try:
            while True:
                while b"\r\n\r\n" not in waiting:
                    received = connection.recv(65536)
                    if not received:
                        return
                    waiting += received
                head, _, waiting = waiting.partition(b"\r\n\r\n")
                self._answer(connection, head.decode("latin-1"))
        except OSError:
            # The client went away: its affair.
            pass
        finally:
            connection.close()

    def _answer(self, connection: socket.socket, head: str) -> None:
        target = urlsplit(head.split(" ", 2)[1])
        if target.path.startswith("/control/"):
            return _send(connection, 200, self._control(target.path.split("/")[2:]))
        name, _, record = target.path.removeprefix(PATH).partition("/")
        with self._lock:
            self._asked[f"{name}/ID" if record else name] += 1
        if self._latency:
            time.sleep(self._latency)
        version = self._versions[self._served]
        if name not in version.lists:
            return _send(connection, 404)
        if record:
            found = version.one(name, unquote(record))
            if found is None:
                return _send(connection, 404)
            return _send(connection, 200, b'{"' + district.KINDS[name][:-1].encode() + b'":' + found + b"}")
        asked = {key: values[0] for key, values in parse_qs(target.query).items()}
        limit, offset = int(asked.get("limit", 100)), int(asked.get("offset", 0))
        if "filter" in asked:
            since = _SINCE.match(asked["filter"])
            recent = version.recent(name, since[1], limit, offset) if since else None
            return _send(connection, 400) if recent is None else _send(connection, 200, recent[1], f"X-Total-Count: {recent[0]}\r\n")
        total = f"X-Total-Count: {version.lists[name]['total']}\r\n"
        ready = version.ready(name, limit, offset)
        if ready is None:
            return _send(connection, 200, version.cut(name, limit, offset), total)
        file, size, etag = ready
        if self._etag:
            total += f"ETag: {etag}\r\n"
            if f"if-none-match: {etag}" in head.lower():
                return _send(connection, 304, b"", total)
        connection.sendall(_head(200, size, total))
        sent = 0
        while sent < size:
            sent += os.sendfile(connection.fileno(), file, sent, size - sent)
        return None

    def _control(self, words: list[str]) -> bytes:
        """`serve/VERSION`; `asked`: how often each list was asked for since the last such question."""
        if words[0] == "serve":
            if words[1] not in self._versions:
                raise KeyError(words[1])
            self._served = words[1]
            return b"{}"
        with self._lock:
            asked, self._asked = self._asked, Counter()
        return json.dumps(asked).encode()


def _head(status: int, size: int, more: str = "") -> bytes:
    return f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n{more}\r\n".encode("latin-1")


def _send(connection: socket.socket, status: int, body: bytes = b"", more: str = "") -> None:
    connection.sendall(_head(status, len(body), more) + body)


class Served:
    """A provider in a process of its own, from here. `url` is where its service is."""

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self.port = port
        self.url = f"http://127.0.0.1:{port}{PATH.rstrip('/')}"

    def serve(self, version: str) -> None:
        """From now on, give this version."""
        self._ask(f"serve/{version}")

    def asked(self) -> dict[str, int]:
        """How often each list was asked for since this was asked last; `users/ID` counts questions for one record."""
        found: dict[str, int] = json.loads(self._ask("asked"))
        return found

    def _ask(self, what: str) -> bytes:
        with urlopen(f"http://127.0.0.1:{self.port}/control/{what}") as answer:
            found: bytes = answer.read()
            return found

    def own_speed(self, version: str) -> float:
        """Seconds to read all pages of a version by bare sockets: what the provider itself costs."""
        self.serve(version)
        buffer = memoryview(bytearray(2**20))
        began = time.perf_counter()
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            for name, count in district.pages(self.root, version).items():
                for number in range(count):
                    target = f"{PATH}{name}?limit={district.PAGE}&offset={number * district.PAGE}"
                    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                    _drain(connection, buffer)
        return time.perf_counter() - began


def _drain(connection: socket.socket, buffer: memoryview) -> None:
    got = connection.recv_into(buffer)
    head, _, rest = bytes(buffer[: min(got, 4096)]).partition(b"\r\n\r\n")
    length = int(re.search(rb"Content-Length: (\d+)", head)[1])
    left = length - (got - len(head) - 4) if got > 4096 else length - len(rest)
    while left > 0:
        left -= connection.recv_into(buffer)


@contextmanager
def running(root: Path, *, etag: bool = False, latency: float = 0.0) -> Iterator[Served]:
    """Serve the district at a folder until the end of the block. latency: seconds before each answer."""
    command = [sys.executable, "-m", "bench.server", str(root), "--latency", str(latency), *(["--etag"] if etag else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Served(root, int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("root", type=Path)
    options.add_argument("--etag", action="store_true")
    options.add_argument("--latency", type=float, default=0.0)
    given = options.parse_args()
    provider = Provider(given.root, etag=given.etag, latency=given.latency)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        provider.serve(listening)


if __name__ == "__main__":
    main()
