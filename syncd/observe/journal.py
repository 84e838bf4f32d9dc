"""Lines for systemd's journal with their fields, so that `journalctl SYNCD_SOURCE=springfield SYNCD_RUN=12` finds what it should.

The native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram for each entry, one `FIELD=value` in each line of it. What comes here
has gone through the allow-list of `logs.py`: no value has a line break left that could forge a field. A library would add a dependency
and take the lines before they are cleaned.
"""

import json
import logging
import os
import socket
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, TextIO

SOCKET = Path("/run/systemd/journal/socket")
# Seconds to wait for a journal that does not read.
PATIENCE = 1.0
# syslog(3)'s.
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def reads(stream: TextIO) -> bool:
    """Whether what is written there ends in the journal: systemd says so in JOURNAL_STREAM, as device and inode (systemd.exec(5))."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def entry(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> str:
    """structlog's renderer: a cleaned line as an entry. The time is the journal's own."""
    told, level = str(event["event"]), event["level"]
    fields = {key: _text(value) for key, value in event.items() if key not in ("event", "level", "timestamp") and value is not None}
    lines = {
        "MESSAGE": " ".join([told, *(f"{key}={value}" for key, value in fields.items())]),
        "PRIORITY": _PRIORITIES[level],
        "SYSLOG_IDENTIFIER": "syncd",
        "SYNCD_EVENT": told,
        **{f"SYNCD_{key.upper()}": value for key, value in fields.items()},
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class JournalHandler(logging.Handler):
    """Sends each record to the journal; otherwise: who gets a record that the journal does not take (it is restarted, or the line is
    longer than a datagram)."""

    def __init__(self, otherwise: logging.Handler, address: Path = SOCKET) -> None:
        super().__init__()
        self._address, self._otherwise = str(address), otherwise
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(PATIENCE)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # Addressed each time: a journal that was started anew has another socket in the same place.
            self._socket.sendto(self.format(record).encode(errors="backslashreplace"), self._address)
        except OSError:
            self._otherwise.handle(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        self._socket.close()
        super().close()
