"""What signals ask for, done in a thread of their own.

Python runs a signal's handler in the middle of whatever the main thread does. Where that is at the lock of an Event, setting the same Event
within the handler waits for ever: the program hangs instead of stopping. So the handlers do nothing, and the numbers of the signals come
through a pipe (`signal.set_wakeup_fd`).
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def on(calls: Mapping[int, Callable[[], None]]) -> Iterator[None]:
    """Call these functions when their signals come. In the main thread only."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = {number: signal.signal(number, lambda _number, _frame: None) for number in calls}
    woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def listen() -> None:
        while came := os.read(reading, 1):
            calls.get(came[0], lambda: None)()
        os.close(reading)

    threading.Thread(target=listen, name="signals", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writing)
