"""How the pretend district's records read in OneRoster 1.1 and 1.2 (oneroster.md sections 5 to 7).

Pure: a record goes in, a document comes out, in the cleanest spelling the specification knows. Odd spellings
are `habits.py`'s, lists and filters `oneroster.py`'s. 1.1 knows one role a person, so one is chosen by a
fixed order.
"""

from datetime import date, timedelta
from typing import Any
from zlib import crc32

from syncd.sandbox.district import (
    Course,
    District,
    Enrollment,
    Org,
    Role,
    Section,
    Term,
    User,
    timestamp,
)

# In 1.1 a person with several roles is listed by the first of these that they hold.
ROLE_ORDER = ("teacher", "staff", "district_admin", "student", "guardian")
WORDS_11 = {"administrator", "aide", "guardian", "parent", "proctor", "relative", "student", "teacher"}
SEXES = {"M": "male", "F": "female", "X": "other"}
RACES = {
    "American Indian": "americanIndianOrAlaskaNative",
    "Asian": "asian",
    "Black or African American": "blackOrAfricanAmerican",
    "Hawaiian or Other Pacific Islander": "nativeHawaiianOrOtherPacificIslander",
    "Caucasian": "white",
    "Two or More Races": "demographicRaceTwoOrMoreRaces",
}

Document = dict[str, Any]


def document(district: District, kind: str, record: Any, version: str, base: str = "") -> Document:
    """The document of one record. version: `1.1` or `1.2`; base: how the `href` of a reference begins."""
    if isinstance(record, Enrollment):
        section = district.sections[record.section]
        found = _head(record)
        found["user"] = _ref(base, "users", "user", record.user)
        found["class"] = _ref(base, "classes", "class", record.section)
        if section.school:
            found["school"] = _ref(base, "orgs", "org", section.school)
        found["role"] = record.role
        found["primary"] = "true" if record.primary else "false"
        return _fill(record.id, found, {"beginDate": record.first_day, "endDate": day_after(record.last_day)})
    if isinstance(record, User):
        return _user(district, record, version, base)
    if isinstance(record, Section):
        found = _head(record)
        found |= {
            "classType": record.type,
            "grades": list(record.grades),
            "subjects": list(record.subjects),
            "periods": list(record.periods),
            "terms": [_ref(base, "academicSessions", "academicSession", name) for name in record.terms],
        }
        if record.course:
            found["course"] = _ref(base, "courses", "course", record.course)
        if record.school:
            found["school"] = _ref(base, "orgs", "org", record.school)
        return _fill(record.id, found, {"title": record.name, "classCode": record.number, "location": record.location})
    if isinstance(record, Course):
        found = _head(record)
        found |= {"grades": list(record.grades), "subjects": list(record.subjects)}
        if record.org:
            found["org"] = _ref(base, "orgs", "org", record.org)
        if record.school_year:
            found["schoolYear"] = _ref(base, "academicSessions", "academicSession", record.school_year)
        return _fill(record.id, found, {"title": record.name, "courseCode": record.number})
    if isinstance(record, Term):
        found = _head(record)
        found |= {"type": record.type, "startDate": record.first_day, "endDate": day_after(record.last_day)}
        if record.parent:
            found["parent"] = _ref(base, "academicSessions", "academicSession", record.parent)
        return _fill(record.id, found, {"title": record.name, "schoolYear": record.school_year})
    found = _head(record)
    found["type"] = record.type
    if record.parent:
        found["parent"] = _ref(base, "orgs", "org", record.parent)
    return _fill(record.id, found, {"name": record.name, "identifier": identifier_of(record)})


def demographics(user: User, version: str) -> Document:
    """The demographics document of a person: the same sourcedId (oneroster.md section 6)."""
    found = _head(user)
    for race, field in RACES.items():
        found[field] = "true" if user.race == race else "false"
    if user.hispanic is not None:
        found["hispanicOrLatinoEthnicity"] = "true" if user.hispanic else "false"
    return _fill(user.id, found, {"birthDate": user.birth_date, "sex": sex_of(user, version)})


def has_demographics(user: User) -> bool:
    """Whether the district keeps demographics of a person."""
    return bool(user.birth_date or user.gender or user.race)


def sex_of(user: User, version: str) -> str | None:
    """1.1 knows male and female only (oneroster.md section 7)."""
    sex = SEXES.get(user.gender or "")
    return None if version == "1.1" and sex == "other" else sex


def day_after(day: str | None) -> str | None:
    """The exclusive end that OneRoster sends for an inclusive last day."""
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat() if day else None


def identifier_of(org: Org) -> str | None:
    """A district is identified by its national number, any other org by its local one."""
    return org.nces_id if org.type == "district" else org.number


def role_11(user: User) -> str | None:
    """The one role by which 1.1 lists a person; None for a person without any."""
    held = {role.role for role in user.roles}
    return next((role for role in ROLE_ORDER if role in held), None) or next(iter(sorted(held)), None)


def word_11(user: User) -> str | None:
    """1.1's word for that role."""
    role = role_11(user)
    for entry in user.roles:
        if entry.role == role and entry.word in WORDS_11:
            return entry.word
    return "administrator" if role in ("staff", "district_admin") else role


def word_12(role: Role) -> str:
    """1.2's word for a role."""
    return role.word or {"staff": "siteAdministrator", "district_admin": "districtAdministrator"}.get(role.role, role.role)


def hides_username(user: User) -> bool:
    """1.2 prefers userProfiles to a username of its own; some people here have only that."""
    return crc32(user.id.encode()) % 10 == 0


def agents(district: District, user: User) -> list[str]:
    """The people whom a person's `agents` name: a student's guardians, and a guardian's students."""
    found = [link.id for link in user.guardians if link.mutual and link.id in district.users and not district.users[link.id].gone]
    return list(dict.fromkeys(found + [child.id for child in district.active_children(user)]))


def _head(record: Any) -> Document:
    return {
        "sourcedId": record.id,
        "status": "tobedeleted" if record.gone else "active",
        "dateLastModified": timestamp(record.modified),
    }


def _ref(base: str, resource: str, kind: str, name: str) -> Document:
    return {"href": f"{base}/{resource}/{name}", "sourcedId": name, "type": kind}


def _fill(seed: str, found: Document, values: Document) -> Document:
    """Add single values; what is missing is left out, null or empty, by record."""
    style = -1
    for key, value in values.items():
        if value is not None:
            found[key] = value
            continue
        if style < 0:
            style = crc32(seed.encode()) % 3
        if style:
            found[key] = None if style == 1 else ""
    return found


def _user(district: District, user: User, version: str, base: str) -> Document:
    found = _head(user)
    found["enabledUser"] = "true" if user.enabled else "false"
    found["userIds"] = [{"type": kind, "identifier": name} for kind, name in user.user_ids]
    found["grades"] = list(user.grades)
    found["agents"] = [_ref(base, "users", "user", name) for name in agents(district, user)]
    single = {
        "givenName": user.given_name,
        "middleName": user.middle_name,
        "familyName": user.family_name,
        "identifier": user.number,
        "email": user.email,
        "phone": user.phone,
        "sms": user.sms,
    }
    if version == "1.1":
        role = role_11(user)
        orgs = dict.fromkeys(entry.org for entry in user.roles if entry.role == role and entry.org)
        found["role"] = word_11(user)
        found["orgs"] = [_ref(base, "orgs", "org", name) for name in orgs]
        return _fill(user.id, found, {**single, "username": user.username})
    found["roles"] = [_role(entry, base) for entry in user.roles]
    if user.primary_org:
        found["primaryOrg"] = _ref(base, "orgs", "org", user.primary_org)
    if user.username and hides_username(user):
        found["userProfiles"] = [
            {
                "profileId": f"https://sis.example.org/profiles/{user.id}",
                "profileType": "sis",
                "vendorId": "sandbox",
                "credentials": [{"type": "username", "username": user.username}],
            }
        ]
    else:
        single["username"] = user.username
    return _fill(
        user.id,
        found,
        {
            **single,
            "userMasterIdentifier": user.master_id,
            "preferredFirstName": user.preferred_given_name,
            "preferredLastName": user.preferred_family_name,
        },
    )


def _role(entry: Role, base: str) -> Document:
    found: Document = {"roleType": entry.type, "role": word_12(entry)}
    if entry.org:
        found["org"] = _ref(base, "orgs", "org", entry.org)
    return found
