"""Each measured step is a process of its own, so that its peak memory is its own and nothing is warm from the step before.

A step takes its orders as one JSON argument and prints one JSON answer: how long the work itself took, without the start of Python.
"""

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any


def measured(module: str, *, whole_tree: bool = False, **orders: Any) -> dict[str, Any]:
    """Run `module` as a step and give its answer. Raises CalledProcessError when it fails; what it said stands on stderr.

    whole_tree: take for its peak what it and all its children have together, looked at ten times a second.
    """
    command = [sys.executable, "-m", module, json.dumps(orders)]
    most = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while whole_tree and process.poll() is None:
            most = max(most, _together(process.pid))
            time.sleep(0.1)
        said, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found | ({"peak": most} if whole_tree else {})


def _together(pid: int) -> float:
    """MiB of a process and its children at this moment; what several share is counted once."""
    import psutil

    total = 0
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
    return total / 2**20


def orders() -> dict[str, Any]:
    """What this step is to do."""
    found: dict[str, Any] = json.loads(sys.argv[1])
    return found


def answer(**found: Any) -> None:
    sys.stdout.write(json.dumps(found) + "\n")


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """(what the work gave, {seconds, cpu, peak})."""
    gc.collect()
    began, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "peak": peak()}


def peak() -> float:
    """MiB of memory that this process had at most. Linux's own count of this program: ru_maxrss begins with what the parent had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
