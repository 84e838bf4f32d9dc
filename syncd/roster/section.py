"""A course as it is given: at a school, in a term, with a teacher. OneRoster says *class*."""

from typing import ClassVar

from syncd.roster.record import RosterRecord


class Section(RosterRecord, frozen=True, kw_only=True):
    """Not usable without a school: nobody could be shown whose section it is."""

    kind: ClassVar[str] = "section"

    name: str | None = None
    number: str | None = None
    type: str | None = None
    school_id: str | None = None
    course_id: str | None = None
    term_ids: tuple[str, ...] = ()
    grades: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    periods: tuple[str, ...] = ()
    location: str | None = None

    def lacks(self) -> str | None:
        return None if self.school_id else "school_id"
