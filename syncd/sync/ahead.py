"""Works ahead: what one step makes is made in a thread of its own while the next step works on what was made before.

Within bounds: at most DEPTH pages lie ready between two steps, and a source waits for us as we wait for it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from queue import Queue
from typing import TypeVar

from syncd.contract.connector import Context

DEPTH = 2

T = TypeVar("T")


class _End:
    """No more comes: all came, or what went wrong."""

    def __init__(self, problem: BaseException | None = None) -> None:
        self.problem = problem


@contextmanager
def ahead(items: Iterator[T], context: Context) -> Iterator[Iterator[T]]:
    """The items, and what raises among them, in their order. Who leaves the block early ends what is being fetched: `context.ended`."""
    ready: Queue[T | _End] = Queue(DEPTH)

    def fetch() -> None:
        try:
            for item in items:
                ready.put(item)
                if context.ended.is_set():
                    break
        except BaseException as problem:
            ready.put(_End(problem))
        else:
            ready.put(_End())

    def given() -> Iterator[T]:
        while not isinstance(item := ready.get(), _End):
            yield item
        thread.join()
        if item.problem is not None:
            raise item.problem

    thread = threading.Thread(target=copy_context().run, args=(fetch,), name=f"fetch-{context.source}", daemon=True)
    thread.start()
    try:
        yield given()
    finally:
        if thread.is_alive():
            context.ended.set()
            while not isinstance(ready.get(), _End):
                pass
            thread.join()
