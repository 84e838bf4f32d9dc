"""Reading what a source may send: nothing here raises, whatever the value is. Pure.

Absent, null, "" and blanks are no value; numbers become text. What nobody can see and no database needs is dropped (docs/roster.md has
the rule), so that the same text is the same on every database, and no name can act on the screen that shows it.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any
from unicodedata import is_normalized, normalize

_BREAKS = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
# Controls, lone surrogates, direction overrides and blanks without width. Joiners and direction marks stay: scripts need them.
_DROPPED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff]")
_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?$")
_US_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})$")

# Characters of an id (OneRoster's own limit): ids are keys, and a key has to fit into an index of any database.
LONGEST_ID = 255

GRADES = ("IT", "PR", "PK", "TK", "KG", *(f"{n:02}" for n in range(1, 14)), "PS", "UG", "Other")
_GRADE_ORDER = {grade: place for place, grade in enumerate(GRADES)}


def text(value: Any) -> str | None:
    """A string or number as trimmed text; anything else is no value."""
    if isinstance(value, str):
        if value.isprintable():
            return (value if value.isascii() else composed(value)).strip() or None
        return composed(_DROPPED.sub("", _BREAKS.sub(" ", value)).strip()) or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # 1017.0 is what a spreadsheet makes of 1017.
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else str(value)


def reference(value: Any) -> str | None:
    """The id of another record as text; what is longer than any id names nobody."""
    found = text(value)
    return found if found is None or len(found) <= LONGEST_ID else None


def composed(value: str) -> str:
    """Letters that were sent as base and marks as one letter, so that both spellings of a name are one. Characters that Unicode would put
    another in place of (as of Japanese family names) stay as they were sent."""
    if value.isascii() or is_normalized("NFC", value):
        return value
    parts = groupby(value, key=lambda letter: normalize("NFC", letter) != letter)
    return "".join("".join(letters) if replaced else normalize("NFC", "".join(letters)) for replaced, letters in parts)


def texts(value: Any) -> list[str]:
    """A list of texts, in the order sent; a single value is a list of one."""
    if value is None:
        return []
    items = value if isinstance(value, list) else [value]
    return [found for found in map(text, items) if found is not None]


def text_set(value: Any) -> tuple[str, ...]:
    """A set of texts: without doubles, sorted."""
    return tuple(sorted(set(texts(value))))


def flag(value: Any) -> bool | None:
    """true, "true", "TRUE", "Y", 1, "1" and their opposites."""
    if isinstance(value, bool):
        return value
    word = (text(value) or "").lower()
    return True if word in ("true", "y", "yes", "1") else False if word in ("false", "n", "no", "0") else None


def day(value: Any) -> tuple[str | None, bool]:
    """(`YYYY-MM-DD` or None, whether it could be understood). A time behind it is left off; m/d/yyyy only when it is not ambiguous."""
    return _day(value) if isinstance(value, str) else _day(text(value)) if text(value) is not None else (None, value is None)


@lru_cache(maxsize=10_000)
def _day(value: str) -> tuple[str | None, bool]:
    found = text(value)
    if found is None:
        return None, True
    if match := _DAY.match(found):
        year, month, number = (int(part) for part in match.groups())
    elif (match := _US_DAY.match(found)) and int(match[2]) > 12:
        month, number, year = (int(part) for part in match.groups())
    else:
        return None, False
    try:
        return date(year, month, number).isoformat(), True
    except ValueError:
        return None, False


def day_before(value: str | None) -> str | None:
    """The day before a `YYYY-MM-DD`: an exclusive end as the last day."""
    if value is None or value <= "0001-01-01":
        return value
    return (date.fromisoformat(value) - timedelta(days=1)).isoformat()


def moment(value: Any) -> datetime | None:
    """An ISO time as aware UTC (one without a zone is taken for UTC), or None when it can not be understood."""
    found = text(value)
    if found is None:
        return None
    try:
        time = datetime.fromisoformat(found.replace(" Z", "Z"))
        if time.tzinfo is UTC:
            return time
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def in_school_order(grades: set[str]) -> tuple[str, ...]:
    """Known grades from infants to adults, then unknown ones by name."""
    return tuple(sorted(grades, key=lambda grade: (_GRADE_ORDER.get(grade, len(GRADES)), grade)))


def storable(value: Any, depth: int = 20) -> Any:
    """A JSON value for `extra`: empty parts left out, text as `text` has it, nothing deeper than `depth`."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        if depth == 0:
            return None
        kept = {(text(name) or ""): storable(part, depth - 1) for name, part in value.items()}
        return {name: part for name, part in kept.items() if name and part not in (None, {}, [])} or None
    if isinstance(value, list):
        if depth == 0:
            return None
        return [part for part in (storable(item, depth - 1) for item in value) if part is not None] or None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value
