"""One Clever document → neutral records. Pure; `docs/roster.md` is its specification. Never raises for what Clever may send."""

from typing import Any

from syncd.contract.document import Document, Problem, Reading
from syncd.contract.opening import Fields, opened
from syncd.contract.unread import without_unread
from syncd.roster.course import Course
from syncd.roster.enrollment import Enrollment
from syncd.roster.fields import day, in_school_order, reference, storable, text, text_set, texts
from syncd.roster.org import Org
from syncd.roster.section import Section
from syncd.roster.term import Term
from syncd.roster.user import Identifier, Role, User, UserPart

# Clever's grade words (Data API, "Grades") as CEDS entry levels.
GRADES = {
    "infanttoddler": "IT",
    "preschool": "PR",
    "prekindergarten": "PK",
    "transitionalkindergarten": "TK",
    "kindergarten": "KG",
    **{str(number): f"{number:02}" for number in range(1, 14)},
    "postgraduate": "PS",
    "ungraded": "UG",
    "other": "Other",
}

# What Clever keeps about its own syncing; it changes daily and says nothing of the roster.
BOOKKEEPING = frozenset(
    [
        "id",
        "district",
        "created",
        "last_modified",
        "last_sync",
        "last_attendance_sync",
        "launch_date",
        "state",
        "error",
        "pause_start",
        "pause_end",
    ]
)
# Of the student role: taken only when demographics are configured.
DEMOGRAPHICS = frozenset(
    [
        "dob",
        "gender",
        "race",
        "hispanic_ethnicity",
        "ell_status",
        "location",
        "home_language",
        "home_language_code",
        "frl_status",
        "iep_status",
        "section_504_status",
        "gifted_status",
        "disability",
    ]
)


def read(document: Document, *, demographics: bool) -> Reading:
    """The records that a document of any of Clever's lists states."""
    found = opened(document, "id")
    if isinstance(found, Problem):
        return Reading(problems=[found])
    record_id, sent = found
    if document.gone:
        return _gone(document.resource, record_id)
    reading = Reading()
    if document.resource == "users":
        _user(record_id, sent, reading, demographics)
    else:
        _READERS[document.resource](record_id, sent, reading)
    return reading


def _gone(resource: str, record_id: str) -> Reading:
    """A record that is no more; what it stated of others goes with it."""
    match resource:
        case "districts" | "schools":
            return Reading(records=[Org(id=record_id, gone=True)])
        case "terms":
            return Reading(records=[Term(id=record_id, gone=True)])
        case "courses":
            return Reading(records=[Course(id=record_id, gone=True)])
        case "sections":
            return Reading(records=[Section(id=record_id, gone=True)])
    return Reading(records=[User(id=record_id, gone=True)])


def _extra(sent: Fields, used: frozenset[str]) -> Fields:
    left = {name: value for name, value in sent.items() if name not in used and name not in BOOKKEEPING}
    return storable(without_unread(left)) or {}


def _day(sent: Fields, name: str, reading: Reading) -> str | None:
    found, understood = day(sent.get(name))
    if not understood:
        reading.problems.append(Problem("not-a-date", name, fatal=False))
    return found


def _grades(sent: list[str]) -> tuple[tuple[str, ...], Fields]:
    """CEDS codes, and what was sent if it differs."""
    codes = [GRADES.get(grade.lower(), grade) for grade in sent]
    return in_school_order(set(codes)), ({"grades": sent} if codes != sent else {})


def _district(record_id: str, sent: Fields, reading: Reading) -> None:
    extra = _extra(sent, frozenset({"name", "nces_id"}))
    name, number = text(sent.get("name")), text(sent.get("nces_id"))
    reading.records.append(Org(id=record_id, name=name, type="district", identifier=number, extra=extra))


def _school(record_id: str, sent: Fields, reading: Reading) -> None:
    number = text(sent.get("school_number")) or text(sent.get("sis_id")) or text(sent.get("nces_id"))
    reading.records.append(
        Org(
            id=record_id,
            name=text(sent.get("name")),
            type="school",
            identifier=number,
            parent_id=text(sent.get("district")),
            extra=_extra(sent, frozenset({"name", "school_number"})),
        )
    )


def _term(record_id: str, sent: Fields, reading: Reading) -> None:
    reading.records.append(
        Term(
            id=record_id,
            name=text(sent.get("name")),
            type="term",
            start_date=_day(sent, "start_date", reading),
            end_date=_day(sent, "end_date", reading),
            extra=_extra(sent, frozenset({"name", "start_date", "end_date"})),
        )
    )


def _course(record_id: str, sent: Fields, reading: Reading) -> None:
    reading.records.append(
        Course(
            id=record_id,
            name=text(sent.get("name")),
            number=text(sent.get("number")),
            org_id=text(sent.get("district")),
            extra=_extra(sent, frozenset({"name", "number"})),
        )
    )


_SECTION = frozenset(
    [
        "name",
        "section_number",
        "school",
        "course",
        "term_id",
        "grade",
        "subject",
        "period",
        "students",
        "teachers",
        "teacher",
    ]
)


def _section(record_id: str, sent: Fields, reading: Reading) -> None:
    grades, as_sent = _grades(texts(sent.get("grade")))
    school = text(sent.get("school"))
    reading.records.append(
        Section(
            id=record_id,
            name=text(sent.get("name")),
            number=text(sent.get("section_number")),
            school_id=school,
            course_id=text(sent.get("course")),
            term_ids=text_set(sent.get("term_id")),
            grades=grades,
            subjects=text_set(sent.get("subject")),
            periods=text_set(sent.get("period")),
            extra=_extra(sent, _SECTION) | as_sent,
        )
    )
    main = reference(sent.get("teacher"))
    students, teachers = (_references(sent, name, reading) for name in ("students", "teachers"))
    for role, people in (("student", students), ("teacher", teachers | ({main} if main else set()))):
        for user in sorted(people):
            reading.records.append(
                Enrollment(
                    id=f"{record_id}:{user}:{role}",
                    document_id=record_id,
                    section_id=record_id,
                    user_id=user,
                    school_id=school,
                    role=role,
                    primary=user == main if role == "teacher" else None,
                )
            )


def _references(sent: Fields, name: str, reading: Reading) -> set[str]:
    given = set(texts(sent.get(name)))
    found = {usable for usable in map(reference, given) if usable}
    if len(found) < len(given):
        reading.problems.append(Problem("unusable-id", name, fatal=False))
    return found


_READERS = {"districts": _district, "schools": _school, "terms": _term, "courses": _course, "sections": _section}

ROLES = frozenset({"student", "teacher", "staff", "district_admin", "contact"})
_ROLE_FIELDS = frozenset(
    [
        "school",
        "schools",
        "grade",
        "student_number",
        "sis_id",
        "state_id",
        "teacher_number",
        "staff_id",
        "preferred_name",
        "credentials",
        "legacy_id",
        "phone",
    ]
)


def _object(value: Any) -> Fields:
    return value if isinstance(value, dict) else {}


def _user(record_id: str, sent: Fields, reading: Reading, demographics: bool) -> None:
    roles = {name: _object(role) for name, role in _object(sent.get("roles")).items() if role is not None}
    if roles.keys() - ROLES:
        reading.problems.append(Problem("unknown-word", "roles", fatal=False))
    student, teacher = roles.get("student", {}), roles.get("teacher", {})
    staff, contact = roles.get("staff", {}), roles.get("contact", {})
    name = _object(sent.get("name"))
    preferred = student.get("preferred_name")
    preferred_given, preferred_family = (
        (text(preferred.get("first")), text(preferred.get("last"))) if isinstance(preferred, dict) else (text(preferred), None)
    )
    usernames = (text(_object(role.get("credentials")).get("district_username")) for role in (student, teacher, staff))
    grades, as_sent = _grades(texts(student.get("grade")))
    extra = _extra(sent, frozenset({"name", "email", "roles"})) | as_sent
    for role, fields in roles.items():
        left = {key: value for key, value in fields.items() if key not in _ROLE_FIELDS and key not in DEMOGRAPHICS}
        if kept := storable(left):
            extra[role] = kept
    reading.records.append(
        User(
            id=record_id,
            given_name=text(name.get("first")),
            middle_name=text(name.get("middle")),
            family_name=text(name.get("last")),
            preferred_given_name=preferred_given,
            preferred_family_name=preferred_family,
            username=next((found for found in usernames if found), None),
            email=text(sent.get("email")),
            phone=text(contact.get("phone")),
            roles=_roles(roles, text(sent.get("district"))),
            grades=grades,
            student_number=text(student.get("student_number")) or text(student.get("sis_id")),
            state_id=text(student.get("state_id")) or text(teacher.get("state_id")),
            identifiers=_identifiers(roles),
            extra=extra,
        )
    )
    relationships = contact.get("student_relationships")
    for relationship in relationships if isinstance(relationships, list) else ():
        child = reference(_object(relationship).get("student"))
        if child:
            reading.parts.append(UserPart(user_id=child, document_id=record_id, guardian_id=record_id))
    if demographics and "student" in roles:
        born = _day(student, "dob", reading)
        rest = storable({key: student[key] for key in DEMOGRAPHICS - {"dob", "gender"} if key in student}) or {}
        gender = text(student.get("gender"))
        reading.parts.append(UserPart(user_id=record_id, document_id=record_id, birth_date=born, gender=gender, demographics=rest))


def _roles(roles: dict[str, Fields], district: str | None) -> tuple[Role, ...]:
    found: dict[tuple[str, str], Role] = {}

    def add(role: Role) -> None:
        key = (role.role, role.org_id or "")
        if key not in found or role.primary:
            found[key] = role

    for name, fields in roles.items():
        schools = texts(fields.get("schools"))
        if name in ("student", "teacher"):
            main = text(fields.get("school"))
            if main:
                add(Role(name, main, True))
            for school in schools:
                add(Role(name, school))
            if not main and not schools:
                add(Role(name))
        elif name == "staff":
            for school in schools:
                add(Role(name, school))
            if not schools:
                add(Role(name))
        elif name == "contact":
            add(Role("guardian"))
        else:
            add(Role(name, district if name == "district_admin" else None))
    return tuple(found[key] for key in sorted(found))


def _identifiers(roles: dict[str, Fields]) -> tuple[Identifier, ...]:
    sent = (
        ("student", "sis_id"),
        ("teacher", "sis_id"),
        ("contact", "sis_id"),
        ("teacher", "teacher_number"),
        ("staff", "staff_id"),
    )
    found = {(kind, text(roles.get(role, {}).get(kind))) for role, kind in sent}
    return tuple(Identifier(kind, value) for kind, value in sorted((k, v) for k, v in found if v))
