"""The pretend district itself: its schools, terms, courses, sections, people and enrollments, as one model.

Both dialects are served from these records and the expected roster is computed from them, so the model holds
facts (who is whose guardian, the last day of a term) and no dialect's spelling of them. It owns identity (the
ids of both dialects), the pretend clock, and the sorted lists that pages are cut from. How a record changes
is told in `changes.py`, how a school day goes in `days.py`.
"""

from __future__ import annotations

import calendar
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

KINDS = ("orgs", "terms", "courses", "sections", "users", "enrollments")

# The parts into which Clever divides a person: staff roles are merged, students and contacts never are
# (clever-api.md section 5), so that a teacher who is also a guardian is two users there.
FACET_OF_ROLE = {
    "teacher": "adult",
    "staff": "adult",
    "district_admin": "adult",
    "student": "student",
    "guardian": "contact",
}
FACETS = ("adult", "student", "contact")


class Org(msgspec.Struct, kw_only=True, gc=False):
    """A district, a school or another unit. `number` is the local school number; grades are CEDS codes."""

    id: str
    name: str | None
    type: str
    number: str | None = None
    nces_id: str | None = None
    sis_id: str | None = None
    parent: str | None = None
    low_grade: str | None = None
    high_grade: str | None = None
    phone: str | None = None
    principal: str | None = None
    street: str | None = None
    city: str | None = None
    zip: str | None = None
    clever_id: str = ""
    created: int = 0
    modified: int = 0
    clever_modified: int = 0
    gone: bool = False


class Term(msgspec.Struct, kw_only=True, gc=False):
    """A stretch of the school year. `last_day` is inclusive; `school_year` is the year in which it ends, as
    text.
    """

    id: str
    name: str | None
    type: str
    first_day: str
    last_day: str
    parent: str | None = None
    school_year: str | None = None
    clever_id: str = ""
    created: int = 0
    modified: int = 0
    clever_modified: int = 0
    gone: bool = False


class Course(msgspec.Struct, kw_only=True, gc=False):
    """What is taught. `org` is the district or a school; `school_year` the id of a term."""

    id: str
    name: str | None
    number: str | None = None
    org: str | None = None
    school_year: str | None = None
    grades: list[str] = []
    subjects: list[str] = []
    clever_id: str = ""
    created: int = 0
    modified: int = 0
    clever_modified: int = 0
    gone: bool = False


class Section(msgspec.Struct, kw_only=True, gc=False):
    """A group that meets. Who is in it stands in the enrollments (`District.in_section`)."""

    id: str
    name: str | None
    school: str | None
    type: str = "scheduled"
    number: str | None = None
    course: str | None = None
    terms: list[str] = []
    grades: list[str] = []
    subjects: list[str] = []
    periods: list[str] = []
    location: str | None = None
    clever_id: str = ""
    created: int = 0
    modified: int = 0
    clever_modified: int = 0
    gone: bool = False


class Role(msgspec.Struct, kw_only=True, gc=False, frozen=True):
    """One role of a person at one org. `word` is OneRoster 1.2's word for it where several mean the same
    role.
    """

    role: str
    org: str | None = None
    type: str = "primary"
    word: str | None = None


class Guardian(msgspec.Struct, kw_only=True, gc=False, frozen=True):
    """A guardian of a student. `mutual`: the student's agents name the guardian too, and not only the
    reverse.
    """

    id: str
    relationship: str = "Parent"
    type: str = "Parent/Guardian"
    mutual: bool = True


class User(msgspec.Struct, kw_only=True, gc=False):
    """A person with all roles. `guardians` only of students; `gender` M, F or X; grades are CEDS codes."""

    id: str
    given_name: str | None
    family_name: str | None
    middle_name: str | None = None
    preferred_given_name: str | None = None
    preferred_family_name: str | None = None
    username: str | None = None
    email: str | None = None
    phone: str | None = None
    sms: str | None = None
    enabled: bool = True
    roles: list[Role] = []
    primary_org: str | None = None
    grades: list[str] = []
    number: str | None = None
    sis_id: str | None = None
    state_id: str | None = None
    user_ids: list[tuple[str, str]] = []
    master_id: str | None = None
    title: str | None = None
    guardians: list[Guardian] = []
    birth_date: str | None = None
    gender: str | None = None
    race: str | None = None
    hispanic: bool | None = None
    left_on: str | None = None
    clever_id: str = ""
    clever_facet: str = ""
    clever_more: dict[str, str] | None = None
    created: int = 0
    modified: int = 0
    clever_modified: int = 0
    gone: bool = False


class Enrollment(msgspec.Struct, kw_only=True, gc=False):
    """A user in a section. `last_day` is inclusive; a move ends one enrollment and begins another."""

    id: str
    section: str
    user: str
    role: str
    primary: bool = False
    first_day: str | None = None
    last_day: str | None = None
    created: int = 0
    modified: int = 0
    gone: bool = False


Record = Org | Term | Course | Section | User | Enrollment
RECORD_OF_KIND: dict[str, type[Any]] = {
    "orgs": Org,
    "terms": Term,
    "courses": Course,
    "sections": Section,
    "users": User,
    "enrollments": Enrollment,
}
PREFIX_OF_KIND = {
    "orgs": "org",
    "terms": "ses",
    "courses": "crs",
    "sections": "cls",
    "users": "usr",
    "enrollments": "enr",
}


class Event(msgspec.Struct, kw_only=True, gc=False):
    """One Clever event. `newer_only`: nothing but fields that 3.0 lacks changed, so 3.0 does not list it."""

    id: str
    kind: str
    verb: str
    created: int
    object: dict[str, Any]
    previous: dict[str, Any]
    newer_only: bool = False


T = TypeVar("T")


def milliseconds(day: date, hour: int = 6) -> int:
    """The instant at which a pretend day begins, in milliseconds since 1970 UTC."""
    return calendar.timegm((day.year, day.month, day.day, hour, 0, 0)) * 1000


def facets(user: User) -> list[str]:
    """The Clever users that a person is: some of `FACETS`, at least one."""
    held = {FACET_OF_ROLE.get(role.role, "adult") for role in user.roles}
    return [facet for facet in FACETS if facet in held] or ["adult"]


def clever_id_of(user: User, facet: str) -> str:
    """The Clever id of one facet of a person; the person's first one if there is no such facet."""
    if user.clever_more and facet in user.clever_more:
        return user.clever_more[facet]
    return user.clever_id


class District:
    """A pretend district: its records, its clock and its events.

    Make one by `District.generate(students=…, seed=…)` or `District.load(folder)`. All reading and changing
    from outside happens under `lock`, because the server and a test may work in different threads.
    """

    def __init__(self, *, seed: int = 1, first_day: date = date(2026, 8, 17)) -> None:
        self.seed = seed
        self.first_day = first_day
        self.date = first_day
        self.day = 0
        self.clock = milliseconds(first_day)
        self.lock = threading.RLock()
        self.version = 0
        self.orgs: dict[str, Org] = {}
        self.terms: dict[str, Term] = {}
        self.courses: dict[str, Course] = {}
        self.sections: dict[str, Section] = {}
        self.users: dict[str, User] = {}
        self.enrollments: dict[str, Enrollment] = {}
        self.events: list[Event] = []
        self.in_section: dict[str, list[Enrollment]] = {}
        self.of_user: dict[str, list[Enrollment]] = {}
        self.children: dict[str, list[str]] = {}
        self._clever: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
        self._facet: dict[str, str] = {}
        self._ids: dict[str, list[str]] = {kind: [] for kind in KINDS}
        self._unsorted: set[str] = set()
        self._counters: dict[str, int] = {}
        self._views: dict[Any, Any] = {}

    # -- beginnings ------------------------------------------------------------------------------------------

    @classmethod
    def generate(cls, *, students: int = 1000, seed: int = 1, year: int = 2026, schools: int | None = None) -> District:
        """A believable district of about so many students; the same numbers always give the same district.

        year: the calendar year in which the school year begins. schools: how many, if not one for about 600
        students. Raises ValueError when students is below 1.
        """
        from syncd.sandbox.generate import generate

        return generate(students=students, seed=seed, year=year, school_count=schools)

    @classmethod
    def load(cls, folder: Any, *, seed: int = 1) -> District:
        """The district of a folder of OneRoster CSV files, 1.1 or 1.2 (reference/oneroster.md section 8).

        Raises ValueError when the folder holds no usable users.csv or orgs.csv.
        """
        from syncd.sandbox.csv_folder import load

        return load(folder, seed=seed)

    # -- identity --------------------------------------------------------------------------------------------

    def new_id(self, kind: str) -> str:
        """A OneRoster sourcedId not used before. They do not ascend: a new record lands in the midst of a
        list.
        """
        while True:
            count = self._counters[kind] = self._counters.get(kind, 0) + 1
            mixed = (count * 0x9E3779B1 + self.seed * 0x85EBCA6B) & 0xFFFFFFFF
            name = f"{PREFIX_OF_KIND[kind]}-{mixed:08x}"
            if name not in self.table(kind):
                return name

    def new_clever_id(self) -> str:
        """A Clever id: 24 hex characters that ascend by creation (clever-api.md section 2)."""
        count = self._counters["clever"] = self._counters.get("clever", 0) + 1
        return f"{self.clock // 1000:08x}{(self.seed * 0x9E3779B1) & 0xFFFFFFFF:08x}{count:08x}"

    def table(self, kind: str) -> dict[str, Any]:
        """All records of a kind by id, gone ones included."""
        found: dict[str, Any] = getattr(self, kind)
        return found

    def put(self, kind: str, record: Any) -> None:
        """Take a new record in: give it what ids it lacks and list it everywhere it belongs."""
        if not record.id:
            record.id = self.new_id(kind)
        record.created = record.created or self.clock
        record.modified = record.modified or self.clock
        self.table(kind)[record.id] = record
        self._ids[kind].append(record.id)
        self._unsorted.add(kind)
        if isinstance(record, Enrollment):
            self.in_section.setdefault(record.section, []).append(record)
            self.of_user.setdefault(record.user, []).append(record)
            return
        record.clever_modified = record.clever_modified or self.clock
        if isinstance(record, User):
            self.number(record)
            for guardian in record.guardians:
                self.children.setdefault(guardian.id, []).append(record.id)
        else:
            record.clever_id = record.clever_id or self.new_clever_id()
            self._clever[kind][record.clever_id] = record

    def number(self, user: User) -> None:
        """Give each Clever facet of a person an id, and never change one that was given."""
        for facet in facets(user):
            if not user.clever_id:
                user.clever_id, user.clever_facet = self.new_clever_id(), facet
            elif facet != user.clever_facet and facet not in (user.clever_more or {}):
                user.clever_more = {**(user.clever_more or {}), facet: self.new_clever_id()}
        self._clever["users"][user.clever_id] = user
        self._facet[user.clever_id] = user.clever_facet
        for facet, name in (user.clever_more or {}).items():
            self._clever["users"][name] = user
            self._facet[name] = facet

    def relate(self, student: User, guardians: Iterable[Guardian]) -> None:
        """Set the guardians of a student."""
        for old in student.guardians:
            self.children[old.id].remove(student.id)
        student.guardians = list(guardians)
        for new in student.guardians:
            self.children.setdefault(new.id, []).append(student.id)

    def active_children(self, guardian: User) -> list[User]:
        """The students who have this guardian and are still at school, in the order of their ids."""
        found = (self.users.get(name) for name in sorted(set(self.children.get(guardian.id, ()))))
        return [child for child in found if child is not None and not child.gone]

    def clever_record(self, kind: str, clever_id: str) -> tuple[Any, str] | None:
        """The record and facet (users only) that Clever lists under an id now; None if it lists none."""
        record = self._clever[kind].get(clever_id)
        if record is None or record.gone or not self._in_clever(kind, record, clever_id):
            return None
        return record, self._facet.get(clever_id, "")

    def _in_clever(self, kind: str, record: Any, clever_id: str) -> bool:
        if kind == "users":
            return self._facet[clever_id] in facets(record)
        if kind == "orgs":
            return record.type in ("district", "school")
        if kind == "terms":
            return is_clever_term(record)
        return kind != "sections" or record.school is not None

    # -- lists -----------------------------------------------------------------------------------------------

    def ids(self, kind: str) -> list[str]:
        """All OneRoster ids of a kind in Unicode order, gone records included."""
        if kind in self._unsorted:
            self._ids[kind].sort()
            self._unsorted.discard(kind)
        return self._ids[kind]

    def clever_ids(self, kind: str) -> list[str]:
        """The ids that Clever lists of a kind now, ascending."""
        return self.view(
            ("clever", kind),
            lambda: sorted(name for name, record in self._clever[kind].items() if not record.gone and self._in_clever(kind, record, name)),
        )

    def view(self, key: Any, build: Callable[[], T]) -> T:
        """What `build` gives, kept until the district changes."""
        if key not in self._views:
            if len(self._views) > 200:
                self._views.clear()
            self._views[key] = build()
        found: T = self._views[key]
        return found

    def changed(self) -> None:
        """Forget every list made before this moment."""
        self.version += 1
        self._views.clear()

    def district(self) -> Org | None:
        """The org at the top, if there is one."""
        for org in self.orgs.values():
            if org.type == "district" and not org.gone:
                return org
        return None

    def counts(self) -> dict[str, int]:
        """How many records of each kind are active."""
        return self.view(
            "counts",
            lambda: {kind: sum(not record.gone for record in self.table(kind).values()) for kind in KINDS},
        )

    # -- time ------------------------------------------------------------------------------------------------

    def tick(self) -> int:
        """The instant of the next change: a second after the last one, so that no two changes share it."""
        self.clock += 1000
        return self.clock

    def next_day(self) -> None:
        """Go to the morning of the next school day (Monday to Friday)."""
        self.day += 1
        self.date += timedelta(days=1)
        while self.date.weekday() > 4:
            self.date += timedelta(days=1)
        self.clock = max(self.clock + 1000, milliseconds(self.date))


def is_clever_term(term: Term) -> bool:
    """Clever knows one flat list of terms: school years and grading periods are not among them."""
    return term.type.lower() in ("term", "semester")


@lru_cache(maxsize=4096)
def timestamp(instant: int) -> str:
    """Milliseconds since 1970 as `2026-08-17T06:00:00.000Z`, the spelling of both dialects."""
    whole = datetime.fromtimestamp(instant // 1000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{instant % 1000:03d}Z"
