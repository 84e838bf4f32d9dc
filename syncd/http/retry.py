"""What is worth retrying, how often, and how long to wait in between. The only place where a wait is decided."""

from collections.abc import Callable
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

# 408 and 425 mean "again"; 429 and 503 may say when; the other 5xx are passing faults more often than not.
WORTH_RETRYING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """How patient we are with a source; times in seconds, sizes in bytes.

    tries: requests sent before giving up; one that was answered with how long to wait does not count. first_wait, longest_wait: growing
    waits with jitter between them. most_asked: the longest that a source may make us wait for one answer, at once or in sum. connect,
    read: of one socket operation. deadline: of one whole answer, however slowly it drips. whole: of one pull. most_bytes: of one decoded
    body; 50,000 records, the most that a page can be asked to have, are seldom half of that, and about three times as much is held while
    it is read.
    """

    tries: int = 5
    first_wait: float = 1.0
    longest_wait: float = 30.0
    most_asked: float = 300.0
    connect: float = 10.0
    read: float = 60.0
    deadline: float = 300.0
    whole: float = 6 * 3600.0
    most_bytes: int = 128 * 1024 * 1024


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

    failed, asked = 0, 0.0

    def told(state: RetryCallState) -> float | None:
        problem = state.outcome.exception() if state.outcome else None
        return problem.told if isinstance(problem, Passing) else None

    def enough(state: RetryCallState) -> bool:
        nonlocal failed, asked
        seconds = told(state)
        failed, asked = (failed + 1, asked) if seconds is None else (failed, asked + seconds)
        return failed >= patience.tries or asked > patience.most_asked

    def wait(state: RetryCallState) -> float:
        seconds = told(state)
        return growing(state) if seconds is None else seconds

    def tell(state: RetryCallState) -> None:
        problem = state.outcome.exception() if state.outcome else None
        if isinstance(problem, Passing) and state.next_action:
            before(problem, state.attempt_number, state.next_action.sleep)

    return Retrying(
        retry=retry_if_exception_type(Passing),
        stop=enough,
        wait=wait,
        sleep=sleep,
        before_sleep=tell,
        reraise=True,
    )
