"""One run per source at a time, whoever starts it: a lock on a file beside the store, and a fence in the store. One daemon per store.

The lock is the operating system's (`flock`), so that it is given back at the instant its process dies, however it dies; no
clock decides. The fence is the source's epoch: a run takes the next one when it starts and applies only if it is still the
latest (design section 2, rule 7).
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from syncd.errors import AlreadyRunning, DaemonRunning, Superseded, SyncdError
from syncd.store.engine import Store
from syncd.store.tables import sources


def _lock_file(store: Store, source: str) -> Path:
    return store.path.with_name(f"{store.path.name}-{source}.lock")


@contextmanager
def hold(store: Store, source: str) -> Iterator[None]:
    """Hold the source for one run. Raises AlreadyRunning at once when another process or thread holds it."""

    def busy(pid: str) -> AlreadyRunning:
        told = f"{source}: a run of this source is already going on (process {pid})."
        return AlreadyRunning(told, advice="Wait for it to end, or use --wait.")

    with _locked(_lock_file(store, source), busy):
        yield


@contextmanager
def serve_alone(store: Store) -> Iterator[None]:
    """Be the store's daemon. Raises DaemonRunning when another process is; runs by hand beside it are welcome."""

    def busy(pid: str) -> DaemonRunning:
        told = f"the store {store.path.name} is served by another daemon already (process {pid})."
        return DaemonRunning(told, advice="Stop that one first, or give this one a store of its own.")

    # No source's lock has this name: theirs have a dash before the source.
    with _locked(store.path.with_name(f"{store.path.name}.lock"), busy):
        yield


@contextmanager
def _locked(path: Path, busy: Callable[[str], SyncdError]) -> Iterator[None]:
    """Hold a lock file, with this process's number in it. Raises busy(the holder's number)."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
            raise busy(pid or "unknown") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def is_held(store: Store, source: str) -> bool:
    """Whether a run of the source is going on at this moment, in any process."""
    path = _lock_file(store, source)
    with suppress(FileNotFoundError):
        handle = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
    return False


def next_epoch(connection: Connection, source: str) -> int:
    """Take the source's next epoch, in the caller's write transaction."""
    row = insert(sources).values(name=source, epoch=1)
    statement = row.on_conflict_do_update(index_elements=[sources.c.name], set_={"epoch": sources.c.epoch + 1})
    return int(connection.execute(statement.returning(sources.c.epoch)).scalar_one())


def check_epoch(connection: Connection, source: str, epoch: int) -> None:
    """Refuse to go on when a later run of the source has started. Raises Superseded."""
    latest = connection.execute(select(sources.c.epoch).where(sources.c.name == source)).scalar_one()
    if latest != epoch:
        raise Superseded(f"{source}: another run took over while this one was stopped; nothing of this one was applied.")
