"""A record of the roster as OneRoster's REST binding has it, 1.1 or 1.2.

Pure: a row goes in, with what the caller says of the reader's rights; a document comes out. What the source did not tell is left out, but
for names and titles, which the standard wants in each record: there it stands as "". Of a user who is gone only what the standard wants is
told.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from syncd.export import words
from syncd.files.oneroster import COLUMNS

Document = dict[str, Any]
# Of the demographics only what the standard knows; others' fields are of nobody's concern.
_DEMOGRAPHICS = frozenset(COLUMNS["demographics"]) - {"birthDate", "sex"}
# What kind of thing a reference names: (where it is to be had, how the standard calls it).
_REFERENCES = {
    "org": ("orgs", "org"), "term": ("academicSessions", "academicSession"), "course": ("courses", "course"),
    "section": ("classes", "class"), "user": ("users", "user"),
}  # fmt: skip


@dataclass(frozen=True)
class Writer:
    """How documents are written for one reader. version: "1.1" or "1.2". base: the address that references begin with. orgs: the ids of the
    orgs that the reader may know of; None: all. taught: {user: the roles that stand for theirs elsewhere}, of users whom the reader knows
    by their enrollments alone. role: tell users by this role (1.1's lists of students and teachers)."""

    version: str
    base: str
    orgs: Collection[str] | None = None
    taught: Mapping[str, list[words.Role]] = field(default_factory=dict)
    role: str | None = None

    def document(self, resource: str, row: Any, at: datetime | None) -> Document:
        """A row of the roster's table. resource: the kind in OneRoster's word for it (`users`, `demographics`, …). at: when it was changed
        last."""
        head = {"sourcedId": row.id, "status": words.status(row), "dateLastModified": "" if at is None else words.moment(at)}
        told = _KINDS[resource](self, row)
        more = {} if resource == "demographics" or row.status != "active" else _metadata(row)
        return head | {name: value for name, value in told.items() if value is not None} | more

    def org(self, row: Any) -> Document:
        parent = row.parent_id if self._known(row.parent_id) else None
        return {
            "name": row.name or "", "type": words.org_type(row), "identifier": row.identifier, "parent": self._reference("org", parent),
        }  # fmt: skip

    def term(self, row: Any) -> Document:
        return {
            "title": row.name or "",
            "type": row.type,
            "startDate": row.start_date,
            "endDate": words.day_after(row.end_date),
            "parent": self._reference("term", row.parent_id),
            "schoolYear": row.school_year,
        }

    def course(self, row: Any) -> Document:
        return {
            "title": row.name or "",
            "courseCode": row.number,
            "schoolYear": self._reference("term", words.named(words.beyond(row, "schoolYear"))),
            "org": self._reference("org", row.org_id if self._known(row.org_id) else None),
            "grades": words.grades(row),
            "subjects": list(row.subjects or ()),
            "subjectCodes": words.beyond(row, "subjectCodes"),
        }

    def section(self, row: Any) -> Document:
        return {
            "title": row.name or "",
            "classCode": row.number,
            "classType": row.type,
            "location": row.location,
            "grades": words.grades(row),
            "subjects": list(row.subjects or ()),
            "subjectCodes": words.beyond(row, "subjectCodes"),
            "course": self._reference("course", row.course_id),
            "school": self._reference("org", row.school_id),
            "terms": self._references("term", row.term_ids),
            "periods": list(row.periods or ()),
        }

    def enrollment(self, row: Any) -> Document:
        return {
            "user": self._reference("user", row.user_id),
            "class": self._reference("section", row.section_id),
            "school": self._reference("org", row.school_id if self._known(row.school_id) else None),
            "role": row.role,
            "primary": self._truth(row.primary),
            "beginDate": row.begin_date,
            "endDate": words.day_after(row.end_date),
        }

    def user(self, row: Any) -> Document:
        roles = self._roles(row)
        told: Document = {
            "username": row.username or ("" if self.version == "1.1" else None),
            "enabledUser": self._truth(row.enabled is not False and row.status == "active"),
            "givenName": row.given_name or "",
            "familyName": row.family_name or "",
        }
        told |= self._one_role(row, roles) if self.version == "1.1" else {"roles": self._each_role(row, roles)}
        if row.status != "active":
            return told
        told |= {
            "userIds": [{"type": kind, "identifier": value} for kind, value in words.user_ids(row)],
            "middleName": row.middle_name,
            "identifier": words.identifier(row),
            "email": row.email,
            "phone": row.phone,
            "agents": self._references("user", row.guardian_ids),
            "grades": words.grades(row),
        }
        if self.version == "1.2":
            told |= {
                "userMasterIdentifier": words.number(row, "userMasterIdentifier"),
                "preferredFirstName": row.preferred_given_name,
                "preferredLastName": row.preferred_family_name,
                "primaryOrg": self._reference("org", words.main_org(roles)),
            }
        return told

    def demographics(self, row: Any) -> Document:
        if row.status != "active":
            return {}
        rest = {name: words.plain(value) for name, value in (row.demographics or {}).items() if name in _DEMOGRAPHICS and value is not None}
        return {"birthDate": row.birth_date, "sex": words.sex(row, self.version)} | rest

    # ── parts of records ──

    def _roles(self, row: Any) -> list[words.Role]:
        """The roles of a user that the reader may know of: at orgs that are theirs, and where no org is named."""
        found = [role for role in row.roles or [] if role["org_id"] is None or self._known(role["org_id"])]
        return found if self.orgs is None or any(role["org_id"] for role in found) else [*found, *self.taught.get(row.id, [])]

    def _each_role(self, row: Any, roles: list[words.Role]) -> list[Document]:
        each = (
            {
                "roleType": "primary" if first else "secondary",
                "role": words.word(row, role["role"], self.version),
                "org": self._reference("org", role["org_id"]),
            }
            for role, first in words.roles_in_order_of_rank(roles)
        )
        return [{name: value for name, value in one.items() if value is not None} for one in each]

    def _one_role(self, row: Any, roles: list[words.Role]) -> Document:
        found = words.one_role(roles)
        if found is None:
            return {"orgs": []}
        best, orgs = found if self.role is None else (self.role, words.orgs_of(roles, self.role))
        return {"role": words.word(row, best, self.version), "orgs": self._references("org", orgs)}

    def _known(self, org: str | None) -> bool:
        return self.orgs is None or org in self.orgs

    def _truth(self, value: bool | None) -> bool | str | None:
        """1.1 has JSON's own truth, 1.2 the words "true" and "false"."""
        return value if value is None or self.version == "1.1" else str(value).lower()

    def _reference(self, kind: str, record_id: str | None) -> Document | None:
        if record_id is None:
            return None
        place, word = _REFERENCES[kind]
        return {"href": f"{self.base}/{place}/{quote(record_id, safe='')}", "sourcedId": record_id, "type": word}

    def _references(self, kind: str, ids: Collection[str] | None) -> list[Document | None]:
        return [self._reference(kind, one) for one in ids or ()]


def _metadata(row: Any) -> Document:
    found = words.beyond(row, "metadata")
    return {"metadata": found} if isinstance(found, dict) and found else {}


_KINDS: dict[str, Callable[[Writer, Any], Document]] = {
    "orgs": Writer.org,
    "academicSessions": Writer.term,
    "courses": Writer.course,
    "classes": Writer.section,
    "users": Writer.user,
    "enrollments": Writer.enrollment,
    "demographics": Writer.demographics,
}

# The names that `fields` may choose from, by resource; `metadata` among them.
_COMMON = ("sourcedId", "status", "dateLastModified", "metadata")
_USER = (
    "username", "userIds", "enabledUser", "givenName", "familyName", "middleName", "identifier", "email", "sms", "phone", "agents",
    "grades", "password",
)  # fmt: skip
_FIELDS: dict[str, tuple[str, ...]] = {
    "orgs": ("name", "type", "identifier", "parent", "children"),
    "academicSessions": ("title", "type", "startDate", "endDate", "parent", "children", "schoolYear"),
    "courses": ("title", "schoolYear", "courseCode", "grades", "subjects", "org", "subjectCodes", "resources"),
    "classes": (
        "title", "classCode", "classType", "location", "grades", "subjects", "course", "school", "terms", "subjectCodes", "periods",
        "resources",
    ),
    "enrollments": ("user", "class", "school", "role", "primary", "beginDate", "endDate"),
    "demographics": COLUMNS["demographics"],
    "users 1.1": (*_USER, "role", "orgs"),
    "users 1.2": (
        *_USER, "roles", "primaryOrg", "userMasterIdentifier", "preferredFirstName", "preferredMiddleName", "preferredLastName",
        "pronouns", "userProfiles", "resources",
    ),
}  # fmt: skip


def fields(resource: str, version: str) -> frozenset[str]:
    """The fields of a resource by the standard, those among them that we never have, too: to choose one is no mistake."""
    return frozenset((*_COMMON, *_FIELDS[f"users {version}" if resource == "users" else resource]))
