"""How the pretend district's records read in Clever 3.1 and 3.0 (clever-api.md section 4).

Pure: a record goes in, a document comes out. Paging, links and events are `clever.py`'s. What a person has no
value for is left out, null or empty, by turns, because real districts send all three.
"""

from typing import Any
from zlib import crc32

from syncd.sandbox.district import (
    FACET_OF_ROLE,
    Course,
    District,
    Org,
    Role,
    Section,
    Term,
    User,
    clever_id_of,
    is_clever_term,
    timestamp,
)

GRADES = {
    "IT": "InfantToddler",
    "PR": "Preschool",
    "PK": "PreKindergarten",
    "TK": "TransitionalKindergarten",
    "KG": "Kindergarten",
    "PS": "PostGraduate",
    "UG": "Ungraded",
    "Other": "Other",
} | {f"{number:02d}": str(number) for number in range(1, 14)}
SUBJECTS = {
    "english": "english/language arts",
    "mathematics": "math",
    "math": "math",
    "science": "science",
    "social studies": "social studies",
    "world languages": "language",
    "homeroom": "homeroom/advisory",
    "physical education": "PE and health",
    "arts": "arts and music",
}
NEWER_USER = ("lms_status",)
NEWER_STUDENT = (
    "preferred_name",
    "home_language",
    "home_language_code",
    "frl_status",
    "iep_status",
    "section_504_status",
    "gifted_status",
    "disability",
)
NEWER_OF_KIND = {
    "orgs": ("last_attendance_sync", "lms_type", "lms_state"),
    "sections": ("lms_status",),
    "users": NEWER_USER,
}

Document = dict[str, Any]


def documents(district: District, kind: str, record: Any) -> dict[str, Document]:
    """The 3.1 documents of a record by Clever id: none if Clever does not list it, two for a
    teacher-guardian.
    """
    if kind == "users":
        names = [record.clever_id, *(record.clever_more or {}).values()]
    else:
        names = [record.clever_id]
    return {name: document(district, kind, *found) for name in names if (found := district.clever_record(kind, name)) is not None}


def document(district: District, kind: str, record: Any, facet: str = "") -> Document:
    """The 3.1 document of one record. facet: which part of a person (`district.FACETS`); users only."""
    if isinstance(record, User):
        return _user(district, record, facet)
    if isinstance(record, Section):
        return _section(district, record)
    if isinstance(record, Course):
        return _tidy(
            record.id,
            {
                "id": record.clever_id,
                "district": _district(district),
                "name": record.name,
                "number": record.number,
            },
        )
    if isinstance(record, Term):
        return _tidy(
            record.id,
            {
                "id": record.clever_id,
                "district": _district(district),
                "name": record.name,
                "start_date": record.first_day,
                "end_date": record.last_day,
            },
        )
    return _org(district, record)


def older(kind: str, document: Document) -> Document:
    """A 3.1 document as 3.0 gives it: without the fields that came later."""
    newer = NEWER_OF_KIND.get(kind, ())
    found = {key: value for key, value in document.items() if key not in newer}
    roles = found.get("roles")
    if kind == "users" and isinstance(roles, dict) and isinstance(roles.get("student"), dict):
        student = {key: value for key, value in roles["student"].items() if key not in NEWER_STUDENT}
        found["roles"] = {**roles, "student": student}
    return found


def _district(district: District) -> str | None:
    top = district.district()
    return top.clever_id if top else None


def _org_id(district: District, name: str | None) -> str | None:
    org = district.orgs.get(name or "")
    return org.clever_id if org else None


def _tidy(seed: str, found: Document) -> Document:
    """Spell missing values the way this record does: left out, null or empty."""
    if None not in found.values():
        return found
    style = crc32(seed.encode()) % 3
    if style == 0:
        return {key: value for key, value in found.items() if value is not None}
    if style == 1:
        return found
    return {key: "" if value is None else value for key, value in found.items()}


def _org(district: District, org: Org) -> Document:
    if org.type == "district":
        return _tidy(
            org.id,
            {
                "id": org.clever_id,
                "name": org.name,
                "nces_id": org.nces_id,
                "mdr_number": None,
                "sis_type": "sftp",
                "launch_date": district.first_day.isoformat(),
                "last_sync": timestamp(org.created),
                "state": "running",
                "error": None,
                "pause_start": None,
                "pause_end": None,
                "login_methods": ["saml"],
                "portal_url": "https://portal.example.org/district",
                "district_contact": {
                    "id": org.clever_id,
                    "district": org.clever_id,
                    "title": "IT",
                    "email": "it@district.example.org",
                    "name": {"first": "District", "last": "Office"},
                },
                "last_attendance_sync": None,
                "lms_type": "",
                "lms_state": "",
            },
        )
    return _tidy(
        org.id,
        {
            "id": org.clever_id,
            "district": _org_id(district, org.parent) or _district(district),
            "name": org.name,
            "school_number": org.number,
            "sis_id": org.sis_id,
            "state_id": None,
            "nces_id": org.nces_id,
            "mdr_number": None,
            "low_grade": GRADES.get(org.low_grade or "", ""),
            "high_grade": GRADES.get(org.high_grade or "", ""),
            "phone": org.phone,
            "principal": {"name": org.principal, "email": ""},
            "location": {
                "address": org.street,
                "city": org.city,
                "state": "",
                "zip": org.zip,
                "lat": "",
                "lon": "",
            },
            "created": timestamp(org.created),
            "last_modified": timestamp(org.clever_modified),
            "ext": {},
        },
    )


def term_of(district: District, section: Section) -> str | None:
    """The one term that Clever gives a section; a section that lasts several has none."""
    found = [district.terms[name] for name in section.terms if name in district.terms]
    usable = [term for term in found if is_clever_term(term)]
    return usable[0].clever_id if len(usable) == 1 and len(found) == 1 else None


def subject_of(section: Section) -> str:
    """Clever's word for a section's first subject, "" if it has none."""
    if section.type == "homeroom":
        return "homeroom/advisory"
    return SUBJECTS.get(section.subjects[0].lower(), "other") if section.subjects else ""


def main_school(user: User, role: str) -> str | None:
    """The org that is the `school` of a role: the person's main org if they hold the role there, else the
    first.
    """
    orgs = [held.org for held in user.roles if held.role == role and held.org]
    return user.primary_org if user.primary_org in orgs else orgs[0] if orgs else None


def _section(district: District, section: Section) -> Document:
    students: list[str] = []
    teachers: list[str] = []
    lead: str | None = None
    for enrollment in district.in_section.get(section.id, ()):
        if enrollment.gone:
            continue
        user = district.users[enrollment.user]
        if enrollment.role == "student":
            students.append(clever_id_of(user, "student"))
        elif enrollment.role == "teacher":
            teachers.append(clever_id_of(user, "adult"))
            lead = teachers[-1] if enrollment.primary else lead
    course = district.courses.get(section.course or "")
    return _tidy(
        section.id,
        {
            "id": section.clever_id,
            "district": _district(district),
            "school": _org_id(district, section.school),
            "name": section.name,
            "sis_id": section.id,
            "section_number": section.number,
            "period": section.periods[0] if section.periods else None,
            "subject": subject_of(section),
            "grade": GRADES.get(section.grades[0], section.grades[0]) if len(section.grades) == 1 else None,
            "course": course.clever_id if course else None,
            "term_id": term_of(district, section),
            "teacher": lead,
            "teachers": sorted(set(teachers)),
            "students": sorted(set(students)),
            "created": timestamp(section.created),
            "last_modified": timestamp(section.clever_modified),
            "ext": {},
            "lms_status": "",
        },
    )


def _user(district: District, user: User, facet: str) -> Document:
    held = [role for role in user.roles if FACET_OF_ROLE.get(role.role, "adult") == facet]
    roles: Document = {}
    for role in dict.fromkeys(role.role for role in held):
        entries = [entry for entry in held if entry.role == role]
        if role == "student":
            roles["student"] = _student(district, user, entries)
        elif role == "teacher":
            roles["teacher"] = _tidy(
                user.id,
                {
                    "legacy_id": user.clever_id,
                    "sis_id": user.sis_id,
                    "teacher_number": user.number,
                    "state_id": user.state_id,
                    "title": user.title,
                    **_schools(district, user, "teacher", entries),
                    "credentials": {"district_username": user.username},
                    "ext": {},
                },
            )
        elif role == "staff":
            roles["staff"] = _tidy(
                user.id,
                {
                    "legacy_id": user.clever_id,
                    "staff_id": user.sis_id,
                    "title": user.title,
                    "department": None,
                    "schools": _schools(district, user, "staff", entries)["schools"],
                    "roles": [],
                    "credentials": {"district_username": user.username},
                    "ext": {},
                },
            )
        elif role == "district_admin":
            roles["district_admin"] = {"legacy_id": user.clever_id, "title": user.title or ""}
        elif role == "guardian":
            roles["contact"] = _contact(district, user)
    name = {"first": user.given_name, "middle": user.middle_name, "last": user.family_name}
    return _tidy(
        user.id,
        {
            "id": clever_id_of(user, facet),
            "district": _district(district),
            "email": user.email,
            "name": _tidy(user.id, name),
            "roles": roles,
            "created": timestamp(user.created),
            "last_modified": timestamp(user.clever_modified),
            "lms_status": "",
        },
    )


def _schools(district: District, user: User, role: str, entries: list[Role]) -> Document:
    schools = [found for entry in entries if (found := _org_id(district, entry.org))]
    return {"school": _org_id(district, main_school(user, role)), "schools": list(dict.fromkeys(schools))}


def _student(district: District, user: User, entries: list[Role]) -> Document:
    schools = _schools(district, user, "student", entries)
    preferred: Any = user.preferred_given_name
    if user.preferred_family_name:
        preferred = {"first": user.preferred_given_name, "last": user.preferred_family_name}
    grade = user.grades[0] if user.grades else None
    return _tidy(
        user.id,
        {
            "legacy_id": user.clever_id,
            "sis_id": user.sis_id,
            "student_number": user.number,
            "state_id": user.state_id,
            **schools,
            "enrollments": [
                {"school": school, "start_date": district.first_day.isoformat(), "end_date": ""} for school in schools["schools"]
            ],
            "grade": GRADES.get(grade, grade) if grade else None,
            "graduation_year": None,
            "dob": user.birth_date,
            "gender": user.gender,
            "race": user.race,
            "hispanic_ethnicity": None if user.hispanic is None else "Y" if user.hispanic else "N",
            "ell_status": "N",
            "location": {"address": "", "city": "", "state": "", "zip": ""},
            "credentials": {"district_username": user.username},
            "ext": {},
            "preferred_name": preferred,
            "home_language": "English",
            "home_language_code": "eng",
            "frl_status": "",
            "iep_status": "",
            "section_504_status": "",
            "gifted_status": "",
            "disability": "",
        },
    )


def _contact(district: District, user: User) -> Document:
    relations = []
    for child in district.active_children(user):
        for link in child.guardians:
            if link.id == user.id:
                relations.append(
                    {
                        "student": clever_id_of(child, "student"),
                        "relationship": link.relationship,
                        "type": link.type,
                    }
                )
    return _tidy(
        user.id,
        {
            "legacy_id": user.clever_id,
            "sis_id": user.sis_id,
            "phone": user.phone,
            "phone_type": "Cell" if user.phone else None,
            "student_relationships": relations,
        },
    )
