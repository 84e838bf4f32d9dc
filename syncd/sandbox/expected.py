"""What a correct sync must end up with: the neutral roster, computed from the model straight from
docs/roster.md.

It reads no served document, so that an error in serving shows as a difference. It shares with the two
dialects only the choices that the dialects leave open (which role 1.1 lists, which term Clever names). One
test oracle, two readers: keep each rule as plain as the table it comes from.
"""

from collections.abc import Iterable
from typing import Any

from syncd.sandbox import clever_records, oneroster_records
from syncd.sandbox.district import (
    FACET_OF_ROLE,
    KINDS,
    Course,
    District,
    Enrollment,
    Org,
    Section,
    Term,
    User,
    clever_id_of,
    facets,
    is_clever_term,
)
from syncd.sandbox.habits import Habits

DIALECTS = ("clever-3.1", "clever-3.0", "oneroster-1.1", "oneroster-1.2")
STATUSES = ("active", "inactive", "all")
GRADES = ("IT", "PR", "PK", "TK", "KG", *(f"{number:02d}" for number in range(1, 14)), "PS", "UG", "Other")

Neutral = dict[str, Any]


def expected(
    district: District,
    habits: Habits,
    as_: str,
    kind: str,
    status: str = "active",
    *,
    demographics: bool = False,
) -> list[Neutral]:
    """The neutral records of a kind, sorted by id.

    as_: one of `DIALECTS`. status: `active`; `inactive` gives what is gone now, all of it, whether or not a
    sync ever saw it; `all` gives both. Fields are those of docs/roster.md without source, extra and
    deactivated_at; birth_date and gender are there only with demographics. Raises ValueError for an unknown
    dialect, kind or status.
    """
    if as_ not in DIALECTS:
        raise ValueError(f"as is one of {', '.join(DIALECTS)}, not {as_}")
    if kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}, not {kind}")
    if status not in STATUSES:
        raise ValueError(f"status is one of {', '.join(STATUSES)}, not {status}")
    dialect, _, version = as_.partition("-")
    found: dict[str, Neutral] = {}
    with district.lock:
        for record in district.table(kind).values():
            if dialect == "clever":
                records = _clever(district, record, version, demographics)
            else:
                records = [_oneroster(district, habits, record, version, demographics)]
            for neutral in records:
                # Clever has no ids for enrollments: someone who left a section and came back is one record.
                if neutral["status"] == "active" or neutral["id"] not in found:
                    found[neutral["id"]] = neutral
    return [_tidy(found[name]) for name in sorted(found) if status in ("all", found[name]["status"])]


def _tidy(record: Neutral) -> Neutral:
    """Text is trimmed, and blank text is no value."""
    return {key: (value.strip() or None) if isinstance(value, str) else value for key, value in record.items()}


def _set(values: Iterable[str | None]) -> list[str]:
    return sorted({value.strip() for value in values if value and value.strip()})


def _grades(values: Iterable[str | None]) -> list[str]:
    codes = set()
    for value in _set(values):
        code = value.upper() if value.upper() in GRADES else value
        code = "KG" if code in ("k", "K") else "Other" if code.lower() == "other" else code
        codes.add(f"{int(code):02d}" if code.isdigit() and int(code) <= 13 and len(code) == 1 else code)
    return sorted(codes, key=lambda code: (GRADES.index(code) if code in GRADES else len(GRADES), code))


def _roles(entries: Iterable[tuple[str, str | None, bool]]) -> list[Neutral]:
    """The same role at the same org is one entry, primary if any of them is."""
    merged: dict[tuple[str, str | None], bool] = {}
    for role, org, primary in entries:
        merged[role, org] = merged.get((role, org), False) or primary
    return [
        {"role": role, "org_id": org, "primary": primary}
        for (role, org), primary in sorted(merged.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    ]


def _identifiers(entries: Iterable[tuple[str, str | None]]) -> list[Neutral]:
    return [{"type": kind, "value": value} for kind, value in sorted({(kind, value) for kind, value in entries if value})]


def _status(gone: bool) -> str:
    return "inactive" if gone else "active"


# -- Clever --------------------------------------------------------------------------------------------------


def _clever(district: District, record: Any, version: str, demographics: bool) -> list[Neutral]:
    top = district.district()
    head = {"status": _status(record.gone)}
    if isinstance(record, Enrollment):
        return _clever_enrollment(district, record)
    if isinstance(record, User):
        return _clever_user(district, record, version, demographics)
    head["id"] = record.clever_id
    if isinstance(record, Section):
        if record.school is None:
            return []
        grade = record.grades[0] if len(record.grades) == 1 else None
        return [
            {
                **head,
                "name": record.name,
                "number": record.number,
                "type": None,
                "school_id": _org_id(district, record.school),
                "course_id": _course_id(district, record),
                "term_ids": _set([clever_records.term_of(district, record)]),
                "grades": _grades([grade]),
                "subjects": _set([clever_records.subject_of(record)]),
                "periods": _set(record.periods[:1]),
                "location": None,
            }
        ]
    if isinstance(record, Course):
        return [
            {
                **head,
                "name": record.name,
                "number": record.number,
                "org_id": top.clever_id if top else None,
                "grades": [],
                "subjects": [],
            }
        ]
    if isinstance(record, Term):
        if not is_clever_term(record):
            return []
        return [
            {
                **head,
                "name": record.name,
                "type": "term",
                "start_date": record.first_day,
                "end_date": record.last_day,
                "parent_id": None,
                "school_year": None,
            }
        ]
    assert isinstance(record, Org)
    if record.type == "district":
        return [{**head, "name": record.name, "type": "district", "identifier": record.nces_id, "parent_id": None}]
    if record.type != "school":
        return []
    return [
        {
            **head,
            "name": record.name,
            "type": "school",
            "identifier": record.number or record.sis_id or record.nces_id,
            "parent_id": _org_id(district, record.parent) or (top.clever_id if top else None),
        }
    ]


def _org_id(district: District, name: str | None) -> str | None:
    return district.orgs[name].clever_id if name in district.orgs else None


def _course_id(district: District, section: Section) -> str | None:
    return district.courses[section.course].clever_id if section.course in district.courses else None


def _clever_enrollment(district: District, record: Enrollment) -> list[Neutral]:
    section, user = district.sections[record.section], district.users[record.user]
    if record.role not in ("student", "teacher") or section.school is None:
        return []
    name = clever_id_of(user, "student" if record.role == "student" else "adult")
    primary: bool | None = None
    if record.role == "teacher":
        leads = [
            clever_id_of(district.users[other.user], "adult")
            for other in district.in_section[section.id]
            if other.role == "teacher" and other.primary and not other.gone
        ]
        primary = bool(leads) and leads[-1] == name if not record.gone else record.primary
    return [
        {
            "id": f"{section.clever_id}:{name}:{record.role}",
            "status": _status(record.gone),
            "section_id": section.clever_id,
            "user_id": name,
            "school_id": _org_id(district, section.school),
            "role": record.role,
            "primary": primary,
            "begin_date": None,
            "end_date": None,
        }
    ]


def _clever_user(district: District, user: User, version: str, demographics: bool) -> list[Neutral]:
    found = []
    for facet in facets(user):
        held = [role for role in user.roles if FACET_OF_ROLE.get(role.role, "adult") == facet]
        kinds = {role.role for role in held}
        student, teacher, staff = "student" in kinds, "teacher" in kinds, "staff" in kinds
        neutral: Neutral = {
            "id": clever_id_of(user, facet),
            "status": _status(user.gone),
            "given_name": user.given_name,
            "middle_name": user.middle_name,
            "family_name": user.family_name,
            "preferred_given_name": user.preferred_given_name if student and version == "3.1" else None,
            "preferred_family_name": user.preferred_family_name if student and version == "3.1" else None,
            "username": user.username if student or teacher or staff else None,
            "email": user.email,
            "phone": user.phone if facet == "contact" else None,
            "enabled": None,
            "roles": _roles(_clever_roles(district, user, facet)),
            "grades": _grades(user.grades[:1]) if student else [],
            "student_number": (user.number or user.sis_id) if student else None,
            "state_id": user.state_id if student or teacher else None,
            "identifiers": _identifiers(
                [("sis_id", user.sis_id)] * (student or teacher or facet == "contact")
                + [("teacher_number", user.number)] * teacher
                + [("staff_id", user.sis_id)] * staff
            ),
            "guardian_ids": _set(
                clever_id_of(district.users[link.id], "contact")
                for link in user.guardians
                if link.id in district.users and not district.users[link.id].gone and "contact" in facets(district.users[link.id])
            )
            if student
            else [],
        }
        if demographics:
            neutral["birth_date"] = user.birth_date if student else None
            neutral["gender"] = user.gender if student else None
        found.append(neutral)
    return found


def _clever_roles(district: District, user: User, facet: str) -> list[tuple[str, str | None, bool]]:
    top = district.district()
    found: list[tuple[str, str | None, bool]] = []
    for role in user.roles:
        if FACET_OF_ROLE.get(role.role) != facet:
            continue
        org = _org_id(district, role.org)
        if role.role in ("student", "teacher"):
            if org:
                found.append((role.role, org, role.org == clever_records.main_school(user, role.role)))
        elif role.role == "staff":
            if org or not any(other.org for other in user.roles if other.role == "staff"):
                found.append(("staff", org, False))
        elif role.role == "district_admin":
            found.append(("district_admin", top.clever_id if top else None, False))
        else:
            found.append(("guardian", None, False))
    return found


# -- OneRoster -----------------------------------------------------------------------------------------------


def _oneroster(district: District, habits: Habits, record: Any, version: str, demographics: bool) -> Neutral:
    head = {"id": record.id, "status": _status(record.gone)}
    if isinstance(record, Enrollment):
        return {
            **head,
            "section_id": record.section,
            "user_id": record.user,
            "school_id": district.sections[record.section].school,
            "role": record.role.lower(),
            "primary": record.primary if record.role == "teacher" else None,
            "begin_date": record.first_day,
            "end_date": record.last_day,
        }
    if isinstance(record, User):
        return _oneroster_user(district, habits, record, version, demographics)
    if isinstance(record, Section):
        return {
            **head,
            "name": None if habits.empty_titles else record.name,
            "number": record.number,
            "type": record.type,
            "school_id": record.school,
            "course_id": record.course,
            "term_ids": _set(record.terms),
            "grades": _grades(record.grades),
            "subjects": _set(record.subjects),
            "periods": _set(record.periods),
            "location": record.location,
        }
    if isinstance(record, Course):
        return {
            **head,
            "name": record.name,
            "number": record.number,
            "org_id": record.org,
            "grades": _grades(record.grades),
            "subjects": _set(record.subjects),
        }
    if isinstance(record, Term):
        return {
            **head,
            "name": record.name,
            "type": record.type,
            "start_date": record.first_day,
            "end_date": record.last_day,
            "parent_id": record.parent,
            "school_year": record.school_year,
        }
    assert isinstance(record, Org)
    return {
        **head,
        "name": record.name,
        "type": record.type if record.type in ("district", "school") else "other",
        "identifier": record.nces_id if record.type == "district" else record.number,
        "parent_id": record.parent,
    }


def _oneroster_user(district: District, habits: Habits, user: User, version: str, demographics: bool) -> Neutral:
    served = {role.role for role in user.roles} if version == "1.2" else {oneroster_records.role_11(user)}
    student = "student" in served
    identifiers = list(user.user_ids)
    if not student and user.number:
        identifiers.append(("identifier", user.number))
    if version == "1.2" and user.master_id:
        identifiers.append(("userMasterIdentifier", user.master_id))
    neutral: Neutral = {
        "id": user.id,
        "status": _status(user.gone),
        "given_name": user.given_name,
        "middle_name": user.middle_name,
        "family_name": user.family_name,
        "preferred_given_name": user.preferred_given_name if version == "1.2" else None,
        "preferred_family_name": user.preferred_family_name if version == "1.2" else None,
        "username": None if habits.empty_usernames else user.username,
        "email": user.email,
        "phone": user.phone or user.sms,
        "enabled": user.enabled,
        "roles": _roles(_roles_12(user) if version == "1.2" else _roles_11(user)),
        "grades": _grades(user.grades),
        "student_number": user.number if student else None,
        "state_id": next((value for kind, value in user.user_ids if "state" in kind.lower()), None),
        "identifiers": _identifiers(identifiers),
        "guardian_ids": _set(link.id for link in user.guardians if _is_guardian(district, link, version)) if student else [],
    }
    if demographics:
        neutral["birth_date"] = user.birth_date
        neutral["gender"] = oneroster_records.sex_of(user, version)
    return neutral


def _is_guardian(district: District, link: Any, version: str) -> bool:
    """The student's own agents, and everybody served as guardian or parent whose agents name the student."""
    other = district.users.get(link.id)
    if other is None or other.gone:
        return False
    if version == "1.1":
        words = {oneroster_records.word_11(other)}
    else:
        words = {oneroster_records.word_12(role) for role in other.roles}
    return link.mutual or bool(words & {"guardian", "parent"})


def _roles_11(user: User) -> list[tuple[str, str | None, bool]]:
    role = oneroster_records.role_11(user)
    if role is None:
        return []
    orgs = {entry.org for entry in user.roles if entry.role == role and entry.org}
    # 1.1 says administrator of a district's and of a school's alike; the lesser role is taken.
    neutral = "staff" if role == "district_admin" else role
    return [(neutral, org, len(orgs) == 1) for org in sorted(orgs)] or [(neutral, None, False)]


def _roles_12(user: User) -> list[tuple[str, str | None, bool]]:
    leading = [role for role in user.roles if role.type == "primary"]
    if user.primary_org:
        there = [role for role in user.roles if role.org == user.primary_org]
        main = [role for role in there if role.type == "primary"] or there
    else:
        main = leading if len(leading) == 1 else []
    return [(role.role, role.org, any(role is other for other in main)) for role in user.roles]
