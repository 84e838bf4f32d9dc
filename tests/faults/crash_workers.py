"""Workers that are killed in the middle of a run, each at a point of its own: `python -m tests.faults.crash_workers CONFIG POINT…`.

One after the other, a process is forked that is a `syncd worker`: it hears the bell, pulls, and ends itself with SIGKILL at its point. The
last line on stdout is a JSON list: each worker's process, and how it ended.

A point is the beginning of a statement, or COMMIT; with ` > ` between them, the last of several that come one after the other. What a
worker sends besides, beside its pull, does not count.
"""

import json
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path

from syncd.daemon import worker
from syncd.observe import logs
from syncd.settings.file import load
from tests.faults.crash import in_a_process, watch

# Seconds after which a worker that does not come to its point is ended.
PATIENCE = 30


def kill_at(point: str, told: int) -> None:
    """End this process at the point, and write first which one it is."""
    steps = point.split(" > ")

    def reached(where: str) -> None:
        if threading.current_thread().name.startswith(("pull", "fetch")) and where.startswith(steps[0]):
            steps.pop(0)
            if not steps:
                os.kill(os.getpid(), signal.SIGKILL)

    os.write(told, str(os.getpid()).encode())
    signal.alarm(PATIENCE)
    watch(reached)


def main(config: Path, points: list[str]) -> None:
    logs.configure(json=True, level="info", strict=True, stream=config.with_suffix(".log").open("w"))
    settings = load(config)
    killed = []
    for point in points:
        ended, process = in_a_process(partial(kill_at, point), lambda: worker.work(config, settings))
        killed.append((int(process), ended))
    sys.stdout.write(json.dumps(killed) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
