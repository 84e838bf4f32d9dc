"""A stretch of the school year: a year, a semester, a grading period."""

from typing import ClassVar

from syncd.roster.record import RosterRecord


class Term(RosterRecord, frozen=True, kw_only=True):
    """Dates are `YYYY-MM-DD`; `end_date` is the last day, inclusive. Usable with an id alone."""

    kind: ClassVar[str] = "term"

    name: str | None = None
    type: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    parent_id: str | None = None
    school_year: str | None = None
