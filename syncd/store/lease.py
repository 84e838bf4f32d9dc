"""One run per source at a time, whoever starts it: a lock, and a fence in the store. One daemon per store.

The lock is given back at the instant its process dies, however it dies; no clock decides. The fence is the source's epoch: a run takes the
next one when it starts and applies only if it is still the latest (design section 2, rule 7).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

from sqlalchemy import Connection, select

from syncd.errors import AlreadyRunning, DaemonRunning, StoreError, Superseded
from syncd.store.engine import Store
from syncd.store.postgresql import PostgresStore
from syncd.store.tables import sources
from syncd.store.upsert import insert

# No source has this name: theirs begin with a letter or a digit.
DAEMON = "-daemon"
# In the error of each run that was overtaken.
OVERTAKEN = "another run took over"


@contextmanager
def hold(store: Store, source: str) -> Iterator[None]:
    """Hold the source for one run. Raises AlreadyRunning at once when another process or thread holds it."""

    def busy(pid: str) -> AlreadyRunning:
        told = f"{source}: a run of this source is already going on (process {pid})."
        return AlreadyRunning(told, advice="Wait for it to end, or use --wait.")

    with store.locked(source, busy):
        yield


@contextmanager
def serve_alone(store: Store) -> Iterator[Callable[[], None]]:
    """Be the store's daemon. Raises DaemonRunning when another process is; runs by hand beside it are welcome. Gives back `_hold_on`."""

    def busy(pid: str) -> DaemonRunning:
        told = f"the store {store.name} is served by another daemon already (process {pid})."
        return DaemonRunning(told, advice="Stop that one first, or give this one a store of its own.")

    with _hold_on(store, lambda: store.locked(DAEMON, busy)) as again:
        yield again


@contextmanager
def serve_together(store: PostgresStore) -> Iterator[Callable[[], None]]:
    """Be one of several processes that share the store. Raises DaemonRunning when a daemon has it alone, which must not begin either. Gives
    back `_hold_on`."""

    def busy(pid: str) -> DaemonRunning:
        told = f"the store {store.name} is served by a daemon that shares it with nobody (process {pid})."
        return DaemonRunning(told, advice="Stop that one first, and give it the same [cluster] as the others.")

    with _hold_on(store, lambda: store.shared(DAEMON, busy)) as again:
        yield again


@contextmanager
def _hold_on(store: Store, take: Callable[[], AbstractContextManager[None]]) -> Iterator[Callable[[], None]]:
    """Hold the daemons' lock. Gives what is to be called every few seconds: a database that was started anew has forgotten the lock, and it
    has to be taken again. That raises DaemonRunning when another was quicker."""
    with ExitStack() as held:
        held.enter_context(take())

        def again() -> None:
            # While the database is away, nobody else can begin either.
            with suppress(StoreError):
                if not store.is_locked(DAEMON):
                    held.enter_context(take())

        yield again


def is_held(store: Store, source: str) -> bool:
    """Whether a run of the source is going on at this moment, in any process."""
    return store.is_locked(source)


def next_epoch(connection: Connection, source: str) -> int:
    """Take the source's next epoch, in the caller's write transaction."""
    row = insert(connection, sources).values(name=source, epoch=1)
    statement = row.on_conflict_do_update(index_elements=[sources.c.name], set_={"epoch": sources.c.epoch + 1})
    return int(connection.execute(statement.returning(sources.c.epoch)).scalar_one())


def wait_for_appliers(connection: Connection, source: str) -> None:
    """Wait for the end of any transaction that applies to the source, in the caller's write transaction."""
    connection.execute(select(sources.c.epoch).where(sources.c.name == source).with_for_update())


def check_epoch(connection: Connection, source: str, epoch: int) -> None:
    """Refuse to go on when a later run of the source has started. Raises Superseded."""
    latest = connection.execute(select(sources.c.epoch).where(sources.c.name == source).with_for_update()).scalar_one()
    if latest != epoch:
        raise Superseded(f"{source}: {OVERTAKEN} while this one was stopped; nothing of this one was applied.")
