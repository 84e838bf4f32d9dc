"""Who was purged, told outside the store too: a store that is restored from an older backup brings purged people back, and can not know it.

One append-only file beside the store, its owner's alone. The first line has a random key, each further one a person's source and id under
that key (HMAC-SHA256) and the day: who sees such a hash in a report, but not the file, can not try ids on it.
"""

import fcntl
import hmac
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from syncd.errors import StoreError
from syncd.store.engine import Store

_HEAD = "syncd-purged-1 "
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Tombstones:
    """What the file says. key: empty when there is no file yet. marks: {hash: the day it was last purged}."""

    path: Path
    key: bytes
    marks: dict[str, date]

    def mark(self, source: str, kind: str, record_id: str) -> str:
        """The hash of a record's identity, as 64 hexadecimal digits."""
        return hmac.new(self.key, "\0".join((source, kind, record_id)).encode(), "sha256").hexdigest()

    def add(self, marks: Iterable[str], at: datetime) -> None:
        """Append, and return when the disk has it. Raises StoreError."""
        # The line before may have been cut short by a crash: begin on a new one.
        lines = "".join(f"\n{mark} {at:%Y-%m-%d}" for mark in marks) + "\n"
        try:
            with self.path.open("ab") as file:
                file.write(lines.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            raise StoreError(f"{self.path.name} can not be written ({problem.strerror}).", advice="Nothing was purged.") from None


def read(store: Store, *, create: bool = False) -> Tombstones:
    """The store's tombstones; with `create`, the file is begun if there is none. Raises StoreError when it can not be read."""
    path = store.beside.with_name(f"{store.beside.name}.purged")
    if not create and not path.exists():
        return Tombstones(path, b"", {})
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # Two purges that begin the file at once must not give it two keys.
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_size == 0:
                os.write(handle, f"{_HEAD}{secrets.token_hex(KEY_BYTES)}\n".encode())
                os.fsync(handle)
            lines = path.read_text(encoding="ascii").splitlines()
        finally:
            os.close(handle)
        if not lines[0].startswith(_HEAD):
            raise ValueError("no such file of ours")
        key = bytes.fromhex(lines[0].removeprefix(_HEAD))
        # A line that a crash cut short belongs to a purge that was not done either.
        marks = {line[:64]: date.fromisoformat(line[65:]) for line in lines[1:] if len(line) == 75}
    except (OSError, ValueError) as problem:
        raise StoreError(
            f"{path.name}, which tells who was purged, can not be read ({type(problem).__name__}).",
            advice="Restore it from a backup; without it a restored store could bring purged people back.",
        ) from None
    if len(key) != KEY_BYTES:
        raise StoreError(f"{path.name}, which tells who was purged, is damaged.", advice="Restore it from a backup.")
    return Tombstones(path, key, marks)
