"""One row → neutral records. Pure; `docs/connect/templates.md` is its specification. Never raises for what may stand in a cell."""

import re
from contextlib import suppress
from datetime import date
from typing import Any

from syncd.contract.document import Document, Problem, Reading
from syncd.contract.opening import Fields, opened
from syncd.contract.passwords import FIELD, SealedPassword
from syncd.files.told import parted
from syncd.roster.enrollment import Enrollment
from syncd.roster.fields import GRADES, LONGEST_ID, day, in_school_order, reference, storable, text
from syncd.roster.org import Org
from syncd.roster.section import Section
from syncd.roster.user import Identifier, Role, User, UserPart

# Words of Role and AccountType, in plain small letters; an administrator's role depends on where.
ROLES = {
    "administrator": "staff", "admin": "staff", "schooladministrator": "staff", "siteadministrator": "staff", "staff": "staff",
    "principal": "staff", "counselor": "staff", "aide": "staff", "teacher": "teacher", "educator": "teacher",
    "districtadministrator": "district_admin", "districtadmin": "district_admin",
}  # fmt: skip
# Of a district if that is where they are, and of a school if not.
_BY_PLACE = frozenset({"administrator", "admin"})
_GRADES = {grade.lower(): grade for grade in GRADES} | {
    "k": "KG", "kindergarten": "KG", "prek": "PK", "pre-k": "PK", "prekindergarten": "PK", "pre-kindergarten": "PK",
}  # fmt: skip
_OTHER_ORGS = frozenset({"department", "local", "state", "national", "other", "region"})
_US_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: .*)?$")


def read(document: Document) -> Reading:
    """What a row says, and what is wrong with it."""
    document, told = parted(document)
    if any(problem.fatal for problem in told) or (told and document.id is None):
        return Reading(problems=told)
    found = opened(document, "id")
    if isinstance(found, Problem):
        return Reading(problems=[*told, found])
    record_id, sent = found
    reading = Reading(problems=told)
    _READERS[document.resource](record_id, sent, reading)
    return reading


def _extra(sent: Fields, **more: Any) -> Fields:
    sent_beside = storable(sent.get("extra"))
    return (sent_beside if isinstance(sent_beside, dict) else {}) | {name: value for name, value in more.items() if value}


def _organization(record_id: str, sent: Fields, reading: Reading) -> None:
    word = text(sent.get("OrganizationType")) or "school"
    low = word.lower()
    known = low if low in ("school", "district") else "other"
    if known == "other" and low not in _OTHER_ORGS:
        reading.problems.append(Problem("unknown-word", "OrganizationType", fatal=False))
    reading.records.append(
        Org(
            id=record_id,
            name=text(sent.get("OrganizationName")),
            type=known,
            parent_id=reference(sent.get("ParentOrganizationNumber")),
            extra=_extra(sent, type=word if known == "other" and low != "other" else None),
        )
    )


def _group(record_id: str, sent: Fields, reading: Reading) -> None:
    name, school = text(sent.get("GroupName")), reference(sent.get("OrganizationNumber"))
    reading.records.append(Section(id=record_id, name=name, school_id=school, extra=_extra(sent)))


def _user(record_id: str, sent: Fields, reading: Reading) -> None:
    words = _texts(sent, "Role")
    districts = frozenset(_texts(sent, "districts"))
    orgs = _texts(sent, "OrganizationNumber")
    roles: set[Role] = set()
    for word in words:
        low = re.sub(r"[\s_-]", "", word.lower())
        if low not in ROLES:
            reading.problems.append(Problem("unknown-word", "Role", fatal=False))
        for org in orgs or [""]:
            at_district = low in _BY_PLACE and org in districts
            roles.add(Role("district_admin" if at_district else ROLES.get(low, word), org or None, len(orgs) == 1))
    names = {role.role for role in roles}
    translated = any(name not in words for name in names)
    number = text(sent.get("UserNumber"))
    person = _person(record_id, sent, reading)
    reading.records.append(
        User(
            **person,
            roles=tuple(sorted(roles, key=lambda role: (role.role, role.org_id or ""))),
            identifiers=(Identifier("identifier", number),) if number else (),
            extra=_extra(sent, roles=sorted(set(words)) if translated else None),
        )
    )
    _enrollments(record_id, sent, "teacher" if "teacher" in names else "administrator", orgs, reading)


def _student(record_id: str, sent: Fields, reading: Reading) -> None:
    orgs = _texts(sent, "OrganizationNumber")
    sent_grade = text(sent.get("Grade"))
    grade = _grade(sent_grade) if sent_grade else None
    if grade is not None and grade not in GRADES:
        reading.problems.append(Problem("unknown-word", "Grade", fatal=False))
    person = _person(record_id, sent, reading)
    reading.records.append(
        User(
            **person,
            roles=tuple(sorted({Role("student", org, len(orgs) == 1) for org in orgs})) or (Role("student"),),
            grades=in_school_order({grade}) if grade else (),
            student_number=text(sent.get("StudentNumber")),
            state_id=text(sent.get("StateStudentNumber")),
            extra=_extra(sent, grades=[sent_grade] if grade != sent_grade else None),
        )
    )
    _enrollments(record_id, sent, "student", orgs, reading)


def _person(record_id: str, sent: Fields, reading: Reading) -> Fields:
    """What users and students have in common; and their demographics and passwords, where they were asked for."""
    if sealed := text(sent.get(FIELD)):
        reading.passwords.append(SealedPassword(record_id, sealed))
    told = sent.get("demographics")
    if isinstance(told, dict) and told:
        born = _birth_date(told.get("Birthdate"), reading)
        rest = {name: value for name, value in told.items() if name not in ("Birthdate", "Gender")}
        reading.parts.append(
            UserPart(
                user_id=record_id,
                document_id=record_id,
                birth_date=born,
                gender=text(told.get("Gender")),
                demographics=storable(rest) or {},
            )
        )
    return {
        "id": record_id,
        "given_name": text(sent.get("FirstName")),
        "middle_name": text(sent.get("MiddleName")),
        "family_name": text(sent.get("LastName")),
        "username": text(sent.get("Username")),
        "email": text(sent.get("Email")),
    }


def _enrollments(person: str, sent: Fields, role: str, orgs: list[str], reading: Reading) -> None:
    for group in _texts(sent, "GroupNumber"):
        record_id = f"{group}/{person}"
        if len(record_id) > LONGEST_ID:
            reading.problems.append(Problem("unusable-id", "GroupNumber", fatal=False))
            continue
        reading.records.append(
            Enrollment(
                id=record_id,
                document_id=person,
                section_id=group,
                user_id=person,
                school_id=orgs[0] if len(orgs) == 1 else None,
                role=role,
            )
        )


def _texts(sent: Fields, name: str) -> list[str]:
    """The ids of a list, each once, in their order."""
    given = sent.get(name)
    items = given if isinstance(given, list) else [given]
    return list(dict.fromkeys(found for found in map(reference, items) if found))


def _grade(word: str) -> str:
    code = f"{int(word):02}" if word.isascii() and word.isdigit() and 1 <= int(word) <= 13 else word
    return _GRADES.get(code.lower(), code)


def _birth_date(value: Any, reading: Reading) -> str | None:
    """The day, as ISO or as month/day/year has it."""
    found, understood = day(value)
    if not understood and (match := _US_DAY.match(text(value) or "")):
        month, number, year = map(int, match.groups())
        with suppress(ValueError):
            found, understood = date(year, month, number).isoformat(), True
    if not understood:
        reading.problems.append(Problem("not-a-date", "Birthdate", fatal=False))
    return found


_READERS = {"organizations": _organization, "groups": _group, "users": _user, "students": _student}
