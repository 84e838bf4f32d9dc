"""A district from a folder of OneRoster CSV files, 1.1 or 1.2 (oneroster.md section 8).

Lenient where it makes sense: columns are found by name, optional columns and files may be missing, references
that lead nowhere are dropped. It is a way to bring one's own data into the sandbox, not a validator.
"""

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from syncd.sandbox.district import (
    Course,
    District,
    Enrollment,
    Guardian,
    Org,
    Role,
    Section,
    Term,
    User,
)

ROLES = {
    "student": "student",
    "teacher": "teacher",
    "guardian": "guardian",
    "parent": "guardian",
    "relative": "guardian",
    "districtadministrator": "district_admin",
    "systemadministrator": "district_admin",
    "administrator": "staff",
    "siteadministrator": "staff",
    "principal": "staff",
    "counselor": "staff",
    "aide": "staff",
    "proctor": "staff",
}
WORDS = {"parent", "guardian", "relative", "systemAdministrator", "principal", "counselor", "aide", "proctor"}
RACES = {
    "americanIndianOrAlaskaNative": "American Indian",
    "asian": "Asian",
    "blackOrAfricanAmerican": "Black or African American",
    "nativeHawaiianOrOtherPacificIslander": "Hawaiian or Other Pacific Islander",
    "white": "Caucasian",
    "demographicRaceTwoOrMoreRaces": "Two or More Races",
}
SEXES = {"male": "M", "female": "F", "other": "X"}

Row = dict[str, str]


def load(folder: str | Path, *, seed: int = 1) -> District:
    """The district in a folder. Raises ValueError when it has no orgs.csv or users.csv, or one of no use."""
    folder = Path(folder)
    for name in ("orgs", "users"):
        if not _rows(folder, name):
            raise ValueError(f"{folder} has no {name}.csv with sourcedIds in it")
    sessions = _rows(folder, "academicSessions")
    starts = sorted(day for row in sessions if (day := _day(row.get("startDate"))))
    district = District(seed=seed, first_day=_weekday(date.fromisoformat(starts[0]) if starts else date(2026, 8, 17)))
    _orgs(district, _rows(folder, "orgs"))
    for row in sessions:
        first, end = _day(row.get("startDate")), _day(row.get("endDate"))
        _put(
            district,
            "terms",
            row,
            Term(
                id=row["sourcedId"],
                name=row.get("title"),
                type=row.get("type") or "term",
                first_day=first or str(district.first_day),
                last_day=_before(end) or first or str(district.first_day),
                parent=row.get("parentSourcedId"),
                school_year=row.get("schoolYear"),
            ),
        )
    for row in _rows(folder, "courses"):
        _put(
            district,
            "courses",
            row,
            Course(
                id=row["sourcedId"],
                name=row.get("title"),
                number=row.get("courseCode"),
                org=_known(district.orgs, row.get("orgSourcedId")),
                school_year=_known(district.terms, row.get("schoolYearSourcedId")),
                grades=_list(row.get("grades")),
                subjects=_list(row.get("subjects")),
            ),
        )
    for row in _rows(folder, "classes"):
        _put(
            district,
            "sections",
            row,
            Section(
                id=row["sourcedId"],
                name=row.get("title"),
                number=row.get("classCode"),
                school=_known(district.orgs, row.get("schoolSourcedId")),
                type=row.get("classType") or "scheduled",
                course=_known(district.courses, row.get("courseSourcedId")),
                location=row.get("location"),
                terms=[name for name in _list(row.get("termSourcedIds")) if name in district.terms],
                grades=_list(row.get("grades")),
                subjects=_list(row.get("subjects")),
                periods=_list(row.get("periods")),
            ),
        )
    _users(district, folder)
    for row in _rows(folder, "enrollments"):
        section, user = row.get("classSourcedId"), row.get("userSourcedId")
        if section in district.sections and user in district.users:
            _put(
                district,
                "enrollments",
                row,
                Enrollment(
                    id=row["sourcedId"],
                    section=section,
                    user=user,
                    role=(row.get("role") or "student").lower(),
                    primary=_yes(row.get("primary")),
                    first_day=_day(row.get("beginDate")),
                    last_day=_before(_day(row.get("endDate"))),
                ),
            )
    district.changed()
    return district


def _rows(folder: Path, name: str) -> list[Row]:
    """The rows of a file that have a sourcedId, without empty cells; none if there is no such file."""
    found = next((path for path in sorted(folder.iterdir()) if path.name.lower() == f"{name}.csv".lower()), None)
    if found is None:
        return []
    with found.open(encoding="utf-8-sig", newline="") as lines:
        rows = [
            {key.strip(): value.strip() for key, value in row.items() if isinstance(key, str) and isinstance(value, str) and value.strip()}
            for row in csv.DictReader(lines)
        ]
    return [row for row in rows if row.get("sourcedId")]


def _put(district: District, kind: str, row: Row, record: Any) -> None:
    if record.id in district.table(kind):
        return
    record.gone = row.get("status", "").lower() in ("tobedeleted", "inactive")
    record.modified = _instant(row.get("dateLastModified"))
    district.put(kind, record)


def _orgs(district: District, rows: list[Row]) -> None:
    for row in rows:
        kind = row.get("type", "school")
        kind = kind.lower() if kind.lower() in ("school", "district") else kind
        number = row.get("identifier")
        _put(
            district,
            "orgs",
            row,
            Org(
                id=row["sourcedId"],
                name=row.get("name"),
                type=kind,
                parent=row.get("parentSourcedId"),
                number=None if kind == "district" else number,
                nces_id=number if kind == "district" else None,
            ),
        )


def _users(district: District, folder: Path) -> None:
    rows = _rows(folder, "users")
    roles: dict[str, list[Role]] = {}
    for row in _rows(folder, "roles"):
        if row.get("status", "").lower() not in ("tobedeleted", "inactive"):
            org = _known(district.orgs, row.get("orgSourcedId"))
            kind = "secondary" if row.get("roleType", "").lower() == "secondary" else "primary"
            roles.setdefault(row.get("userSourcedId", ""), []).append(_role(row.get("role", ""), org, kind))
    known = {row["sourcedId"]: row for row in reversed(_rows(folder, "demographics"))}
    logins = {row.get("userSourcedId"): row.get("username") for row in _rows(folder, "userProfiles")}
    for row in rows:
        name = row["sourcedId"]
        held = roles.get(name, [])
        if not held and row.get("role"):
            orgs = [org for org in _list(row.get("orgSourcedIds")) if org in district.orgs]
            held = [_role(row["role"], org, "primary") for org in orgs]
            held = held or [_role(row["role"], None, "primary")]
        extra = known.get(name, {})
        hispanic = extra.get("hispanicOrLatinoEthnicity")
        _put(
            district,
            "users",
            row,
            User(
                id=name,
                given_name=row.get("givenName"),
                family_name=row.get("familyName"),
                middle_name=row.get("middleName"),
                preferred_given_name=row.get("preferredGivenName") or row.get("preferredFirstName"),
                preferred_family_name=row.get("preferredFamilyName") or row.get("preferredLastName"),
                username=row.get("username") or logins.get(name),
                email=row.get("email"),
                phone=row.get("phone"),
                sms=row.get("sms"),
                enabled=_yes(row.get("enabledUser", "true")),
                roles=held,
                primary_org=_known(district.orgs, row.get("primaryOrgSourcedId")),
                grades=_list(row.get("grades")),
                number=row.get("identifier"),
                sis_id=name,
                user_ids=_user_ids(row.get("userIds")),
                state_id=next((value for kind, value in _user_ids(row.get("userIds")) if "state" in kind.lower()), None),
                master_id=row.get("userMasterIdentifier"),
                birth_date=_day(extra.get("birthDate")),
                gender=SEXES.get(extra.get("sex", "").lower()),
                race=next((race for field, race in RACES.items() if _yes(extra.get(field))), None),
                hispanic=_yes(hispanic) if hispanic else None,
            ),
        )
    _families(district, rows)


def _role(word: str, org: str | None, kind: str) -> Role:
    role = ROLES.get(word.lower(), word)
    return Role(role=role, org=org, type=kind, word=word if word in WORDS or role == word else None)


def _families(district: District, rows: list[Row]) -> None:
    """Agents have no direction: the roles say who is the guardian (oneroster.md section 6)."""
    links: dict[str, dict[str, bool]] = {}
    for row in rows:
        user = district.users[row["sourcedId"]]
        for name in _list(row.get("agentSourcedIds")):
            other = district.users.get(name)
            if other is None or other is user:
                continue
            if _is(user, "student"):
                links.setdefault(user.id, {})[other.id] = True
            elif _is(other, "student"):
                links.setdefault(other.id, {}).setdefault(user.id, False)
    for name, guardians in links.items():
        student = district.users[name]
        district.relate(
            student,
            [Guardian(id=guardian, mutual=mutual, relationship="Other", type="Family") for guardian, mutual in guardians.items()],
        )


def _is(user: User, role: str) -> bool:
    return any(held.role == role for held in user.roles)


def _known(table: dict[str, Any], name: str | None) -> str | None:
    return name if name in table else None


def _list(cell: str | None) -> list[str]:
    return [part.strip() for part in (cell or "").split(",") if part.strip()]


def _user_ids(cell: str | None) -> list[tuple[str, str]]:
    found = []
    for part in _list(cell):
        kind, colon, value = part.strip("{}").partition(":")
        if colon and kind.strip() and value.strip():
            found.append((kind.strip(), value.strip()))
    return found


def _yes(cell: str | None) -> bool:
    return (cell or "").lower() in ("true", "1", "yes")


def _day(cell: str | None) -> str | None:
    """A date as YYYY-MM-DD; None for one that is none."""
    try:
        return str(date.fromisoformat((cell or "")[:10]))
    except ValueError:
        return None


def _before(day: str | None) -> str | None:
    return str(date.fromisoformat(day) - timedelta(days=1)) if day else None


def _instant(cell: str | None) -> int:
    try:
        found = datetime.fromisoformat((cell or "").replace("Z", "+00:00"))
    except ValueError:
        return 0
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def _weekday(day: date) -> date:
    while day.weekday() > 4:
        day += timedelta(days=1)
    return day
