"""One OneRoster document → neutral records, for 1.1 and 1.2 by what stands in it. Pure; `docs/roster.md` is its specification.

Providers are read leniently: absent, null, "" and [] are the same, only `sourcedId` of a reference counts, words in any case.
"""

from collections.abc import Container
from typing import Any

from syncd.contract.document import Document, Problem, Reading
from syncd.contract.opening import Fields, opened
from syncd.contract.passwords import FIELD
from syncd.contract.unread import without_unread
from syncd.roster.course import Course
from syncd.roster.enrollment import Enrollment
from syncd.roster.fields import (
    GRADES,
    day,
    day_before,
    flag,
    in_school_order,
    moment,
    reference,
    storable,
    text,
    text_set,
    texts,
)
from syncd.roster.org import Org
from syncd.roster.section import Section
from syncd.roster.term import Term
from syncd.roster.user import Identifier, Role, User, UserPart

BOOKKEEPING = frozenset({"sourcedId", "status", "dateLastModified", "dataLastModified", "children", "href"})
GONE = frozenset({"tobedeleted", "inactive"})

# OneRoster's role words as ours (docs/roster.md); 1.1's administrator becomes the lesser of the two it could be.
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
_WORDS = {word.lower(): word for word in ("gradingPeriod", "semester", "schoolYear", "term", "homeroom", "scheduled")}
_ORG_TYPES = frozenset({"department", "school", "district", "local", "state", "national"})
_STATUSES = frozenset({"active"}) | GONE
_GRADES = {grade.lower(): grade for grade in GRADES} | {"k": "KG"}


def read(document: Document) -> Reading:
    """The records that a document of any of the collections states."""
    found = opened(document, "sourcedId")
    if isinstance(found, Problem):
        return Reading(problems=[found])
    record_id, sent = found
    reading = Reading()
    _READERS[document.resource](record_id, sent, reading)
    if sent.get("status") != "active":
        _known(text(sent.get("status")), _STATUSES, "status", reading)
    return reading


def _known(word: str | None, known: Container[str], name: str, reading: Reading) -> None:
    """Note a word of an enumeration that nobody has heard of; it is kept as sent. Extensions (`ext:…`) are foreseen."""
    if word is not None and word.lower() not in known and not word.lower().startswith("ext:"):
        reading.problems.append(Problem("unknown-word", name, fatal=False))


def _common(record_id: str, sent: Fields, used: frozenset[str], **more: Any) -> Fields:
    """id, gone, modified and extra of any record. used: the fields that are not for `extra`."""
    extra: Fields = {}
    if left := sent.keys() - used:
        extra = storable(without_unread({name: value for name, value in sent.items() if name in left})) or {}
    if more:
        extra |= {name: value for name, value in more.items() if value}
    status = sent.get("status")
    return {
        "id": record_id,
        "gone": status != "active" and (text(status) or "").lower() in GONE,
        "modified": moment(sent.get("dateLastModified")),
        "extra": extra,
    }


def _reference(value: Any) -> str | None:
    """The id that a reference names; a list of one is taken for its only entry."""
    if isinstance(value, dict):
        return reference(value.get("sourcedId"))
    if isinstance(value, list):
        return _reference(value[0]) if value and not isinstance(value[0], list) else None
    return reference(value)


def _references(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    items = value if isinstance(value, list) else [value]
    return tuple(sorted({found for found in map(_reference, items) if found}))


def _words(value: Any) -> list[str]:
    """A list of texts; a comma-joined text is a list (the CSV habit, seen over REST too)."""
    if isinstance(value, str):
        return texts(value.split(","))
    return texts(value)


def _word(sent: Fields, name: str, reading: Reading) -> str | None:
    found = text(sent.get(name))
    _known(found, _WORDS, name, reading)
    return None if found is None else _WORDS.get(found.lower(), found)


def _day(sent: Fields, name: str, reading: Reading) -> str | None:
    found, understood = day(sent.get(name))
    if not understood:
        reading.problems.append(Problem("not-a-date", name, fatal=False))
    return found


def _grades(sent: Fields) -> tuple[tuple[str, ...], list[str] | None]:
    """CEDS codes, and the list as sent if a value was changed."""
    given = _words(sent.get("grades") if sent.get("grades") is not None else sent.get("grade"))
    codes = []
    for grade in given:
        code = f"{int(grade):02}" if grade.isascii() and grade.isdigit() and 1 <= int(grade) <= 13 else grade
        codes.append(_GRADES.get(code.lower(), code))
    return in_school_order(set(codes)), given if codes != given else None


_ORG = BOOKKEEPING | {"name", "type", "identifier", "parent"}


def _org(record_id: str, sent: Fields, reading: Reading) -> None:
    word = text(sent.get("type"))
    kind = (word or "").lower()
    _known(word, _ORG_TYPES, "type", reading)
    known = kind if kind in ("district", "school") else "other"
    common = _common(record_id, sent, _ORG, type=word if known == "other" else None)
    reading.records.append(
        Org(
            **common,
            name=text(sent.get("name")),
            type=known,
            identifier=text(sent.get("identifier")),
            parent_id=_reference(sent.get("parent")),
        )
    )


_TERM = BOOKKEEPING | {"title", "type", "startDate", "endDate", "parent", "schoolYear"}


def _term(record_id: str, sent: Fields, reading: Reading) -> None:
    year = text(sent.get("schoolYear"))
    reading.records.append(
        Term(
            **_common(record_id, sent, _TERM),
            name=text(sent.get("title")),
            type=_word(sent, "type", reading),
            start_date=_day(sent, "startDate", reading),
            end_date=day_before(_day(sent, "endDate", reading)),
            parent_id=_reference(sent.get("parent")),
            school_year=year.rsplit("-", 1)[-1].strip() if year else None,
        )
    )


_COURSE = BOOKKEEPING | {"title", "courseCode", "org", "grades", "grade", "subjects"}


def _course(record_id: str, sent: Fields, reading: Reading) -> None:
    grades, as_sent = _grades(sent)
    reading.records.append(
        Course(
            **_common(record_id, sent, _COURSE, grades=as_sent),
            name=text(sent.get("title")),
            number=text(sent.get("courseCode")),
            org_id=_reference(sent.get("org")),
            grades=grades,
            subjects=text_set(_words(sent.get("subjects"))),
        )
    )


_CLASS = BOOKKEEPING | {
    "title",
    "classCode",
    "classType",
    "school",
    "course",
    "terms",
    "grades",
    "grade",
    "subjects",
    "periods",
    "period",
    "location",
}


def _section(record_id: str, sent: Fields, reading: Reading) -> None:
    grades, as_sent = _grades(sent)
    periods = sent.get("periods") if sent.get("periods") is not None else sent.get("period")
    reading.records.append(
        Section(
            **_common(record_id, sent, _CLASS, grades=as_sent),
            name=text(sent.get("title")),
            number=text(sent.get("classCode")),
            type=_word(sent, "classType", reading),
            school_id=_reference(sent.get("school")),
            course_id=_reference(sent.get("course")),
            term_ids=_references(sent.get("terms")),
            grades=grades,
            subjects=text_set(_words(sent.get("subjects"))),
            periods=text_set(_words(periods)),
            location=text(sent.get("location")),
        )
    )


_USER = BOOKKEEPING | {
    "username",
    "userIds",
    "userId",
    "enabledUser",
    "givenName",
    "familyName",
    "middleName",
    "identifier",
    "email",
    "sms",
    "phone",
    "password",
    "grades",
    "grade",
    "agents",
    "role",
    "orgs",
    "roles",
    "primaryOrg",
    "userMasterIdentifier",
    "preferredFirstName",
    "preferredGivenName",
    "prefferedGivenName",
    "preferredLastName",
    "preferredFamilyName",
    "userProfiles",
    "pronouns",
    "resources",
    FIELD,
}


def _user(record_id: str, sent: Fields, reading: Reading) -> None:
    grades, as_sent = _grades(sent)
    words = _role_words(sent)
    for word in words:
        _known(word, ROLES, "role", reading)
    roles = _roles(sent)
    student = any(role.role == "student" for role in roles)
    translated = sorted({word for word in words if ROLES.get(word.lower(), word.lower()) != word.lower()})
    common = _common(record_id, sent, _USER, grades=as_sent, roles=translated and sorted(set(words)))
    number = text(sent.get("identifier"))
    ids = _user_ids(sent)
    identifiers = set(ids)
    if number and not student:
        identifiers.add(Identifier("identifier", number))
    if master := text(sent.get("userMasterIdentifier")):
        identifiers.add(Identifier("userMasterIdentifier", master))
    given = ("preferredFirstName", "preferredGivenName", "prefferedGivenName")
    family = ("preferredLastName", "preferredFamilyName")
    reading.records.append(
        User(
            **common,
            given_name=text(sent.get("givenName")),
            middle_name=text(sent.get("middleName")),
            family_name=text(sent.get("familyName")),
            preferred_given_name=_first(sent, given),
            preferred_family_name=_first(sent, family),
            username=text(sent.get("username")) or _profile_username(sent),
            email=text(sent.get("email")),
            phone=text(sent.get("phone")) or text(sent.get("sms")),
            enabled=flag(sent.get("enabledUser")),
            roles=roles,
            grades=grades,
            student_number=number if student else None,
            state_id=next((found.value for found in ids if "state" in found.type.lower()), None),
            identifiers=tuple(sorted(identifiers)),
        )
    )
    if not common["gone"]:
        _agents(record_id, sent, {word.lower() for word in words}, reading)


def _agents(record_id: str, sent: Fields, words: set[str], reading: Reading) -> None:
    """`agents` promises no direction: the role of the one who names tells it (oneroster.md, section 6, guardians)."""
    for other in _references(sent.get("agents")):
        if "student" in words:
            reading.parts.append(UserPart(user_id=record_id, document_id=record_id, guardian_id=other))
        elif words & {"guardian", "parent"}:
            reading.parts.append(UserPart(user_id=other, document_id=record_id, guardian_id=record_id))


def _first(sent: Fields, names: tuple[str, ...]) -> str | None:
    return next((found for name in names if (found := text(sent.get(name)))), None)


def _objects(value: Any) -> list[Fields]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def _profile_username(sent: Fields) -> str | None:
    for profile in _objects(sent.get("userProfiles")):
        for credential in _objects(profile.get("credentials")):
            if found := text(credential.get("username")):
                return found
    return None


def _user_ids(sent: Fields) -> list[Identifier]:
    given = _objects(sent.get("userIds") if sent.get("userIds") is not None else sent.get("userId"))
    pairs = ((text(item.get("type")), text(item.get("identifier"))) for item in given)
    return [Identifier(kind or "", value) for kind, value in pairs if value]


def _role_words(sent: Fields) -> list[str]:
    entries = [text(entry.get("role")) for entry in _objects(sent.get("roles"))] or [text(sent.get("role"))]
    return [word for word in entries if word]


def _roles(sent: Fields) -> tuple[Role, ...]:
    entries = _objects(sent.get("roles"))
    if entries:
        found = _roles_12(entries, _reference(sent.get("primaryOrg")))
    else:
        word = text(sent.get("role"))
        orgs = _references(sent.get("orgs"))
        found = [Role(_role(word), org, len(orgs) == 1) for org in orgs] or [Role(_role(word))] if word else []
    best: dict[tuple[str, str], Role] = {}
    for role in found:
        key = (role.role, role.org_id or "")
        if key not in best or role.primary:
            best[key] = role
    return tuple(best[key] for key in sorted(best))


def _role(word: str) -> str:
    return ROLES.get(word.lower(), word)


def _roles_12(entries: list[Fields], main: str | None) -> list[Role]:
    """`primary` marks the person's main school: by primaryOrg, then by the only primary role, then by nothing."""
    rows = [
        (_role(word), _reference(entry.get("org")), (text(entry.get("roleType")) or "").lower() == "primary")
        for entry in entries
        if (word := text(entry.get("role")))
    ]
    if main is not None:
        told = any(primary for _, org, primary in rows if org == main)
        return [Role(role, org, org == main and (primary or not told)) for role, org, primary in rows]
    only = sum(primary for _, _, primary in rows) == 1
    return [Role(role, org, primary and only) for role, org, primary in rows]


_ENROLLMENT = BOOKKEEPING | {"user", "class", "school", "role", "primary", "beginDate", "endDate"}


def _enrollment(record_id: str, sent: Fields, reading: Reading) -> None:
    role = (text(sent.get("role")) or "").lower() or None
    _known(role, ROLES, "role", reading)
    reading.records.append(
        Enrollment(
            **_common(record_id, sent, _ENROLLMENT),
            section_id=_reference(sent.get("class")),
            user_id=_reference(sent.get("user")),
            school_id=_reference(sent.get("school")),
            role=role,
            primary=flag(sent.get("primary")) if role == "teacher" else None,
            begin_date=_day(sent, "beginDate", reading),
            end_date=day_before(_day(sent, "endDate", reading)),
        )
    )


def _demographics(record_id: str, sent: Fields, reading: Reading) -> None:
    if (text(sent.get("status")) or "").lower() in GONE:
        return
    left = {name: value for name, value in sent.items() if name not in BOOKKEEPING and name not in ("birthDate", "sex", "metadata")}
    # "true", "TRUE" and true are one answer: which of them is sent must not look like a change.
    rest = {name: value if (told := flag(value)) is None or isinstance(value, int | float) else told for name, value in left.items()}
    reading.parts.append(
        UserPart(
            user_id=record_id,
            document_id=record_id,
            birth_date=_day(sent, "birthDate", reading),
            gender=text(sent.get("sex")),
            demographics=storable(rest) or {},
        )
    )


_READERS = {
    "orgs": _org,
    "academicSessions": _term,
    "courses": _course,
    "classes": _section,
    "users": _user,
    "enrollments": _enrollment,
    "demographics": _demographics,
}
