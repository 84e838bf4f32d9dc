"""How long a source asks us to wait: `Retry-After` (RFC 9110, section 10.2.3) and Clever's `X-RateLimit-*` headers."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def asked_to_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that the answer asks to wait, at least one, or None when it asks nothing that can be understood.

    A time is measured against the answer's own Date, since the two clocks may differ. No wait, a past or a negative one is None.
    """
    value = (headers.get("Retry-After") or "").strip()
    now = date(headers) or datetime.now(UTC)
    seconds: float | None = None
    # "²" is a digit too, but no number.
    if value.isascii() and value.isdigit():
        seconds = float(value)
    elif value:
        until = _date(value)
        seconds = (until - now).total_seconds() if until else None
    elif headers.get("X-RateLimit-Reset"):
        try:
            seconds = float(headers["X-RateLimit-Reset"]) - now.timestamp()
        except ValueError:
            return None
    return max(seconds, 1.0) if seconds is not None and seconds > 0 else None


def date(headers: Mapping[str, str]) -> datetime | None:
    """The server's clock, as the answer tells it."""
    return _date(headers.get("Date", ""))


def used_up(headers: Mapping[str, str]) -> bool:
    """Whether the answer says that no further request is allowed until its reset."""
    return headers.get("X-RateLimit-Remaining", "").strip() == "0" and bool(headers.get("X-RateLimit-Reset"))


def _date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
