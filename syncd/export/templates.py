"""The roster of a source as the four import templates: all that is active, in files that say so.

It is one look at the store, row by row. The templates have no place for courses, terms, guardians and much else: that is counted and told.
"""

import zipfile
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

from sqlalchemy import Connection, Row, func, select

from syncd.export.zipped import Cells, Exported, table
from syncd.files.templates import DIRECTIVE, KINDS
from syncd.store import Store
from syncd.store.tables import ROSTER

_BATCH = 500
_GRADES = {"KG": "K", **{f"{number:02}": str(number) for number in range(1, 14)}}
_ADMINS = ("district_admin", "staff")
# Administrators of whom the place does not say which of the two they are: no product takes these for more than they are.
_PLAIN = {"staff": "Staff", "district_admin": "District Administrator"}
# Fields of a kind that have no place: (field, as it is told).
_NO_PLACE = {
    "org": (("identifier", "an organization's further number"),),
    "section": (
        ("number", "a group's further number"), ("type", "a group's type"), ("course_id", "a group's course"),
        ("term_ids", "a group's terms"), ("grades", "a group's grades"), ("subjects", "a group's subjects"),
        ("periods", "a group's periods"), ("location", "a group's room"),
    ),
    "user": (
        ("middle_name", "a middle name"), ("preferred_given_name", "a preferred name"), ("preferred_family_name", "a preferred name"),
        ("phone", "a phone number"), ("guardian_ids", "who the guardians of a student are"), ("gender", "a gender"),
        ("demographics", "further demographics"),
    ),
}  # fmt: skip


def write(store: Store, source: str, into: BinaryIO) -> Exported:
    """Write a zip. Raises StoreError."""
    done = Exported()
    with store.read() as connection, zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as bundle:
        work = _Work(connection, source, done)
        rows = {
            "organizations": work.organizations, "groups": work.groups, "users": work.users, "students": work.students,
        }  # fmt: skip
        for kind, columns in KINDS.items():
            with table(bundle, kind, [column.name for column in columns], before=DIRECTIVE) as put:
                for cells in rows[kind]():
                    put(cells)
                    done.files[kind] = done.files.get(kind, 0) + 1
        for kind, told in (("course", "a course"), ("term", "a term")):
            if count := work.count(kind):
                done.lost[told] += count
    return done


class _Work:
    """One export."""

    def __init__(self, connection: Connection, source: str, done: Exported) -> None:
        self._connection, self._source, self._lost = connection, source, done.lost
        org = ROSTER["org"].c
        districts = select(org.id).where(org.source == source, org.status == "active", org.type == "district")
        self._districts = frozenset(connection.execute(districts).scalars())
        self._by_number = self._students_have_numbers()

    def count(self, kind: str) -> int:
        """How many records of a kind are active."""
        return int(self._connection.execute(select(func.count()).select_from(ROSTER[kind]).where(*self._active(kind))).scalar_one())

    def organizations(self) -> Iterator[Cells]:
        for row in self._found("org"):
            self._count_lost("org", row)
            word = row.type if row.type in ("school", "district") else (row.extra or {}).get("type") or "other"
            yield _cells(
                OrganizationNumber=row.id, OrganizationName=row.name, OrganizationType=word, ParentOrganizationNumber=row.parent_id
            )

    def groups(self) -> Iterator[Cells]:
        for row in self._found("section"):
            self._count_lost("section", row)
            yield _cells(GroupNumber=row.id, GroupName=row.name, OrganizationNumber=row.school_id)

    def users(self) -> Iterator[Cells]:
        """Teachers and administrators; and, told once for both files, who is in neither."""
        for row, enrollments in self._people():
            roles = row.roles or []
            match _file_of(roles):
                case None:
                    guardian = any(role["role"] == "guardian" for role in roles)
                    self._lost["a guardian" if guardian else "somebody with another role, or none"] += 1
                    if enrollments:
                        self._lost["an enrollment of somebody who is left out"] += len(enrollments)
                case "users":
                    yield self._user(row, roles, enrollments)

    def students(self) -> Iterator[Cells]:
        for row, enrollments in self._people():
            roles = row.roles or []
            if _file_of(roles) == "students":
                yield self._student(row, roles, enrollments)

    def _user(self, row: Row[Any], roles: list[dict[str, Any]], enrollments: list[Row[Any]]) -> Cells:
        word, kept = self._chosen(roles)
        number = next((one["value"] for one in row.identifiers or [] if row.id == f"user:{one['value']}"), row.id)
        others = sum(one["value"] != number for one in row.identifiers or [])
        if others or row.state_id:
            self._lost["a further number of a user"] += others + bool(row.state_id)
        if row.birth_date:
            self._lost["a user's birth date"] += 1
        self._count_lost("user", row)
        return _cells(
            UserNumber=number,
            FirstName=row.given_name,
            LastName=row.family_name,
            Email=row.email,
            Username=row.username,
            Role=word,
            OrganizationNumber=self._orgs(roles, kept),
            GroupNumber=self._groups(enrollments, "teacher" if word == "Teacher" else "administrator"),
        )

    def _student(self, row: Row[Any], roles: list[dict[str, Any]], enrollments: list[Row[Any]]) -> Cells:
        kept = [role for role in roles if role["role"] == "student"]
        number = row.student_number if self._by_number or row.id == f"student:{row.student_number}" else row.id
        if row.student_number and number != row.student_number:
            self._lost["a student number, since others lack theirs or have the same"] += 1
        if row.identifiers:
            self._lost["a further number of a student"] += len(row.identifiers)
        if row.email:
            self._lost["a student's email"] += 1
        grades = row.grades or []
        if len(grades) > 1:
            self._lost["a further grade"] += len(grades) - 1
        self._count_lost("user", row)
        language = (row.extra or {}).get("Language")
        return _cells(
            StudentNumber=number,
            FirstName=row.given_name,
            LastName=row.family_name,
            Username=row.username,
            Grade=_GRADES.get(grades[0], grades[0]) if grades else None,
            OrganizationNumber=self._orgs(roles, kept),
            GroupNumber=self._groups(enrollments, "student"),
            StateStudentNumber=row.state_id,
            Birthdate=row.birth_date,
            Language=language if isinstance(language, str) else None,
        )

    def _chosen(self, roles: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
        """The one word for what a user is, and the roles that it stands for."""
        teaching = [role for role in roles if role["role"] == "teacher"]
        if teaching:
            return "Teacher", teaching
        admins = [role for role in roles if role["role"] in _ADMINS]
        if all((role["role"] == "district_admin") == (role["org_id"] in self._districts) for role in admins):
            return "Administrator", admins
        best = min(admins, key=lambda role: _ADMINS.index(role["role"]))["role"]
        return _PLAIN[best], [role for role in admins if role["role"] == best]

    def _orgs(self, roles: list[dict[str, Any]], kept: list[dict[str, Any]]) -> str:
        if len(kept) < len(roles):
            self._lost["a further role of a person"] += len(roles) - len(kept)
        if len(kept) > 1 and any(role["primary"] for role in kept):
            self._lost["which school is the main one"] += 1
        return self._list([role["org_id"] for role in sorted(kept, key=lambda role: not role["primary"]) if role["org_id"]])

    def _groups(self, enrollments: list[Row[Any]], role: str) -> str:
        for one in enrollments:
            if one.role != role:
                self._lost["a role in a group that is not the person's own"] += 1
            if one.begin_date or one.end_date:
                self._lost["the dates of an enrollment"] += 1
            if one.primary:
                self._lost["who is the first teacher of a group"] += 1
        return self._list([one.section_id for one in enrollments])

    def _list(self, numbers: list[str]) -> str:
        """Numbers in a cell, each once."""
        usable = [number for number in dict.fromkeys(numbers) if ";" not in number]
        if more := len(numbers) - len(usable):
            self._lost["a number that is there twice, or has a semicolon in it"] += more
        return ";".join(usable)

    def _count_lost(self, kind: str, row: Row[Any]) -> None:
        for name, told in _NO_PLACE[kind]:
            if getattr(row, name):
                self._lost[told] += 1
        if kind == "user" and row.enabled is False:
            self._lost["that somebody may not sign in"] += 1
        if (row.extra or {}).keys() - {"Language", "type", "roles", "grades"}:
            self._lost["what the source sent beside the fields"] += 1

    def _active(self, kind: str) -> tuple[Any, ...]:
        columns = ROSTER[kind].c
        return columns.source == self._source, columns.status == "active"

    def _found(self, kind: str) -> Iterator[Row[Any]]:
        query = select(ROSTER[kind]).where(*self._active(kind)).order_by(ROSTER[kind].c.id)
        yield from self._connection.execute(query.execution_options(yield_per=_BATCH))

    def _people(self) -> Iterator[tuple[Row[Any], list[Row[Any]]]]:
        """Each active person with the active enrollments, by section."""
        people, enrollment = self._found("user"), ROSTER["enrollment"].c
        names = ("user_id", "section_id", "role", "primary", "begin_date", "end_date")
        while batch := list(islice(people, _BATCH)):
            theirs: dict[str, list[Row[Any]]] = {}
            query = select(*(enrollment[name] for name in names)).where(*self._active("enrollment"))
            query = query.where(enrollment.user_id.in_([row.id for row in batch])).order_by(enrollment.section_id, enrollment.id)
            for one in self._connection.execute(query):
                theirs.setdefault(one.user_id, []).append(one)
            for row in batch:
                yield row, theirs.get(row.id, [])

    def _students_have_numbers(self) -> bool:
        """Whether each student has a number that nobody else has: then it is what the file knows the student by, else the record's id."""
        user = ROSTER["user"].c
        twice = select(user.student_number).where(*self._active("user"), user.student_number.is_not(None))
        twice = twice.group_by(user.student_number).having(func.count() > 1).limit(1)
        if self._connection.execute(twice).first() is not None:
            return False
        lacking = select(user.roles).where(*self._active("user"), user.student_number.is_(None)).execution_options(yield_per=_BATCH)
        return all(_file_of(roles or []) != "students" for (roles,) in self._connection.execute(lacking))


def _file_of(roles: list[dict[str, Any]]) -> str | None:
    """The file in which somebody with these roles stands. A student who also teaches is a student: as both it would be two people."""
    names = {role["role"] for role in roles}
    if "student" in names:
        return "students"
    return "users" if names & {"teacher", *_ADMINS} else None


def _cells(**values: str | None) -> Cells:
    return {name: value for name, value in values.items() if value}
