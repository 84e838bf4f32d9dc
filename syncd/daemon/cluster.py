"""Taking part in a store that several machines share: what `syncd serve` and `syncd worker` have in common there."""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from syncd.errors import ConfigError, StoreError
from syncd.settings.file import Settings
from syncd.store import Store, lease, members
from syncd.store.postgresql import PostgresStore


class Membership(NamedTuple):
    """This process as a member: its name, and the schema of the queue it uses. hold_on: to be called with each sign of life, so that no
    daemon begins that shares the store with nobody. Raises DaemonRunning when one has."""

    store: PostgresStore
    name: str
    queue: str
    hold_on: Callable[[], None]


def require(settings: Settings) -> None:
    """Raises ConfigError where several machines can not share the store."""
    if not settings.cluster.enabled:
        raise ConfigError(
            f"{settings.path}: [cluster] enabled: is not true, and so `syncd serve` pulls by itself: no worker has anything to do.",
        )
    if importlib.util.find_spec("procrastinate") is None:
        raise ConfigError(f"{settings.path}: [cluster] enabled: needs what `pip install 'syncd[cluster]'` installs besides.")


@contextmanager
def member(store: Store, settings: Settings, role: str) -> Iterator[Membership]:
    """Take part, until the end of the block. Raises DaemonRunning when a daemon has the store alone."""
    require(settings)
    from syncd.daemon import queue

    assert isinstance(store, PostgresStore)
    name = members.new_name()
    store.call_connections(name)
    # This connection is there as long as the process: by it the others see that it lives.
    with lease.serve_together(store) as hold_on:
        with store.write() as connection:
            schema = queue.prepare(connection)
            members.join(connection, name, role, places=settings.workers if role == members.WORKER else 0, queue=schema)
        try:
            yield Membership(store, name, schema, hold_on)
        finally:
            # Who can not say goodbye is missed soon enough.
            with suppress(StoreError), store.write() as connection:
                members.leave(connection, name)
