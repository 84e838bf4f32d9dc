"""A service that is told to stop does so, at whatever moment that comes."""

import subprocess
import sys

CAUGHT_AT_THE_LOCK = """
import os, signal, threading, time
from syncd import signals

stop = threading.Event()
with signals.on({signal.SIGTERM: stop.set}):
    # Where Event.wait and Event.clear are for a moment.
    with stop._cond:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)
    assert stop.wait(10)
    stop.clear()
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.wait(10), "and the next one comes, too"
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "afterwards it is as it was"
print("stopped")
"""


def test_a_signal_is_heard_while_the_main_thread_is_at_the_lock_of_what_it_sets() -> None:
    done = subprocess.run([sys.executable, "-c", CAUGHT_AT_THE_LOCK], capture_output=True, text=True, timeout=60)
    assert done.stdout == "stopped\n", done.stderr
