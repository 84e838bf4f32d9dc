"""A spreadsheet of one school's students: its columns matched to fields, each row checked, and nothing handed in before all are right."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from io import StringIO

from syncd.contract.unread import is_password, is_unread
from syncd.files.formula import tamed, untamed
from syncd.files.rows import RowFile
from syncd.hand.entered import FIELDS, NAMES, Person, check

MOST_ROWS = 10_000

# What columns are called elsewhere, without blanks and signs.
_ALSO = {
    "firstname": "given_name", "givenname": "given_name", "first": "given_name",
    "lastname": "family_name", "familyname": "family_name", "surname": "family_name", "last": "family_name",
    "studentid": "number", "studentnumber": "number", "districtstudentid": "number", "id": "number", "number": "number",
    "grade": "grade", "gradelevel": "grade", "username": "username", "login": "username", "email": "email", "emailaddress": "email",
    "alternateid": "state_id", "stateid": "state_id", "studentstateid": "state_id", "statestudentnumber": "state_id",
    "birthdate": "birth_date", "dateofbirth": "birth_date", "dob": "birth_date", "middlename": "middle_name",
    "preferredfirstname": "preferred_given_name", "phone": "phone", "language": "language", "group": "groups", "groups": "groups",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong in a cell, and what to write instead. line: of the file. column: as the file calls it, or as it should."""

    line: int
    column: str
    words: str


@dataclass
class Checked:
    """people: {line: person}; wrong: empty when all rows are right. matched: {column: field}; left: columns that nothing is made of."""

    people: dict[int, Person] = field(default_factory=dict)
    wrong: list[Wrong] = field(default_factory=list)
    matched: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def match(header: Sequence[str], remembered: Mapping[str, str] = {}) -> dict[str, str]:
    """{column: field} as far as it can be told: by what was chosen before (remembered), then by what columns are usually called."""
    found: dict[str, str] = {}
    for column in header:
        name = remembered.get(column.lower(), _ALSO.get(re.sub(r"[^a-z]", "", column.lower())))
        if name in NAMES and name not in found.values() and not is_unread(column):
            found[column] = name
    return found


def verify(sheet: RowFile, school_id: str, matched: Mapping[str, str], today: date, *, passwords: bool = False) -> Checked:
    """Check every row of a school's students. passwords: take them along, too. Raises BadFile."""
    matched = {column: name for column, name in matched.items() if not is_unread(column)}
    done = Checked(matched=dict(matched))
    places = {matched[column]: place for place, column in enumerate(sheet.header) if column in matched}
    secret = next((place for place, column in enumerate(sheet.header) if is_password(column)), None) if passwords else None
    done.left = [column for place, column in enumerate(sheet.header) if column and column not in matched and place != secret]
    called = {name: column for column, name in matched.items()}
    for one in FIELDS:
        if "student" in one.needed and one.name not in places:
            done.wrong.append(Wrong(1, one.title, "there is no such column: add it, or say which of yours it is"))
    if done.wrong:
        return done
    seen: dict[str, dict[str, int]] = {"number": {}, "username": {}}
    for count, row in enumerate(sheet.rows(), start=1):
        if count > MOST_ROWS:
            done.wrong.append(Wrong(row.line, "", f"the file has more than {MOST_ROWS:,} rows: send it in parts"))
            break
        entered = {name: untamed(row.cells[place]) for name, place in places.items() if place < len(row.cells)}
        person, mistakes = check("student", school_id, entered, today)
        done.wrong += [Wrong(row.line, called.get(one.key, NAMES[one.key].title), one.words) for one in mistakes]
        if person is None:
            continue
        if secret is not None and secret < len(row.cells):
            person = replace(person, password=untamed(row.cells[secret].strip()))
        for name, lines in seen.items():
            value = person.values.get(name, "").lower()
            if value and value in lines:
                done.wrong.append(Wrong(row.line, called[name], f"is that of line {lines[value]} too: each student has one of their own"))
            lines.setdefault(value, row.line)
        done.people[row.line] = person
    if not done.people and not done.wrong:
        done.wrong.append(Wrong(2, "", "there are no rows: write each student in a row of their own"))
    done.wrong.sort(key=lambda one: one.line)
    return done


def as_csv(wrong: Iterable[Wrong]) -> str:
    """The error document: row, column, what is wrong and what to write instead."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["row", "column", "what is wrong"])
    writer.writerows([one.line, tamed(one.column), tamed(one.words)] for one in wrong)
    return text.getvalue()
