"""A district, a school, or another unit."""

from typing import ClassVar

from syncd.roster.record import RosterRecord


class Org(RosterRecord, frozen=True, kw_only=True):
    """`type` is `district`, `school` or `other`. Usable with an id alone."""

    kind: ClassVar[str] = "org"

    name: str | None = None
    type: str = "other"
    identifier: str | None = None
    parent_id: str | None = None
