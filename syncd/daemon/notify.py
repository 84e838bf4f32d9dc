"""What the service manager is told: that the service is ready, reads its configuration anew, is alive, or stops. sd_notify(3).

The protocol is one datagram, and declared stable; the libraries for it are larger than it is, older, or do not build everywhere. Where
nobody listens (NOTIFY_SOCKET is not set) nothing is sent; what can not be sent harms nobody.
"""

import os
import socket
import time
from contextlib import suppress

from syncd.report import RunReport

# Seconds to wait for a manager that does not read, and between two signs of life when nobody counts on them.
PATIENCE, UNCOUNTED = 1.0, 10.0


def tell(**state: object) -> None:
    """Send some assignments, as in READY=1."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    # An @ stands for the zero byte of an address that is in no folder.
    address = address.replace("@", "\0", 1) if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(PATIENCE)
        sender.sendto("\n".join(f"{name}={value}" for name, value in state.items()).encode(), address)


def status(sources: int, latest: RunReport | None) -> str:
    """A service in one line: how many sources it has, and the latest run since it was started."""
    told = "no run yet since the start" if latest is None else f"latest run {latest.run}: {latest.source}, {latest.state}"
    return f"sources: {sources}; {told}"


def ready(status: str) -> None:
    """All is up, or was read anew; may be told as often as one likes."""
    tell(READY=1, STATUS=status)


def alive() -> None:
    """A sign of life: the manager ends and restarts a service that gives none for WatchdogSec=."""
    tell(WATCHDOG=1)


def reloading() -> None:
    tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)


def stopping() -> None:
    tell(STOPPING=1)


def interval() -> float:
    """Seconds between two signs of life: a quarter of the time after which the manager takes the service for hung."""
    counted = os.environ.get("WATCHDOG_USEC", "")
    return min(int(counted) / 4_000_000, UNCOUNTED) if counted.isdecimal() and int(counted) else UNCOUNTED
