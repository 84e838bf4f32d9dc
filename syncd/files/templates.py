"""The import templates: four tables by which a school hands over its roster, and what stands in their columns."""

import re
from enum import StrEnum
from typing import NamedTuple

# In a file that lists everything: who is not in it is gone.
DIRECTIVE = "<DeleteUnlistedRecords>"


class Kind(StrEnum):
    """What a template lists."""

    ORGANIZATIONS = "organizations"
    GROUPS = "groups"
    USERS = "users"
    STUDENTS = "students"


class Column(NamedTuple):
    """A column. told: what stands in it, for who fills it in. needed: without it the file is nobody's. also: other names that it has.
    choices: what may stand in it. several: values parted by a semicolon."""

    name: str
    told: str
    needed: bool = False
    also: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    several: bool = False


GRADES = ("PK", "K", *map(str, range(1, 13)))
ORG_TYPES = ("school", "district")
ROLES = ("Administrator", "Teacher")

_NUMBER = "the number by which the SIS knows it, which never changes; with its zeros in front"
_SCHOOLS = "the number of the school or district, as in the organizations file; several are parted by a semicolon"
_GROUPS = "the numbers of the classes, as in the groups file, parted by semicolons"

KINDS: dict[str, tuple[Column, ...]] = {
    "organizations": (
        Column("OrganizationNumber", f"Needed: {_NUMBER}.", needed=True),
        Column("OrganizationName", "Needed: the name.", needed=True),
        Column("OrganizationType", "school or district; empty means school.", choices=ORG_TYPES),
        Column("ParentOrganizationNumber", "The number of the district that a school belongs to."),
    ),
    "groups": (
        Column("GroupNumber", f"Needed: {_NUMBER}.", needed=True, also=("ClassNumber",)),
        Column("GroupName", "Needed: the name of the class.", needed=True, also=("ClassName",)),
        Column("OrganizationNumber", "Needed: the number of its school, as in the organizations file.", needed=True),
    ),
    "users": (
        Column("UserNumber", f"Needed: {_NUMBER}.", needed=True),
        Column("FirstName", "Needed.", needed=True),
        Column("LastName", "Needed.", needed=True),
        Column("Email", "The email address, which no two people share. Either this or a user name is needed."),
        Column("Username", "The user name, which no two people share."),
        Column("Role", "Administrator or Teacher.", needed=True, also=("AccountType",), choices=ROLES, several=True),
        Column("OrganizationNumber", f"Needed: {_SCHOOLS}.", needed=True, several=True),
        Column("GroupNumber", f"Of a teacher: {_GROUPS}.", also=("ClassNumber",), several=True),
    ),
    "students": (
        Column("StudentNumber", f"Needed: {_NUMBER}.", needed=True),
        Column("FirstName", "Needed.", needed=True),
        Column("LastName", "Needed.", needed=True),
        Column("Username", "Needed: the user name, which no two people share."),
        Column("Grade", "Needed: PK, K, or 1 to 12.", choices=GRADES),
        Column("OrganizationNumber", f"Needed: {_SCHOOLS}.", needed=True, several=True),
        Column("GroupNumber", f"Optional: {_GROUPS}.", also=("ClassNumber",), several=True),
        Column("StateStudentNumber", "Optional: the number by which the state knows the student."),
        Column("Birthdate", "Optional, as 2015-09-30. Leave it out unless it was asked for."),
        Column("Language", "Optional: the language in which the student is taught, as English or Spanish."),
    ),
}  # fmt: skip
# Which file is of which kind: its name has one of these words in it.
WORDS = {
    "organizations": ("organization", "organisation"),
    "groups": ("group", "class"),
    "users": ("user",),
    "students": ("student",),
}


def plain(name: str) -> str:
    """A column's name without what people write otherwise: capitals, blanks, signs."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_directive(cell: str) -> bool:
    """Whether a cell is the directive."""
    return re.sub(r"[\s\"']", "", cell).lower() == DIRECTIVE.lower()


def kinds_of(file: str) -> list[str]:
    """The kinds that a file's name has in it."""
    low = file.lower()
    return [kind for kind, words in WORDS.items() if any(word in low for word in words)]


def is_header(kind: str, cells: list[str]) -> bool:
    """Whether cells are the header of a kind: one that names its number, or two of its columns."""
    known = {plain(name) for column in KINDS[kind] for name in (column.name, *column.also)}
    found = known & {plain(cell) for cell in cells}
    return plain(KINDS[kind][0].name) in found or len(found) > 1
