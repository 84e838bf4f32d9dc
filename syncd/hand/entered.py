"""A person as somebody enters them: what has to be there, what is wrong with the rest in words, and the documents that come of it. Pure.

One student by a form and ten thousand by a spreadsheet are checked by the same rules.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import uuid4

import msgspec

from syncd.contract.document import Document
from syncd.contract.passwords import FIELD, Seal
from syncd.roster.fields import GRADES, LONGEST_ID, day, text
from syncd.settings.mistakes import Mistake

# Letters of one value.
LONGEST = 200
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+$")
_GRADES = {grade.lower(): grade for grade in GRADES} | {"k": "KG", "kindergarten": "KG", "pre-k": "PK", "prek": "PK"}
_GRADES |= {str(number): f"{number:02}" for number in range(1, 14)}
ROLES = ("student", "teacher", "staff")


@dataclass(frozen=True, slots=True)
class Field:
    """name: the roster's word, which is also the form's. title: for people. needed: of which roles."""

    name: str
    title: str
    needed: tuple[str, ...] = ()
    hint: str = ""


FIELDS = (
    Field("given_name", "First name", ROLES),
    Field("family_name", "Last name", ROLES),
    Field("number", "Student ID", ("student",), "the school's own number of the student, or of the member of staff"),
    Field("grade", "Grade", ("student",), "PK, K, or 1 to 12"),
    Field("username", "Username"),
    Field("email", "Email", (), "as in vera@school.example"),
    Field("state_id", "State ID"),
    Field("birth_date", "Birth date", (), "year-month-day, as in 2014-05-06"),
    Field("middle_name", "Middle name"),
    Field("preferred_given_name", "Preferred first name"),
    Field("phone", "Phone"),
    Field("language", "Language"),
    Field("groups", "Groups", (), "several are parted by ;"),
)
NAMES = {one.name: one for one in FIELDS}


@dataclass(frozen=True, slots=True)
class Person:
    """What was entered, found right. values: by the names of FIELDS, without what was left empty. password: out of a file, of a source that
    keeps them."""

    role: str
    school_id: str
    values: dict[str, str]
    password: str | None = field(default=None, repr=False)

    def document(self, record_id: str, seal: Seal | None = None) -> Document:
        """The record that it is, as the source by hand has it. seal: what a password is sealed with."""
        values, role = self.values, self.role
        extra = {name: values[name] for name in ("language",) if name in values}
        groups = [part for part in map(str.strip, values.get("groups", "").split(";")) if part]
        number = values.get("number")
        record: dict[str, Any] = {
            "id": record_id,
            **{name: values[name] for name in _SAME if name in values},
            "enabled": True,
            "roles": [{"role": role, "org_id": self.school_id, "primary": True}],
            "grades": [values["grade"]] if "grade" in values else [],
            "student_number": number if role == "student" else None,
            "identifiers": [{"type": "identifier", "value": number}] if number and role != "student" else [],
            "extra": extra | ({"groups": groups} if groups else {}),
        }
        if seal is not None and self.password and (sealed := seal.seal(record_id, self.password)):
            record[FIELD] = sealed
        return Document("users", record_id, msgspec.json.encode(record))

    def new_id(self) -> str:
        """The id of somebody new: by their number, so that the same person entered twice is one; else one that nobody has."""
        number = self.values.get("number")
        return f"{self.role}:{number}" if number else f"{self.role}:{uuid4().hex}"


_SAME = (
    "given_name", "family_name", "middle_name", "preferred_given_name", "username", "email", "phone", "state_id", "birth_date",
)  # fmt: skip


def check(role: str, school_id: str, entered: Mapping[str, str], today: date) -> tuple[Person | None, list[Mistake]]:
    """The person, or what is wrong, by field. Unknown fields are no matter."""
    values: dict[str, str] = {}
    wrong: list[Mistake] = []
    for one in FIELDS:
        value = text(entered.get(one.name))
        if value is None:
            if role in one.needed:
                wrong.append(Mistake(one.name, f"has to be there{f': {one.hint}' if one.hint else ''}"))
            continue
        if len(value) > LONGEST:
            wrong.append(Mistake(one.name, f"is longer than {LONGEST} letters"))
            continue
        better, told = _checked(one.name, value, today)
        if told:
            wrong.append(Mistake(one.name, told))
        else:
            values[one.name] = better
    return (None if wrong else Person(role, school_id, values)), wrong


def _checked(name: str, value: str, today: date) -> tuple[str, str | None]:
    """(the value as it is kept, what is wrong with it)."""
    if name == "grade":
        grade = _GRADES.get(value.lower().removeprefix("grade ").lstrip("0") or value.lower())
        return grade or value, None if grade else "is no grade: write PK, K, or 1 to 12"
    if name == "email" and not _EMAIL.match(value):
        return value, "is no email address: write one as vera@school.example"
    if name == "birth_date":
        found, understood = day(value)
        if not understood or found is None:
            return value, "is no date: write year-month-day, as in 2014-05-06"
        return found, None if "1900-01-01" <= found <= today.isoformat() else "is no day on which somebody could be born"
    if name == "number" and len(value) > LONGEST_ID - 20:
        return value, "is too long for a number"
    return value, None


def changes(entered: Mapping[str, str], today: date) -> tuple[dict[str, Any], list[Mistake]]:
    """Fields of a record with the values that they are to have, or what is wrong. What is not entered is not changed."""
    values: dict[str, Any] = {}
    wrong: list[Mistake] = []
    for name, value in entered.items():
        given = text(value)
        if given is None or name not in NAMES:
            continue
        better, told = _checked(name, given, today) if len(given) <= LONGEST else (given, f"is longer than {LONGEST} letters")
        if told:
            wrong.append(Mistake(name, told))
        elif name == "grade":
            values["grades"] = [better]
        elif name in _SAME:
            values[name] = better
    return values, wrong
