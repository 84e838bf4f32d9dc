"""A person with roles: student, teacher, staff, district_admin, guardian.

What several documents may state of one person (who the guardians are; birth date and gender, which OneRoster lists apart)
is never part of the User that one document states, but a `UserPart`: the store puts the two together, so that it does not
matter in which order, or in which pull, the documents arrive.
"""

from typing import Any, ClassVar

import msgspec

from syncd.roster.record import RosterRecord


class Role(msgspec.Struct, frozen=True, order=True):
    """A role at an org; `primary` marks the person's main school."""

    role: str
    org_id: str | None = None
    primary: bool = False


class Identifier(msgspec.Struct, frozen=True, order=True):
    """A number by which some system knows the person."""

    type: str
    value: str


class User(RosterRecord, frozen=True, kw_only=True):
    """Usable with an id alone: a person without a name or a role is still a person (and reported as a data fault)."""

    kind: ClassVar[str] = "user"

    given_name: str | None = None
    middle_name: str | None = None
    family_name: str | None = None
    preferred_given_name: str | None = None
    preferred_family_name: str | None = None
    username: str | None = None
    email: str | None = None
    phone: str | None = None
    enabled: bool | None = None
    roles: tuple[Role, ...] = ()
    grades: tuple[str, ...] = ()
    student_number: str | None = None
    state_id: str | None = None
    identifiers: tuple[Identifier, ...] = ()
    guardian_ids: tuple[str, ...] = ()
    birth_date: str | None = None
    gender: str | None = None
    demographics: dict[str, Any] | None = None

    def home_id(self) -> str | None:
        """The org that the person counts for: of the primary role, else of the first role that names one."""
        homes = [role.org_id for role in sorted(self.roles, key=lambda role: not role.primary) if role.org_id]
        return homes[0] if homes else None


class UserPart(msgspec.Struct, frozen=True, kw_only=True):
    """What one document states of a user whom another document describes.

    user_id: the user. document_id: who states it. guardian_id: one guardian of the user. birth_date, gender,
    demographics: the user's demographics, only when the source is configured to take them.
    """

    user_id: str
    document_id: str
    guardian_id: str | None = None
    birth_date: str | None = None
    gender: str | None = None
    demographics: dict[str, Any] = {}
