"""A pretend district of any size, as the pages that a OneRoster 1.1 provider would send, ready on disk.

Everything about a record follows from its place in its list: no list is ever held, so that six million enrollments cost no more memory
than sixty thousand, and two runs write the same bytes. Ids are random within their place's share of all ids: they look like any UUIDs,
and yet the lists come out sorted.

Three versions, each the day after the one before: `same`; `shifted`, with one record more at the very beginning of each list, so that no
page begins where it did; `changed`, with 1 % changed, 0.5 % added and 0.5 % gone, scattered over all pages. Who leaves takes all
enrollments along; who comes is put into new classes.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from math import gcd
from pathlib import Path
from typing import Any

VERSIONS = ("same", "shifted", "changed")
# OneRoster's lists, in the order they are asked for, and what the roster calls their records.
KINDS = {
    "orgs": "orgs",
    "academicSessions": "terms",
    "courses": "courses",
    "classes": "sections",
    "users": "users",
    "enrollments": "enrollments",
}
# What may become of a record from one version to the next.
BECAME = ("created", "updated", "deactivated", "unchanged")
PAGE = 5_000
BASE = "https://sis.springfield.example/ims/oneroster/v1p1"
# Of a hundred, or two hundred, in a row: the one that changes, the one that goes, the one behind which somebody comes.
CHANGES, GOES, COMES = 48, 101, 37
SEATS = 30  # of a class: a teacher, and students
BUNDLE = 16  # users in a row who belong to one school: a teacher, and students
NEW_STUDENTS = 5  # in each new class
DAYS = 500  # over which the last changes of old records are spread
FIRST_DAY = datetime(2024, 3, 1, 6, tzinfo=UTC)
DATES = [(FIRST_DAY + timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%S.000Z") for day in range(DAYS)]
LATER = {"shifted": "2025-09-01T06:00:00.000Z", "changed": "2025-09-08T06:00:00.000Z"}
# Records are kept apart for questions after recent changes when they are dated from here on.
RECENT = (FIRST_DAY + timedelta(days=DAYS - 3)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
GIVEN = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gia", "Hugo", "Ines", "Jon", "Kim", "Lou", "Mia", "Ned", "Oda", "Pia", "Rex", "Sue")
FAMILY = ("Archer", "Baker", "Carter", "Draper", "Fisher", "Glover", "Hunter", "Mason", "Porter", "Sawyer", "Turner", "Weaver", "Wright")
SUBJECTS = ("Algebra", "Biology", "Chemistry", "Drawing", "English", "French", "Geography", "History")


@dataclass(frozen=True)
class Size:
    """How many records each list has."""

    orgs: int
    academicSessions: int
    courses: int
    classes: int
    users: int
    enrollments: int

    @classmethod
    def of(cls, scale: float) -> "Size":
        """1.0: 100,000 users, 20,000 classes, 600,000 enrollments. Raises ValueError for what is no hundredth of that."""
        users = round(100_000 * scale)
        if users < 1_000 or users % 1_000:
            raise ValueError("SCALE must be a multiple of 0.01")
        return cls(max(5, round(50 * scale)), 10, users // 20, users // 5, users, users // 5 * SEATS)

    @property
    def records(self) -> int:
        return sum(asdict(self).values())


@dataclass
class Expected:
    """What a pull of a version must find, the version before it being held."""

    created: int = 0
    updated: int = 0
    deactivated: int = 0
    unchanged: int = 0


@dataclass
class _List:
    """What was written of one list: for each page its file, first id and ETag."""

    total: int = 0
    pages: list[dict[str, str]] = field(default_factory=list)


def record_id(name: str, place: int, count: int, *, behind: bool = False) -> str:
    """The id of the record at a place (from 0; -1 stands before all) of `count`; behind: of one that came later and stands next to it."""
    digest = blake2b(f"{name} {place} {behind}".encode(), digest_size=16).hexdigest()
    share = 2**48 // (2 * (count + 1))
    high = (2 * (place + 1) + behind) * share + int(digest[:12], 16) % share
    return f"{high >> 16:08x}-{high & 0xFFFF:04x}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:]}"


class District:
    """The district of a scale. `records(list, version)` gives (id, JSON text, what became of it, date)."""

    def __init__(self, scale: float) -> None:
        self.size = Size.of(scale)
        self.schools = self.size.orgs - 1
        self._bundles = self.size.users // BUNDLE
        # Enrollments are told to the classes in an order that has nothing to do with their ids.
        self._step = next(step for step in range(int(self.size.enrollments * 0.618) | 1, 2**62, 2) if gcd(step, self.size.enrollments) == 1)
        self._of_list = {
            "orgs": self._org,
            "academicSessions": self._term,
            "courses": self._course,
            "classes": self._class,
            "users": self._user,
            "enrollments": self._enrollment,
        }
        self._org_ref = cache(lambda place: _ref("orgs", "org", record_id("orgs", place, self.size.orgs)))

    def records(self, name: str, version: str) -> Iterator[tuple[str, str, str, str]]:
        """The list as that version has it, sorted by id. What became: `created`, `updated` or `unchanged` since the version before."""
        count: int = getattr(self.size, name)
        write = self._of_list[name]
        if version != "same":
            one = record_id(name, -1, count)
            text = write(-1, one, LATER["shifted"], False, False)
            yield one, text, "created" if version == "shifted" else "unchanged", LATER["shifted"]
        for place in range(count):
            one, date = record_id(name, place, count), DATES[place * 7919 % DAYS]
            if version == "changed":
                if not self.goes(name, place):
                    changes = place % 100 == CHANGES
                    date = LATER["changed"] if changes else date
                    yield one, write(place, one, date, changes, False), "updated" if changes else "unchanged", date
                if place % 200 == COMES and name not in ("orgs", "academicSessions"):
                    one, date = record_id(name, place, count, behind=True), LATER["changed"]
                    yield one, write(place // 200, one, date, False, True), "created", date
            else:
                yield one, write(place, one, date, False, False), "unchanged", date

    def goes(self, name: str, place: int) -> bool:
        """Whether the record is no more in the version `changed`."""
        if name == "enrollments":
            return self._goes(self._seat(place)[1])
        return name in ("users", "courses") and self._goes(place)

    def _goes(self, place: int) -> bool:
        return place % 200 == GOES

    def _org(self, place: int, one: str, date: str, changed: bool, _new: bool) -> str:
        head = _head(one, date)
        if place == 0:
            return f'{head},"name":"Springfield Unified","type":"district","identifier":"D1","parent":null,"children":[]}}'
        name = f"Springfield School {place}" + (" (renamed)" if changed else "")
        return f'{head},"name":"{name}","type":"school","identifier":"S{place}","parent":{self._org_ref(0)},"children":[]}}'

    def _term(self, place: int, one: str, date: str, _changed: bool, _new: bool) -> str:
        parent = "null" if place <= 0 else _ref("academicSessions", "academicSession", self._term_id(0))
        kind = "schoolYear" if place <= 0 else "term"
        month = 8 + max(place, 0) % 4
        return (
            f'{_head(one, date)},"title":"Term {place}","type":"{kind}","startDate":"2025-{month:02}-01","endDate":"2026-06-30",'
            f'"parent":{parent},"children":[],"schoolYear":"2026"}}'
        )

    def _term_id(self, place: int) -> str:
        return record_id("academicSessions", place, self.size.academicSessions)

    def _course(self, place: int, one: str, date: str, changed: bool, new: bool) -> str:
        subject = SUBJECTS[place % len(SUBJECTS)]
        title = f"{subject} {place}" + (" (revised)" if changed else "")
        return (
            f'{_head(one, date)},"title":"{title}","courseCode":"{"N" if new else "C"}{place}",'
            f'"schoolYear":{_ref("academicSessions", "academicSession", self._term_id(0))},"org":{self._org_ref(0)},'
            f'"grades":["{_grade(place)}"],"subjects":["{subject}"],"subjectCodes":["{place % 90:04}"]}}'
        )

    def _class(self, place: int, one: str, date: str, changed: bool, new: bool) -> str:
        course = place * 7 % self.size.courses
        # A course that goes has no classes.
        course -= self._goes(course)
        of_course = _ref("courses", "course", record_id("courses", course, self.size.courses))
        room = f"Annex {place % 40}" if changed else f"Room {place % 300}"
        return (
            f'{_head(one, date)},"title":"{SUBJECTS[place % len(SUBJECTS)]} Period {place % 7 + 1}",'
            f'"classCode":"{"N" if new else "K"}{place}","classType":"scheduled","location":"{room}","grades":["{_grade(place)}"],'
            f'"subjects":["{SUBJECTS[course % len(SUBJECTS)]}"],"course":{of_course},'
            f'"school":{self._org_ref(self._school(place))},'
            f'"terms":[{_ref("academicSessions", "academicSession", self._term_id(1 + place % 9))}],"subjectCodes":[],'
            f'"periods":["{place % 7 + 1}"],"resources":[]}}'
        )

    def _school(self, class_place: int) -> int:
        """The place of a class's school among the orgs; the first is the district."""
        return 1 + max(class_place, 0) % self.schools

    def _user(self, place: int, one: str, date: str, changed: bool, new: bool) -> str:
        teaches = place % BUNDLE == 0 and not new
        role = "teacher" if teaches else "student"
        school = 1 + ((place // NEW_STUDENTS if new else max(place, 0) // BUNDLE) % self.schools)
        number = f"{'N' if new else 'U'}{place:08}"
        given, family = GIVEN[place % len(GIVEN)], FAMILY[place // len(GIVEN) % len(FAMILY)]
        return (
            f'{_head(one, date)},"username":"{given.lower()}{number}","userIds":[{{"type":"SIS","identifier":"{number}"}}],'
            f'"enabledUser":"true","givenName":"{given}","familyName":"{family}","middleName":"","role":"{role}",'
            f'"identifier":"{number}","email":"{given.lower()}.{family.lower()}.{number}@springfield.example","sms":"",'
            f'"phone":"{"555-0199" if changed else "555-0100"}","agents":[],"orgs":[{self._org_ref(school)}],'
            f'"grades":[{"" if teaches else _quoted(_grade(place))}],"password":""}}'
        )

    def _enrollment(self, place: int, one: str, date: str, changed: bool, new: bool) -> str:
        class_place, user_place, seat = self._new_seat(place) if new else self._seat(place)
        user = self._new("users", user_place) if new and 0 < seat <= NEW_STUDENTS else record_id("users", user_place, self.size.users)
        of_class = self._new("classes", class_place) if new else record_id("classes", class_place, self.size.classes)
        return (
            f'{_head(one, date)},"user":{_ref("users", "user", user)},"class":{_ref("classes", "class", of_class)},'
            f'"school":{self._org_ref(self._school(class_place))},"role":"{"student" if seat else "teacher"}",'
            f'"primary":"{"false" if seat else "true"}","beginDate":"2025-08-18","endDate":"{"2026-01-31" if changed else "2026-06-13"}"}}'
        )

    def _new(self, name: str, number: int) -> str:
        return record_id(name, number * 200 + COMES, getattr(self.size, name), behind=True)

    def _seat(self, place: int) -> tuple[int, int, int]:
        """(class, user, seat) of an enrollment, by their places."""
        if place < 0:
            return -1, -1, 1
        class_place, seat = divmod(place * self._step % self.size.enrollments, SEATS)
        return class_place, self._at(class_place % self.schools, class_place // self.schools, seat), seat

    def _new_seat(self, number: int) -> tuple[int, int, int]:
        """(new class, user, seat): the teacher and most students were there before; nobody who goes."""
        class_number, seat = divmod(number, SEATS)
        if 0 < seat <= NEW_STUDENTS:
            return class_number, class_number * NEW_STUDENTS + seat - 1, seat
        school, turn = class_number % self.schools, class_number // self.schools
        user = self._at(school, turn, 2 * seat)
        return class_number, self._at(school, turn, 2 * seat + 1) if seat and self._goes(user) else user, seat

    def _at(self, school: int, turn: int, seat: int) -> int:
        """The place of the user who has that seat in the school's class of that turn."""
        bundles = (self._bundles - school + self.schools - 1) // self.schools
        if seat == 0:
            return BUNDLE * (school + self.schools * (turn % bundles))
        bundle, student = divmod((turn * (SEATS - 1) + seat - 1) % ((BUNDLE - 1) * bundles), BUNDLE - 1)
        return BUNDLE * (school + self.schools * bundle) + 1 + student


def _head(one: str, date: str) -> str:
    return f'{{"sourcedId":"{one}","status":"active","dateLastModified":"{date}"'


def _ref(name: str, kind: str, one: str) -> str:
    return f'{{"href":"{BASE}/{name}/{one}","sourcedId":"{one}","type":"{kind}"}}'


def _grade(place: int) -> str:
    return f"{1 + place % 12:02}"


def _quoted(text: str) -> str:
    return f'"{text}"'


def prepared(folder: Path, scale: float, versions: tuple[str, ...] = VERSIONS) -> Path:
    """The folder of the district's pages below `folder`, written unless this very generator wrote them before."""
    made_by = blake2b(Path(__file__).read_bytes(), digest_size=8).hexdigest()
    root = folder / f"district-{scale:g}"
    for version in versions:
        manifest = root / version / "manifest.json"
        if not manifest.is_file() or json.loads(manifest.read_text())["made_by"] != made_by:
            shutil.rmtree(root / version, ignore_errors=True)
            _write(root / version, District(scale), version, made_by)
    return root


def _write(folder: Path, district: District, version: str, made_by: str) -> None:
    lists: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    for name, kind in KINDS.items():
        (folder / name).mkdir(parents=True)
        found, counts, recent, page = _List(), Expected(), [], []
        for one, text, became, date in district.records(name, version):
            if not page:
                first = one
            page.append(text)
            found.total += 1
            setattr(counts, became, getattr(counts, became) + 1)
            if date >= RECENT:
                recent.append(text)
            if len(page) == PAGE:
                found.pages.append(_page(folder / name, name, len(found.pages), first, page))
                page = []
        if page:
            found.pages.append(_page(folder / name, name, len(found.pages), first, page))
        (folder / name / "recent.json").write_text(_body(name, recent), encoding="ascii")
        counts.deactivated = sum(district.goes(name, place) for place in range(getattr(district.size, name))) if version == "changed" else 0
        lists[name], expected[kind] = asdict(found), asdict(counts)
    manifest = {"made_by": made_by, "lists": lists, "expected": expected}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="ascii")


def _body(name: str, page: list[str]) -> str:
    return f'{{"{name}":[{",".join(page)}]}}'


def _page(folder: Path, name: str, number: int, first: str, page: list[str]) -> dict[str, str]:
    body = _body(name, page).encode("ascii")
    file = f"{name}/{number:06}.json"
    (folder / f"{number:06}.json").write_bytes(body)
    return {"file": file, "first": first, "etag": f'"{blake2b(body, digest_size=16).hexdigest()}"'}


def expected(root: Path, version: str, *, first: bool = False) -> dict[str, dict[str, int]]:
    """Per kind, what a pull of the version must find; first: in an empty store."""
    if first:
        return {kind: asdict(Expected(created=total)) for kind, total in totals(root, version).items()}
    return dict(_manifest(root, version)["expected"])


def totals(root: Path, version: str) -> dict[str, int]:
    """Per kind, how many records the version has."""
    return {kind: _manifest(root, version)["lists"][name]["total"] for name, kind in KINDS.items()}


def pages(root: Path, version: str) -> dict[str, int]:
    """How many pages each list has."""
    return {name: len(found["pages"]) for name, found in _manifest(root, version)["lists"].items()}


def _manifest(root: Path, version: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / version / "manifest.json").read_text(encoding="ascii"))
    return found
