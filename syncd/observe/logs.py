"""Logs without personal data: an allow-list of fields, known secrets struck out, JSON on a service (or the form of systemd's journal,
`journal.py`) and readable on a terminal.

An unknown field is dropped in production and raises in tests (design section 2, rule 9): a deny-list would forget something. Lines of
other libraries go the same way. Tracebacks never show local variables, and never the text of an error, which may quote data.
"""

import faulthandler
import logging
import re
import sys
import traceback
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from syncd.observe import journal
from syncd.secret import revealed

ALLOWED = frozenset(
    [
        "event",
        "level",
        "timestamp",
        "run",
        "source",
        "kind",
        "resource",
        "counts",
        "count",
        "of",
        "limit",
        "record_id",
        "rule",
        "seconds",
        "status",
        "host",
        "path",
        "page",
        "pages",
        "documents",
        "tries",
        "mode",
        "trigger",
        "state",
        "error",
        "pid",
        "requests",
        "bytes",
        "schedule",
        "next",
        "signal",
        "connector",
        "version",
        "address",
        "port",
        "day",
        "where",
        "total",
        "logger",
        "step",
    ]
)

_PATTERNS = re.compile(
    r"(?i:bearer|basic)\s+[\w.~+/=-]{6,}"
    r"|(?i:\b(?:access_token|token|secret|client_secret|api_?key|password|signature)\b(?:=|[\"']\s*:\s*[\"']))[^\s&,;\"']+"
    r"|syncd_[\w-]{20,}"
    r"|eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]+)?"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

Event = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, as it was logged: `fields` are what stands beside event, level, time, run and source."""

    at: datetime
    level: str
    event: str
    run: int | None
    source: str | None
    fields: dict[str, Any]


_sinks: list[Callable[[LogLine], None]] = []


def add_sink(sink: Callable[[LogLine], None]) -> None:
    """Hand every further line, already cleaned, to `sink` too (from the thread that logs it)."""
    _sinks.append(sink)


def remove_sink(sink: Callable[[LogLine], None]) -> None:
    _sinks.remove(sink)


def clean(text: str) -> str:
    """The text with secrets struck out and control characters (which could forge a line) shown as escapes."""
    for secret in revealed():
        if len(secret) >= 4:
            text = text.replace(secret, "[secret]")
    return escaped(_PATTERNS.sub("[secret]", text))


def escaped(text: str) -> str:
    """The text with characters that act on a screen, or forge a line, shown as escapes."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): _clean(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(part) for part in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return clean(str(value))


def _where(_logger: Any, _name: str, event: Event) -> Event:
    """Turn exc_info into `where`: class, file and line of each frame, without values."""
    info = event.pop("exc_info", None)
    if info:
        if isinstance(info, BaseException):
            info = (type(info), info, info.__traceback__)
        kind, problem, trace = sys.exc_info() if info is True else info
        if kind is not None:
            frames = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in traceback.extract_tb(trace)]
            event["error"] = event.get("error", kind.__name__)
            event["where"] = " > ".join(frames)
    return event


def _allow(strict: bool) -> Callable[[Any, str, Event], Event]:
    def allow(_logger: Any, _name: str, event: Event) -> Event:
        unknown = [key for key in event if key not in ALLOWED and not key.startswith("_")]
        if unknown and strict:
            raise ValueError(f"log fields that are not on the allow-list: {', '.join(unknown)}")
        for key in unknown:
            del event[key]
        for key in list(event):
            if not key.startswith("_"):
                event[key] = _clean(event[key])
        return event

    return allow


def _hand_to_sinks(_logger: Any, _name: str, event: Event) -> Event:
    if _sinks:
        fields = {
            key: value
            for key, value in event.items()
            if key not in ("event", "level", "timestamp", "run", "source") and not key.startswith("_")
        }
        line = LogLine(datetime.now(UTC), event["level"], event["event"], event.get("run"), event.get("source"), fields)
        for sink in tuple(_sinks):
            sink(line)
    return event


def _rendered(shared: list[Any], last: Any) -> logging.Formatter:
    """Lines of other libraries go through the same chain; `last` makes text of what is left."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, _allow(False)],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
    )


def configure_service(level: str) -> None:
    """Set up the logs of a process that nobody looks at: for the journal, if it reads stderr, else as JSON."""
    # Where each thread stood, by file and line, when the service manager ends a process that hangs (SIGABRT); values are not shown.
    faulthandler.enable()
    configure(json=not sys.stderr.isatty(), level=level, journal_at=journal.SOCKET if journal.reads(sys.stderr) else None)


def configure(
    *,
    json: bool,
    level: str = "info",
    shown: str | None = None,
    strict: bool = False,
    stream: Any = None,
    journal_at: Path | None = None,
) -> None:
    """Set up the logs of this process.

    json: one JSON object a line (a service), else for a person's terminal. level: debug, info, warning or error. shown: the least that is
    written, where that is more than what sinks get. strict: an unknown field raises ValueError (tests). stream: where to write; stderr by
    default. journal_at: the socket of systemd's journal; then the stream gets only what the journal does not take.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _where,
    ]
    last: Any = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=(stream or sys.stderr).isatty(), pad_event_to=24)
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            _allow(strict),
            _hand_to_sinks,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler: logging.Handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_rendered(shared, last))
    if journal_at is not None:
        handler = journal.JournalHandler(handler, journal_at)
        handler.setFormatter(_rendered(shared, journal.entry))
    handler.setLevel((shown or level).upper())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in (
        "urllib3",
        "sqlalchemy",
        "apscheduler",
        "alembic",
        "uvicorn",
        "asyncio",
        "requests_oauthlib",
        "oauthlib",
        "procrastinate",
        "psycopg",
    ):
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    # Its warnings quote addresses and answers.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    # What it says of a fault holds the address, and that a token.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
