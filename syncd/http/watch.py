"""The eye on the clock: a whole answer has a deadline, and a run that is to stop does not wait for a silent source.

A socket's own timeout counts from one byte to the next, so a source that drips a byte now and then holds a run for ever. A thread beside
the request shuts the connection down when its time is over; to the request that looks like a broken connection.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager

from syncd.contract.connector import EVERY, Networks
from syncd.http import inside


class Watch:
    """Watches one request at a time. over: whether nothing is to be asked any more. `expired` says whether the latest request was ended for
    taking too long."""

    def __init__(self, over: Callable[[], bool]) -> None:
        self.expired = False
        self._over = over
        self._connections: WeakSet[Any] = WeakSet()

    def adapter(self, networks: Networks | None) -> HTTPAdapter:
        """A transport whose connections this watch can end. networks: as `inside.Careful` has them."""
        return _Watched(self._connections, networks)

    @contextmanager
    def over(self, seconds: float) -> Iterator[None]:
        """A request of at most so many seconds, ended early when nothing is to be asked any more."""
        self.expired = False
        done = threading.Event()
        thread = threading.Thread(target=self._look, args=(time.monotonic() + seconds, done), name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()

    def _look(self, until: float, done: threading.Event) -> None:
        while not done.wait(EVERY):
            self.expired = time.monotonic() > until
            if self.expired or self._over():
                for connection in list(self._connections):
                    with suppress(OSError, AttributeError):
                        connection.sock.shutdown(socket.SHUT_RDWR)


class _Watched(HTTPAdapter):
    def __init__(self, connections: WeakSet[Any], networks: Networks | None) -> None:
        self._connections, self._networks = connections, networks
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self._tell_of_connections(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        self._tell_of_connections(manager)
        return manager

    def _tell_of_connections(self, manager: PoolManager) -> None:
        def seen(made: Any) -> Any:
            made.networks = self._networks
            self._connections.add(made)
            return made

        class Plain(HTTPConnectionPool):
            ConnectionCls = inside.Plain

            def _new_conn(self) -> Any:
                return seen(super()._new_conn())

        class Secure(HTTPSConnectionPool):
            ConnectionCls = inside.Secure

            def _new_conn(self) -> Any:
                return seen(super()._new_conn())

        manager.pool_classes_by_scheme = {"http": Plain, "https": Secure}
