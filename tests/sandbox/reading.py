"""A third reader of the two dialects, for the tests only: slow, plain, from docs/roster.md and the served
bytes.

`syncd/sandbox/expected.py` computes what a sync must end up with from the model; this computes it from what
really comes over the wire. Where they differ, one of them (or the serving) is wrong.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import requests

SESSION = requests.Session()
CEDS = {"Kindergarten": "KG", "PreKindergarten": "PK"} | {str(n): f"{n:02d}" for n in range(1, 14)}
ROLES = {
    "guardian": "guardian",
    "parent": "guardian",
    "relative": "guardian",
    "student": "student",
    "teacher": "teacher",
    "districtadministrator": "district_admin",
    "systemadministrator": "district_admin",
}
ROLES |= dict.fromkeys(["administrator", "siteadministrator", "principal", "counselor", "aide", "proctor"], "staff")


def text(value: Any) -> str | None:
    return str(value).strip() or None if value is not None else None


def several(value: Any) -> list[Any]:
    return [] if value in (None, "") else value if isinstance(value, list) else [value]


def words(value: Any) -> list[str]:
    return sorted({found for item in several(value) if (found := text(item))})


def roles(entries: list[tuple[str, str | None, bool]]) -> list[dict[str, Any]]:
    merged: dict[tuple[str, str | None], bool] = {}
    for role, org, primary in entries:
        merged[role, org] = merged.get((role, org), False) or primary
    return [
        {"role": role, "org_id": org, "primary": primary}
        for (role, org), primary in sorted(merged.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    ]


def identifiers(entries: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": kind, "value": value} for kind, value in sorted({(k, text(v)) for k, v in entries if text(v)})]


# -- Clever --------------------------------------------------------------------------------------------------


def clever_pull(url: str, resource: str, limit: int = 197) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    path: str | None = f"/{url.rsplit('/', 1)[1]}/{resource}?limit={limit}"
    while path:
        answer = SESSION.get(url.rsplit("/", 1)[0] + path, headers={"Authorization": "Bearer TEST_TOKEN"})
        assert answer.status_code == 200, answer.text
        found += [item["data"] for item in answer.json()["data"]]
        path = next((link["uri"] for link in answer.json()["links"] if link["rel"] == "next"), None)
    assert [item["id"] for item in found] == sorted({item["id"] for item in found})
    return found


def read_clever(url: str) -> dict[str, list[dict[str, Any]]]:
    district = clever_pull(url, "districts")[0]
    contacts: dict[str, list[str]] = {}
    people = clever_pull(url, "users")
    for one in people:
        for relation in one["roles"].get("contact", {}).get("student_relationships", []):
            contacts.setdefault(relation["student"], []).append(one["id"])
    orgs = [
        {
            "id": district["id"],
            "status": "active",
            "name": text(district.get("name")),
            "type": "district",
            "identifier": text(district.get("nces_id")),
            "parent_id": None,
        }
    ]
    for one in clever_pull(url, "schools"):
        number = text(one.get("school_number")) or text(one.get("sis_id")) or text(one.get("nces_id"))
        orgs.append(
            {
                "id": one["id"],
                "status": "active",
                "name": text(one.get("name")),
                "type": "school",
                "identifier": number,
                "parent_id": one["district"],
            }
        )
    sections, enrollments = [], {}
    for one in clever_pull(url, "sections"):
        sections.append(
            {
                "id": one["id"],
                "status": "active",
                "name": text(one.get("name")),
                "number": text(one.get("section_number")),
                "type": None,
                "school_id": one["school"],
                "course_id": text(one.get("course")),
                "term_ids": words(one.get("term_id")),
                "grades": [CEDS.get(grade, grade) for grade in words(one.get("grade"))],
                "subjects": words(one.get("subject")),
                "periods": words(one.get("period")),
                "location": None,
            }
        )
        lead = text(one.get("teacher"))
        for role, members in (("student", one["students"]), ("teacher", [*one["teachers"], *several(lead)])):
            for member in members:
                name = f"{one['id']}:{member}:{role}"
                enrollments[name] = {
                    "id": name,
                    "status": "active",
                    "section_id": one["id"],
                    "user_id": member,
                    "school_id": one["school"],
                    "role": role,
                    "primary": member == lead if role == "teacher" else None,
                    "begin_date": None,
                    "end_date": None,
                }
    return {
        "orgs": orgs,
        "sections": sections,
        "enrollments": list(enrollments.values()),
        "users": [_clever_user(one, district["id"], contacts.get(one["id"], [])) for one in people],
        "terms": [
            {
                "id": one["id"],
                "status": "active",
                "name": text(one.get("name")),
                "type": "term",
                "start_date": text(one.get("start_date")),
                "end_date": text(one.get("end_date")),
                "parent_id": None,
                "school_year": None,
            }
            for one in clever_pull(url, "terms")
        ],
        "courses": [
            {
                "id": one["id"],
                "status": "active",
                "name": text(one.get("name")),
                "number": text(one.get("number")),
                "org_id": one["district"],
                "grades": [],
                "subjects": [],
            }
            for one in clever_pull(url, "courses")
        ],
    }


def _clever_user(one: dict[str, Any], district: str, contacts: list[str]) -> dict[str, Any]:
    held = one["roles"]
    student, teacher, staff = held.get("student", {}), held.get("teacher", {}), held.get("staff", {})
    contact = held.get("contact", {})
    preferred = student.get("preferred_name")
    if not isinstance(preferred, dict):
        preferred = {"first": preferred}
    entries: list[tuple[str, str | None, bool]] = []
    for name in ("student", "teacher"):
        for school in held.get(name, {}).get("schools", []):
            entries.append((name, school, school == held[name].get("school")))
    if "staff" in held:
        entries += [("staff", school, False) for school in staff["schools"]] or [("staff", None, False)]
    entries += [("district_admin", district, False)] * ("district_admin" in held)
    entries += [("guardian", None, False)] * ("contact" in held)
    logins = [part.get("credentials", {}).get("district_username") for part in (student, teacher, staff)]
    return {
        "id": one["id"],
        "status": "active",
        "given_name": text(one["name"].get("first")),
        "middle_name": text(one["name"].get("middle")),
        "family_name": text(one["name"].get("last")),
        "preferred_given_name": text(preferred.get("first")),
        "preferred_family_name": text(preferred.get("last")),
        "username": next((login for login in logins if login), None),
        "email": text(one.get("email")),
        "phone": text(contact.get("phone")),
        "enabled": None,
        "roles": roles(entries),
        "grades": [CEDS.get(grade, grade) for grade in words(student.get("grade"))],
        "student_number": text(student.get("student_number")) or text(student.get("sis_id")),
        "state_id": text(student.get("state_id")) or text(teacher.get("state_id")),
        "identifiers": identifiers(
            [("sis_id", part.get("sis_id")) for part in (student, teacher, contact)]
            + [("teacher_number", teacher.get("teacher_number")), ("staff_id", staff.get("staff_id"))]
        ),
        "guardian_ids": sorted(contacts) if student else [],
        "birth_date": text(student.get("dob")),
        "gender": text(student.get("gender")),
    }


# -- OneRoster -----------------------------------------------------------------------------------------------


def oneroster_pull(url: str, resource: str, limit: int = 197, **asked: str) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    offset = 0
    while True:
        answer = SESSION.get(
            f"{url}/{resource}",
            headers={"Authorization": "Bearer TEST_TOKEN"},
            params={"limit": str(limit), "offset": str(offset), **asked},
        )
        assert answer.status_code == 200, answer.text
        (records,) = answer.json().values()
        if not records:
            return list(found.values())
        offset += len(records)
        found.update({record["sourcedId"]: record for record in records})


def read_oneroster(url: str) -> dict[str, list[dict[str, Any]]]:
    version = "1.1" if "v1p1" in url else "1.2"
    people = oneroster_pull(url, "users")
    here = [one for one in people if _active(one)]
    born = {one["sourcedId"]: one for one in oneroster_pull(url, "demographics")}
    guardians: dict[str, set[str]] = {}
    for one in here:
        held = {entry["role"].lower() for entry in (several(one["roles"]) if version == "1.2" else [{"role": one["role"]}])}
        for agent in several(one.get("agents")):
            if held & {"guardian", "parent"}:
                guardians.setdefault(agent["sourcedId"], set()).add(one["sourcedId"])
            guardians.setdefault(one["sourcedId"], set()).add(agent["sourcedId"])
    return {
        "orgs": [
            {
                **_head(one),
                "name": text(one.get("name")),
                "parent_id": _ref(one.get("parent")),
                "type": one["type"].lower() if one["type"].lower() in ("district", "school") else "other",
                "identifier": text(one.get("identifier")),
            }
            for one in _those(url, "orgs")
        ],
        "terms": [
            {
                **_head(one),
                "name": text(one.get("title")),
                "type": one["type"],
                "start_date": one["startDate"][:10],
                "end_date": _before(one["endDate"]),
                "parent_id": _ref(one.get("parent")),
                "school_year": text(one.get("schoolYear")),
            }
            for one in _those(url, "academicSessions")
        ],
        "courses": [
            {
                **_head(one),
                "name": text(one.get("title")),
                "number": text(one.get("courseCode")),
                "org_id": _ref(one.get("org")),
                "grades": _grades(one),
                "subjects": words(one.get("subjects")),
            }
            for one in _those(url, "courses")
        ],
        "sections": [
            {
                **_head(one),
                "name": text(one.get("title")),
                "number": text(one.get("classCode")),
                "type": one["classType"],
                "school_id": _ref(one.get("school")),
                "course_id": _ref(one.get("course")),
                "term_ids": sorted(term["sourcedId"] for term in several(one.get("terms"))),
                "grades": _grades(one),
                "subjects": words(one.get("subjects")),
                "periods": words(one.get("periods")),
                "location": text(one.get("location")),
            }
            for one in _those(url, "classes")
        ],
        "users": [_oneroster_user(one, version, born.get(one["sourcedId"], {}), guardians.get(one["sourcedId"], set())) for one in here],
        "enrollments": [
            {
                **_head(one),
                "section_id": _ref(one["class"]),
                "user_id": _ref(one["user"]),
                "school_id": _ref(one["school"]),
                "role": one["role"].lower(),
                "primary": _yes(one["primary"]) if one["role"].lower() == "teacher" else None,
                "begin_date": (text(one.get("beginDate")) or "")[:10] or None,
                "end_date": _before(one.get("endDate")),
            }
            for one in _those(url, "enrollments")
        ],
    }


def _those(url: str, resource: str) -> list[dict[str, Any]]:
    return [one for one in oneroster_pull(url, resource) if _active(one)]


def _active(one: dict[str, Any]) -> bool:
    return one["status"].lower() not in ("tobedeleted", "inactive")


def _head(one: dict[str, Any]) -> dict[str, Any]:
    return {"id": one["sourcedId"], "status": "active"}


def _ref(value: Any) -> str | None:
    return value["sourcedId"] if value else None


def _yes(value: Any) -> bool:
    return str(value).lower() in ("true", "1")


def _before(day: str | None) -> str | None:
    return str(date.fromisoformat(day[:10]) - timedelta(days=1)) if day else None


def _grades(one: dict[str, Any]) -> list[str]:
    codes = {"KG" if grade.upper() == "K" else grade.zfill(2) for grade in words(one.get("grades"))}
    return sorted(codes, key=lambda code: (code != "KG", code))


def _oneroster_user(one: dict[str, Any], version: str, born: dict[str, Any], guardians: set[str]) -> dict[str, Any]:
    if version == "1.1":
        orgs = [org["sourcedId"] for org in several(one["orgs"])]
        entries = [(ROLES[one["role"].lower()], org, len(orgs) == 1) for org in orgs or [None]]
    else:
        main, held = _ref(one.get("primaryOrg")), several(one["roles"])
        leading = [entry for entry in held if entry["roleType"].lower() == "primary"]
        if main:
            there = [entry for entry in held if _ref(entry.get("org")) == main]
            chosen = [entry for entry in there if entry in leading] or there
        else:
            chosen = leading if len(leading) == 1 else []
        entries = [(ROLES[entry["role"].lower()], _ref(entry.get("org")), entry in chosen) for entry in held]
    student = any(role == "student" for role, _, _ in entries)
    ids = [(entry["type"], entry["identifier"]) for entry in several(one.get("userIds"))]
    others = [] if student else [("identifier", one.get("identifier"))]
    login = text(one.get("username"))
    for profile in one.get("userProfiles", []):
        login = login or profile["credentials"][0]["username"]
    return {
        **_head(one),
        "given_name": text(one.get("givenName")),
        "middle_name": text(one.get("middleName")),
        "family_name": text(one.get("familyName")),
        "preferred_given_name": text(one.get("preferredFirstName")),
        "preferred_family_name": text(one.get("preferredLastName")),
        "username": login,
        "email": text(one.get("email")),
        "phone": text(one.get("phone")) or text(one.get("sms")),
        "enabled": _yes(one["enabledUser"]),
        "roles": roles(entries),
        "grades": _grades(one),
        "student_number": text(one.get("identifier")) if student else None,
        "state_id": next((value for kind, value in ids if "state" in kind.lower()), None),
        "identifiers": identifiers(ids + others + [("userMasterIdentifier", one.get("userMasterIdentifier"))]),
        "guardian_ids": sorted(guardians) if student else [],
        "birth_date": (text(born.get("birthDate")) or "")[:10] or None,
        "gender": text(born.get("sex")),
    }
