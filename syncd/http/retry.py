"""What is worth retrying, how often, and how long to wait in between. The only place where a wait is decided."""

from collections.abc import Callable
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

# 408 and 425 mean "again"; 429 and 503 may say when; the other 5xx are passing faults more often than not.
WORTH_RETRYING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """How patient we are with a source; times in seconds, sizes in bytes.

    tries: requests sent before giving up. first_wait, longest_wait: growing waits with jitter between them. most_asked: the longest
    wait that a source may ask for. connect, read: of one socket operation. deadline: of one whole answer, however slowly it drips.
    most_bytes: of one decoded body.
    """

    tries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 30.0
    most_asked: float = 300.0
    connect: float = 10.0
    read: float = 60.0
    deadline: float = 300.0
    most_bytes: int = 512 * 1024 * 1024


class Passing(Exception):
    """A fault that may pass. `told` is how many seconds the source asked to wait, if it did."""

    def __init__(self, reason: str, *, status: int | None = None, told: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.told = told


def retrying(patience: Patience, sleep: Callable[[float], None], before: Callable[[Passing, int, float], None]) -> Retrying:
    """Tenacity set up for one request: `before(reason, tries so far, seconds)` is called before each wait. Reraises Passing."""
    growing = wait_random_exponential(multiplier=patience.first_wait, max=patience.longest_wait, min=patience.first_wait / 2)

    def wait(state: RetryCallState) -> float:
        problem = state.outcome.exception() if state.outcome else None
        told = problem.told if isinstance(problem, Passing) else None
        return told if told is not None else growing(state)

    def tell(state: RetryCallState) -> None:
        problem = state.outcome.exception() if state.outcome else None
        if isinstance(problem, Passing) and state.next_action:
            before(problem, state.attempt_number, state.next_action.sleep)

    return Retrying(
        retry=retry_if_exception_type(Passing),
        stop=stop_after_attempt(patience.tries),
        wait=wait,
        sleep=sleep,
        before_sleep=tell,
        reraise=True,
    )
