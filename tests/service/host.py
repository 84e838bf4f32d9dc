"""As much of a host with systemd as a service sees of it, on real sockets: the manager that watches over it, and the journal."""

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def until(done: Callable[[], Any], told: Callable[[], object] = str) -> Any:
    """What `done` gives, once it gives something."""
    deadline = time.monotonic() + 60
    while not (found := done()):
        assert time.monotonic() < deadline, str(told())[-4000:]
        time.sleep(0.02)
    return found


class Listener:
    """A datagram socket, and what came there."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self._socket.settimeout(0.05)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                self.hear(self._socket.recv(1 << 18))
            self.look()

    def hear(self, message: bytes) -> None:
        raise NotImplementedError

    def look(self) -> None:
        """Called between two messages."""

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()


class Manager(Listener):
    """systemd, as it hears of one service. told: each message. watch: the process to end as soon as it gives no sign of life for
    `seconds` after it gave one (as `WatchdogSec=` does)."""

    def __init__(self, address: str) -> None:
        self.told: list[dict[str, str]] = []
        self._watched: tuple[int, float] | None = None
        self._heard = time.monotonic()
        super().__init__(address)

    def hear(self, message: bytes) -> None:
        found = dict(line.split("=", 1) for line in message.decode().split("\n"))
        if "WATCHDOG" in found:
            self._heard = time.monotonic()
        self.told.append(found)

    def watch(self, pid: int, seconds: float) -> None:
        self._heard = time.monotonic()
        self._watched = (pid, seconds)

    def look(self) -> None:
        if self._watched and time.monotonic() - self._heard > self._watched[1]:
            pid, self._watched = self._watched[0], None
            os.kill(pid, signal.SIGABRT)

    def signs(self) -> int:
        return sum("WATCHDOG" in message for message in self.told)

    def names(self) -> list[str]:
        """The names of all assignments, in order."""
        return [name for message in list(self.told) for name in message]

    def status(self) -> str:
        """The latest."""
        return next((message["STATUS"] for message in reversed(list(self.told)) if "STATUS" in message), "")


class Journal(Listener):
    """journald, as far as it reads entries that fit into a datagram. entries: the fields of each."""

    def __init__(self, address: str) -> None:
        self.entries: list[dict[str, str]] = []
        super().__init__(address)

    def hear(self, message: bytes) -> None:
        self.entries.append(dict(_fields(message)))

    def of(self, **fields: str) -> list[dict[str, str]]:
        """What `journalctl NAME=value …` would show."""
        return [entry for entry in list(self.entries) if fields.items() <= entry.items()]


def _fields(message: bytes) -> Iterator[tuple[str, str]]:
    """Both forms of the protocol: `NAME=value`, and NAME, the length and the value."""
    while message:
        line, message = message.split(b"\n", 1)
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", message[:8])
            value, message = message[8 : 8 + length], message[8 + length + 1 :]
        yield name.decode(), value.decode()


@contextmanager
def manager(folder: Path) -> Iterator[Manager]:
    made = Manager(str(folder / "notify"))
    try:
        yield made
    finally:
        made.close()


@contextmanager
def journal(folder: Path) -> Iterator[Journal]:
    made = Journal(str(folder / "journal"))
    try:
        yield made
    finally:
        made.close()
