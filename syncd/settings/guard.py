"""`[sources.NAME.guard]` and `[sources.NAME.quiet]`: how much a run may change without asking a person."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, PlainValidator, model_validator

from syncd.roster.kinds import PLURAL
from syncd.settings.table import Table

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%$")
HOW = 'write a percentage such as "5%", a count such as 200, or both as in ["5%", 200]'


@dataclass(frozen=True, slots=True)
class Limit:
    """A percentage of the active records, a count, or both: then the lower one counts."""

    percent: float | None = None
    count: int | None = None

    def allows(self, count: int, of: int, floor: int = 0) -> bool:
        """Whether so many of so many may change. Up to `floor` always pass the percentage, never the count."""
        if self.count is not None and count > self.count:
            return False
        return self.percent is None or count <= floor or count <= of * self.percent / 100

    def __str__(self) -> str:
        percent = None if self.percent is None else f"{self.percent:g}%"
        return " or ".join(part for part in (percent, None if self.count is None else str(self.count)) if part)


def _limit(value: Any) -> Limit:
    if isinstance(value, Limit):
        return value
    percent: float | None = None
    count: int | None = None
    for part in value if isinstance(value, list) else [value]:
        found = _PERCENT.match(part.strip()) if isinstance(part, str) else None
        if found and float(found[1]) <= 100 and percent is None:
            percent = float(found[1])
        elif isinstance(part, int) and not isinstance(part, bool) and part >= 0 and count is None:
            count = part
        else:
            raise ValueError(HOW)
    if percent is None and count is None:
        raise ValueError(HOW)
    return Limit(percent, count)


Limited = Annotated[Limit, PlainValidator(_limit)]
Floor = Annotated[int, Field(ge=0)]


class KindLimits(Table):
    """`[sources.NAME.guard.users]` and so on: what differs for one kind."""

    max_deactivations: Limited | None = None
    """Of this kind."""

    max_deactivations_per_school: Limited | None = None
    """Of this kind, of one school."""

    max_creations: Limited | None = None
    """Of this kind."""

    max_updates: Limited | None = None
    """Of this kind."""

    floor: Floor | None = None
    """Of this kind, exactly as written."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one kind, everything filled in; None is no limit."""

    deactivations: Limit
    per_school: Limit
    creations: Limit | None
    updates: Limit
    floor: int
    creation_floor: int


# A new year makes all of these anew, so that a limit on their creation would only ever stop the new year.
MADE_ANEW = ("term", "course", "section", "enrollment")
# Enrollments that go with one leaver: seven classes and a homeroom, more or less.
PER_LEAVER = 10


class GuardSettings(Table):
    """How much may change, of the active records of a kind, within any 24 hours."""

    max_deactivations: Limited = Limit(percent=5)
    """Of a kind: far above a normal school day, far below a vanished school."""

    max_deactivations_per_school: Limited = Limit(percent=25)
    """Of the users, sections or enrollments of one school. (A whole school never goes without a person.)"""

    max_creations: Limited = Limit(percent=50)
    """Of users and orgs: a wrong district, or new ids for everybody. The first sync is free; terms, courses, sections and enrollments
    are, too, as each new year makes them anew."""

    max_updates: Limited = Limit(percent=75)
    """Of a kind: a field that the source renamed changes everybody."""

    floor: Floor = 5
    """So many always pass a percentage: a small school may lose one family. Ten times as many of enrollments, and of creations."""

    when_held: Literal["hold", "hold-all"] = "hold"
    """`"hold"`: apply what is safe and hold the rest. `"hold-all"`: hold everything."""

    confirm: Annotated[int, Field(ge=0, le=10_000)] = 100
    """How many records of a kind that are missing from the list are asked for by id before they count as gone. 0: none, for a source that
    fails whenever it is asked for one record (else nobody would ever leave)."""

    rekey: Literal["hold", "apply"] = "hold"
    """When the same people come under new ids: wait for a person, or apply it."""

    orgs: KindLimits = KindLimits()
    terms: KindLimits = KindLimits()
    courses: KindLimits = KindLimits()
    sections: KindLimits = KindLimits()
    users: KindLimits = KindLimits()
    enrollments: KindLimits = KindLimits()

    def limits(self, kind: str) -> Limits:
        """The limits that hold for a kind."""
        own: KindLimits = getattr(self, PLURAL[kind])
        floor = own.floor if own.floor is not None else self.floor * (PER_LEAVER if kind == "enrollment" else 1)
        return Limits(
            deactivations=own.max_deactivations or self.max_deactivations,
            per_school=own.max_deactivations_per_school or self.max_deactivations_per_school,
            creations=own.max_creations or (None if kind in MADE_ANEW else self.max_creations),
            updates=own.max_updates or self.max_updates,
            floor=floor,
            creation_floor=max(floor, self.floor * 10),
        )


def _day(value: Any) -> date:
    if type(value) is date:
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("write a day such as 2027-06-10") from None


Day = Annotated[date, PlainValidator(_day)]


class QuietSettings(Table):
    """Days, both inclusive, on which nobody is deactivated without a person: the summer, when the old year is taken down before the
    new one is built."""

    model_config = ConfigDict(populate_by_name=True)

    first: Day = Field(alias="from")
    """The first such day."""

    last: Day = Field(alias="to")
    """The last such day."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last < self.first:
            raise ValueError("to must not be before from")
        return self

    def covers(self, day: date) -> bool:
        return self.first <= day <= self.last
