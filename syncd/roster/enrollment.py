"""A user in a section, with a role."""

from typing import ClassVar

from syncd.roster.record import RosterRecord


class Enrollment(RosterRecord, frozen=True, kw_only=True):
    """Not usable without a section and a user. `end_date` is the last day, inclusive; none means open."""

    kind: ClassVar[str] = "enrollment"

    section_id: str | None = None
    user_id: str | None = None
    school_id: str | None = None
    role: str | None = None
    primary: bool | None = None
    begin_date: str | None = None
    end_date: str | None = None

    def lacks(self) -> str | None:
        if not self.section_id:
            return "section_id"
        return None if self.user_id else "user_id"
