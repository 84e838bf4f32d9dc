"""What is taught, whoever teaches it and whenever."""

from typing import ClassVar

from syncd.roster.record import RosterRecord


class Course(RosterRecord, frozen=True, kw_only=True):
    """`grades` in CEDS codes, in school order. Usable with an id alone."""

    kind: ClassVar[str] = "course"

    name: str | None = None
    number: str | None = None
    org_id: str | None = None
    grades: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
