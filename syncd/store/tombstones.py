"""Who was purged, told outside the store too: a store that is restored from an older backup brings purged people back, and can not know it.

One append-only file beside the store, its owner's alone. The first line has a random key, each further one a person's source and id under
that key (HMAC-SHA256) and the day: who sees such a hash in a report, but not the file, can not try ids on it. The file grows for ever, and
is never held whole: it is written and read line by line.
"""

import fcntl
import hmac
import os
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from syncd.errors import StoreError
from syncd.store.engine import Store
from syncd.store.private import open_private

_HEAD = "syncd-purged-1 "
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Tombstones:
    """The file of a store. key: empty when there is no file yet."""

    path: Path
    key: bytes

    def mark(self, source: str, kind: str, record_id: str) -> str:
        """The hash of a record's identity, as 64 hexadecimal digits."""
        return hmac.digest(self.key, "\0".join((source, kind, record_id)).encode(), "sha256").hex()

    def days(self, marks: Collection[str]) -> dict[str, date]:
        """When each of these was last purged; who never was is left out. Reads through the file: ask for many at once. Raises
        StoreError."""
        found: dict[str, date] = {}
        if not self.key:
            return found
        try:
            with self.path.open(encoding="ascii") as file:
                for line in file:
                    # A line that a crash cut short belongs to a purge that was not done either.
                    if line[:64] in marks and len(line.rstrip("\n")) == 75:
                        found[line[:64]] = date.fromisoformat(line[65:75])
        except (OSError, ValueError) as problem:
            raise _unreadable(self.path, problem) from None
        return found

    def add(self, marks: Iterable[str], at: datetime) -> None:
        """Append, and return when the disk has it. Raises StoreError."""
        try:
            with self.path.open("a", encoding="ascii") as file:
                # Two sources that are purged at once must not write into each other's lines.
                fcntl.flock(file, fcntl.LOCK_EX)
                # The line before may have been cut short by a crash: begin on a new one.
                file.writelines(f"\n{mark} {at:%Y-%m-%d}" for mark in marks)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            raise StoreError(f"{self.path.name} can not be written ({problem.strerror}).", advice="Nothing was purged.") from None


def read(store: Store, *, create: bool = False) -> Tombstones:
    """The store's tombstones; with `create`, the file is begun if there is none. Raises StoreError when it can not be read."""
    path = store.beside.with_name(f"{store.beside.name}.purged")
    if not create and not path.exists():
        return Tombstones(path, b"")
    try:
        handle = open_private(path, os.O_RDWR | os.O_APPEND)
        try:
            # Two purges that begin the file at once must not give it two keys.
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_size == 0:
                os.write(handle, f"{_HEAD}{secrets.token_hex(KEY_BYTES)}\n".encode())
                os.fsync(handle)
            with path.open(encoding="ascii") as file:
                head = file.readline()
        finally:
            os.close(handle)
        if not head.startswith(_HEAD):
            raise ValueError("no such file of ours")
        key = bytes.fromhex(head.removeprefix(_HEAD))
    except (OSError, ValueError) as problem:
        raise _unreadable(path, problem) from None
    if len(key) != KEY_BYTES:
        raise StoreError(f"{path.name}, which tells who was purged, is damaged.", advice="Restore it from a backup.")
    return Tombstones(path, key)


def _unreadable(path: Path, problem: Exception) -> StoreError:
    return StoreError(
        f"{path.name}, which tells who was purged, can not be read ({type(problem).__name__}).",
        advice="Restore it from a backup; without it a restored store could bring purged people back.",
    )
