"""Several pages at once: asks for pages before their turn, where it is known what will be asked for.

Each is tried once, without patience. What did not come so is asked for again in its turn, with all the care that `Http.get` takes, and from
then on nothing is asked for early: a source that stumbles is not pressed.
"""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from syncd.errors import SourceError
from syncd.http.retry import Passing
from syncd.http.session import Answer, Http


class Ahead:
    """at_once: how many requests may be under way at one time; 1 asks for nothing before its turn."""

    def __init__(self, http: Http, at_once: int) -> None:
        self._http = http
        self._room = at_once if at_once > 1 else 0
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="ahead")
        self._under_way: dict[tuple[str, str], Future[Answer]] = {}

    def expect(self, resource: str, wanted: Iterable[dict[str, Any]]) -> None:
        """The parameters with which a resource will be asked for next, soonest first; those for which there is no room wait."""
        for params in wanted:
            if len(self._under_way) >= self._room:
                return
            key = _key(resource, params)
            if key not in self._under_way:
                self._under_way[key] = self._pool.submit(copy_context().run, self._http.try_once, resource, params, resource=resource)

    def take(self, resource: str, params: dict[str, Any]) -> Answer | None:
        """The answer that was asked for early, if it came; waits for it, and as long as it asks for. Raises Stopped."""
        future = self._under_way.pop(_key(resource, params), None)
        if future is None:
            return None
        try:
            answer = future.result()
        except (Passing, SourceError) as problem:
            self._room = 0
            if isinstance(problem, Passing) and problem.told:
                self._http.context.wait(problem.told)
            return None
        self._http.heed(answer)
        return answer

    def forget(self) -> None:
        """What is under way will not be asked for."""
        for future in self._under_way.values():
            future.cancel()
        self._under_way.clear()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _key(resource: str, params: dict[str, Any]) -> tuple[str, str]:
    return resource, repr(params)
