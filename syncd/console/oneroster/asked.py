"""What a product asks for beside the address: limit, offset, sort, orderBy, filter and fields, read strictly. Pure.

The rules are those of OneRoster's REST binding, 1.1 and 1.2. What can not be read is refused (400) and never passed over: a filter that was
ignored would tell more, or fewer, than was asked for.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from syncd.export.documents import fields as fields_of
from syncd.view.rostering.asked import Asked, Clause

# Records a page if nothing is said, and at most; who asks for more gets so many.
PAGE, MOST = 100, 10_000
# Farther than any list is long.
FARTHEST = 10**9
# field op 'value', once or twice. A quote within a value stands twice: the standard does not say how else.
_CLAUSE = r"([A-Za-z][A-Za-z0-9_.]*)(!=|>=|<=|=|>|<|~)'((?:[^']|'')*)'"
_FILTER = re.compile(rf"{_CLAUSE}(?: (AND|OR) {_CLAUSE})?")


class Refused(Exception):
    """An answer that is none. minor: OneRoster's word for why. description: for people; nothing of what was sent."""

    def __init__(self, status: int, minor: str, description: str) -> None:
        super().__init__(description)
        self.status, self.minor, self.description = status, minor, description


@dataclass(frozen=True)
class Query:
    """asked: which records. fields: which of their fields; None: all."""

    asked: Asked
    fields: frozenset[str] | None


def read(given: Sequence[tuple[str, str]], resource: str, version: str) -> Query:
    """The parameters of a request, as (name, value). resource: the collection's documents, as `syncd.export.documents` calls them. Raises
    Refused."""
    told: dict[str, str] = {}
    for name, value in given:
        if name not in _MINOR:
            continue
        if name in told or "\0" in value:
            raise Refused(400, _minor(name, version), f"{name} can not be read.")
        told[name] = value
    clauses, either = _filter(told, version)
    asked = Asked(
        limit=min(_number(told, "limit", PAGE, 1, version), MOST),
        offset=_number(told, "offset", 0, 0, version),
        sort=told.get("sort", "sourcedId"),
        descending=_descending(told, version),
        clauses=clauses,
        either=either,
    )
    return Query(asked, _fields(told, resource, version))


# The word for what is wrong with a parameter: (1.1, 1.2).
_MINOR = {
    "limit": ("invalid_limit_field", "invalid_selection_field"),
    "offset": ("invalid_offset_field", "invalid_selection_field"),
    "sort": ("invalid_sort_field", "invalid_selection_field"),
    "orderBy": ("invalid_sort_field", "invalid_selection_field"),
    "filter": ("invalid_filter_field", "invalid_filter_field"),
    "fields": ("invalid_selection_field", "invalid_selection_field"),
}


def _minor(name: str, version: str) -> str:
    return _MINOR[name][version == "1.2"]


def refused(name: str, version: str, description: str) -> Refused:
    """The answer to a parameter that is not taken."""
    return Refused(400, _minor(name, version), description)


def quoted(part: str) -> str:
    """A part of an address, as it is written there."""
    return quote(part, safe="")


def _number(told: dict[str, str], name: str, default: int, least: int, version: str) -> int:
    text = told.get(name, str(default))
    if not (text.isascii() and text.isdecimal()):
        raise refused(name, version, f"{name} is a whole number of at least {least}.")
    # More digits than these say no more.
    found = int(text) if len(text) < 10 else FARTHEST
    if found < least:
        raise refused(name, version, f"{name} is a whole number of at least {least}.")
    return found


def _descending(told: dict[str, str], version: str) -> bool:
    order = told.get("orderBy", "asc")
    if order not in ("asc", "desc"):
        raise refused("orderBy", version, "orderBy is asc or desc.")
    return order == "desc"


def _filter(told: dict[str, str], version: str) -> tuple[tuple[Clause, ...], bool]:
    text = told.get("filter")
    if text is None:
        return (), False
    match = _FILTER.fullmatch(text)
    if match is None:
        raise refused("filter", version, "filter is one or two clauses like status='active', joined by AND or OR.")
    first, join, second = match.group(1, 2, 3), match.group(4), match.group(5, 6, 7)
    found = [first] if join is None else [first, second]
    return tuple(Clause(name, operator, value.replace("''", "'")) for name, operator, value in found), join == "OR"


def _fields(told: dict[str, str], resource: str, version: str) -> frozenset[str] | None:
    text = told.get("fields")
    if text is None:
        return None
    names = frozenset(name.strip() for name in text.split(","))
    if names == {""} and version == "1.1":
        raise Refused(400, "invalid_blank_selection_field", "fields names no field.")
    if not names <= fields_of(resource, version):
        raise refused("fields", version, "fields names a field that these records do not have.")
    return names
