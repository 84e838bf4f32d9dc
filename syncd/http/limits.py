"""How long a source asks us to wait: `Retry-After` (RFC 9110, section 10.2.3) and Clever's `X-RateLimit-*` headers."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def asked_to_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that the answer asks to wait, or None when it asks nothing that can be understood.

    A date is measured against the answer's own Date, since the two clocks may differ. A past or negative wait is None.
    """
    value = (headers.get("Retry-After") or "").strip()
    seconds: float | None = None
    if value.isdigit():
        seconds = float(value)
    elif value:
        until = _date(value)
        if until:
            seconds = (until - (_date(headers.get("Date", "")) or datetime.now(UTC))).total_seconds()
    elif headers.get("X-RateLimit-Reset"):
        try:
            seconds = float(headers["X-RateLimit-Reset"]) - time.time()
        except ValueError:
            return None
    return seconds if seconds is not None and seconds >= 0 else None


def used_up(headers: Mapping[str, str]) -> bool:
    """Whether the answer says that no further request is allowed until its reset."""
    return headers.get("X-RateLimit-Remaining", "").strip() == "0" and bool(headers.get("X-RateLimit-Reset"))


def _date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
