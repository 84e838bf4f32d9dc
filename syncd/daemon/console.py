"""The console's process, as its daemon keeps it: started, started anew when it dies, ended with the daemon.

A process of its own: so a page never waits for a pull's turn at the interpreter, and whatever a browser sends can not harm a run.
"""

import subprocess  # nosec B404  # runs nothing but this very program
import sys
import time
from pathlib import Path

import structlog

log = structlog.get_logger()

# Seconds to wait before it is started anew; doubled each time that it does not live for long.
SHORTEST, LONGEST = 1.0, 60.0
# Seconds after which it counts as living well.
WELL = 60.0
# Seconds in which it may end by itself.
PATIENCE = 10.0


class Console:
    """path: of the configuration file. Nothing of it raises: no console must keep a daemon from syncing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._again = 0.0
        self._wait = SHORTEST

    def tend(self) -> None:
        """To be called every few seconds: start it if it is not there."""
        now = time.monotonic()
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._wait = SHORTEST if now - self._started > WELL else min(self._wait * 2, LONGEST)
            log.error("the console ended", status=self._process.returncode, seconds=round(self._wait))
            self._process, self._again = None, now + self._wait
        if now >= self._again:
            self._start(now)

    def _start(self, now: float) -> None:
        command = [sys.executable, "-m", "syncd.console", str(self._path)]
        try:
            # It ends when the other end of its standard input does, however the daemon dies.
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE)  # noqa: S603  # nosec B603  # no shell
            self._started = now
        except OSError as problem:
            self._again = now + LONGEST
            log.error("the console could not start", error=type(problem).__name__)

    def stop(self) -> None:
        """End it."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
