"""What of the roster OneRoster says in words of its own, whichever way it goes out: roles, dates, ids, the sexes.

Rules of the standard's 1.1 and 1.2 (docs/roster.md, read the other way round). Pure: rows of the roster go in, plain values come out.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

# Our roles as OneRoster's, where the source's own word is not known.
_WORDS = {
    "1.1": {
        "student": "student", "teacher": "teacher", "guardian": "guardian", "staff": "administrator", "district_admin": "administrator",
    },
    "1.2": {
        "student": "student", "teacher": "teacher", "guardian": "guardian", "staff": "siteAdministrator",
        "district_admin": "districtAdministrator",
    },
}  # fmt: skip
# OneRoster's words that mean each of our roles, in either version.
_MEAN = {
    "guardian": ("parent", "relative", "guardian"),
    "staff": ("administrator", "siteadministrator", "principal", "counselor", "aide", "proctor"),
    "district_admin": ("districtadministrator", "systemadministrator"),
}
# Of 1.1's user roles.
_IN_11 = frozenset({"administrator", "aide", "guardian", "parent", "proctor", "relative", "student", "teacher"})
# Numbers that OneRoster has fields of their own for.
_OWN = ("identifier", "userMasterIdentifier")
# Clever's letters. 1.1 has no word for the third.
SEXES = {"M": "male", "F": "female", "X": "other"}

Role = dict[str, Any]


def beyond(row: Any, name: str) -> Any:
    """What the source sent beyond our fields, by name; None when there is none."""
    return (row.extra or {}).get(name)


def named(reference: Any) -> str | None:
    """The id in a reference as OneRoster sends it, `{"sourcedId": …}`."""
    return reference.get("sourcedId") if isinstance(reference, dict) else None


def status(row: Any) -> str:
    return "active" if row.status == "active" else "tobedeleted"


def moment(at: datetime) -> str:
    """A time as `2026-01-31T06:30:00.000Z`, to the millisecond before it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day_after(day: str | None) -> str | None:
    """OneRoster's end is the first day on which it is over; ours is the last on which it is not."""
    return None if day is None or day >= "9999-12-31" else (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def org_type(row: Any) -> str:
    return str(row.type if row.type in ("district", "school") else beyond(row, "type") or "department")


def grades(row: Any) -> list[str]:
    """As the source wrote them."""
    return list(beyond(row, "grades") or row.grades or ())


def word(row: Any, role: str, version: str) -> str:
    """The source's own word for a user's role, where there is just one that means it; else the plainest of the version."""
    told = [word for word in beyond(row, "roles") or [] if word.lower() in _MEAN.get(role, ())]
    if len(told) == 1 and (version == "1.2" or told[0].lower() in _IN_11):
        return str(told[0])
    return _WORDS[version].get(role, role)


def one_role(roles: list[Role]) -> tuple[str, list[str]] | None:
    """1.1 has one role a user, at any number of orgs: the main one, else the first. (role, orgs, the main one first); None for nobody."""
    if not roles:
        return None
    best = next((role for role in roles if role["primary"]), roles[0])["role"]
    return best, orgs_of(roles, best)


def orgs_of(roles: list[Role], role: str) -> list[str]:
    """The orgs at which a user has a role, the main one first."""
    held = sorted((one for one in roles if one["role"] == role), key=lambda one: not one["primary"])
    return [one["org_id"] for one in held if one["org_id"]]


def roles_in_order_of_rank(roles: list[Role]) -> Iterator[tuple[Role, bool]]:
    """Each role, and whether it is 1.2's `primary`: one for each org, if the person has a main school at all."""
    has_main = any(role["primary"] for role in roles)
    seen: set[str | None] = {role["org_id"] for role in roles if role["primary"]}
    for role in roles:
        first = role["primary"] or (has_main and role["org_id"] not in seen)
        seen.add(role["org_id"])
        yield role, first


def main_org(roles: list[Role]) -> str | None:
    return next((role["org_id"] for role in roles if role["primary"]), None)


def identifier(row: Any) -> str | None:
    """A student's number, else the number by which the source itself knows the user."""
    return row.student_number or number(row, "identifier")


def number(row: Any, kind: str) -> str | None:
    """The number of a type by which some system knows the user."""
    return next((one["value"] for one in reversed(row.identifiers or []) if one["type"] == kind), None)


def user_ids(row: Any) -> list[tuple[str, str]]:
    """(type, number) of all that have no field of their own; the state's number among them, also where the source has one for that."""
    found = [(one["type"], one["value"]) for one in row.identifiers or [] if one["type"] not in _OWN]
    if row.state_id and not any("state" in kind.lower() for kind, _ in found):
        found.append(("stateId", row.state_id))
    return found


def sex(row: Any, version: str) -> str | None:
    """The source's own word; of Clever's letters the version's word."""
    found = SEXES.get(row.gender or "", row.gender)
    return None if version == "1.1" and row.gender == "X" else found


def plain(value: Any) -> str:
    """A value of the demographics as text: OneRoster's truth is the word "true"."""
    return str(value).lower() if isinstance(value, bool) else str(value)
