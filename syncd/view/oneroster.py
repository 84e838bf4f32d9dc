"""The roster of a source as OneRoster's collections: which records a reader sees, filtered, sorted, page by page.

A reader has one source and, perhaps, some of its schools only: the orgs of these and those above them, what is taught there, who is there
by a role or an enrollment, and those people's guardians. Whatever is asked for, that comes first; a record that is not the reader's is not
there. What somebody types is always a bound value, never a part of a statement.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Text, and_, case, false, func, not_, or_, select, true, type_coerce

from syncd.errors import SyncdError
from syncd.export.words import SEXES, Role
from syncd.roster.fields import moment
from syncd.store import Store, jsontext
from syncd.store.columns import canonical, folded
from syncd.store.tables import ROSTER, changes, purges, runs

MILLISECOND = timedelta(milliseconds=1)


class NoSuch(SyncdError):
    """There is no such record, or it is not the reader's: which, is not told."""


class NotTaken(SyncdError):
    """A filter or a sort by something that can not be filtered or sorted by. what: filter or sort."""

    def __init__(self, what: str, message: str) -> None:
        super().__init__(message)
        self.what = what


class NoRosterYet(SyncdError):
    """The source was never synced: an empty list would say that everybody has left."""


class Resource(NamedTuple):
    """kind: of ours. part: the type of org or term, or the role of users, that is meant; None: all. many, one: what a list and a single
    record stand under. document: which collection's documents they are."""

    kind: str
    part: str | None
    many: str
    one: str
    document: str


RESOURCES = {
    "orgs": Resource("org", None, "orgs", "org", "orgs"),
    "schools": Resource("org", "school", "orgs", "org", "orgs"),
    "academicSessions": Resource("term", None, "academicSessions", "academicSession", "academicSessions"),
    "terms": Resource("term", "term", "academicSessions", "academicSession", "academicSessions"),
    "gradingPeriods": Resource("term", "gradingPeriod", "academicSessions", "academicSession", "academicSessions"),
    "courses": Resource("course", None, "courses", "course", "courses"),
    "classes": Resource("section", None, "classes", "class", "classes"),
    "users": Resource("user", None, "users", "user", "users"),
    "students": Resource("user", "student", "users", "user", "users"),
    "teachers": Resource("user", "teacher", "users", "user", "users"),
    "enrollments": Resource("enrollment", None, "enrollments", "enrollment", "enrollments"),
    "demographics": Resource("user", None, "demographics", "demographics", "demographics"),
}
# What stands below one record of a collection.
NESTED = {
    "schools": ("classes", "courses", "enrollments", "students", "teachers", "terms"),
    "classes": ("students", "teachers"),
    "courses": ("classes",),
    "terms": ("classes", "gradingPeriods"),
    "students": ("classes",),
    "teachers": ("classes",),
    "users": ("classes",),
}
# And below a class of a school.
IN_CLASS = ("enrollments", "students", "teachers")

# By what a collection can be filtered and sorted, and in which of our columns that stands; the others are worked out (`_Look.field`).
_COLUMNS: dict[str, dict[str, str]] = {
    "orgs": {"name": "name", "identifier": "identifier", "parent.sourcedId": "parent_id"},
    "academicSessions": {
        "title": "name", "type": "type", "startDate": "start_date", "schoolYear": "school_year", "parent.sourcedId": "parent_id",
    },
    "courses": {"title": "name", "courseCode": "number", "org.sourcedId": "org_id"},
    "classes": {
        "title": "name", "classCode": "number", "classType": "type", "location": "location", "course.sourcedId": "course_id",
        "school.sourcedId": "school_id",
    },
    "users": {
        "username": "username", "givenName": "given_name", "familyName": "family_name", "middleName": "middle_name", "email": "email",
        "phone": "phone", "preferredFirstName": "preferred_given_name", "preferredLastName": "preferred_family_name",
    },
    "enrollments": {
        "role": "role", "beginDate": "begin_date", "class.sourcedId": "section_id", "user.sourcedId": "user_id",
        "school.sourcedId": "school_id",
    },
    "demographics": {"birthDate": "birth_date"},
}  # fmt: skip
_ONLY_IN_12 = frozenset({"preferredFirstName", "preferredLastName"})
_TIMES = frozenset({"dateLastModified"})
# What is told of a user who is gone (`syncd.export.documents`): nobody finds out the rest by asking for it.
_TOLD_OF_GONE = frozenset({"sourcedId", "status", "username", "enabledUser", "givenName", "familyName"})


@dataclass(frozen=True)
class Reader:
    """Who reads. schools: the only ones; None: the whole source."""

    source: str
    schools: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Clause:
    """One comparison. operator: = != > >= < <= or ~ (holds, in any case)."""

    field: str
    operator: str
    value: str


@dataclass(frozen=True)
class Asked:
    """Which records. either: one of the clauses will do; else all of them have to hold."""

    limit: int = 100
    offset: int = 0
    sort: str = "sourcedId"
    descending: bool = False
    clauses: tuple[Clause, ...] = ()
    either: bool = False

    @property
    def with_gone(self) -> bool:
        """Whoever asks what changed, or by status, is told who is gone; a list of what is there has only what is there."""
        return any(clause.field in ("status", "dateLastModified") for clause in self.clauses)


@dataclass(frozen=True)
class Page:
    """rows: of the roster's table, each with `finished_at`, when the run that changed it last ended. total: of all pages. orgs, taught: see
    `syncd.export.documents.Writer`. dates: {id: later than `finished_at`} of those who may have come to the reader only then."""

    rows: Sequence[Row[Any]]
    total: int
    orgs: Collection[str] | None
    taught: dict[str, list[Role]]
    dates: dict[str, datetime]

    def changed_at(self, row: Row[Any]) -> datetime | None:
        """When a record, or why the reader sees it, was changed last."""
        found: datetime | None = self.dates.get(row.id, row.finished_at)
        return found


@dataclass
class _Place:
    total: int
    after: dict[int, str] = field(default_factory=dict)


class Places:
    """Where pages of lists end, as long as nothing has changed: who goes on from page to page finds the next one without a walk through all
    before it. Threads may share it; another process begins without. Only a help: what is not known here is looked up."""

    # Lists, and of each the latest pages.
    MOST, MOST_PAGES = 100, 1_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Any, _Place] = OrderedDict()

    def look(self, key: Any, offset: int) -> tuple[int | None, str | None]:
        """(how many there are in all, the id before the record at an offset), as far as known."""
        with self._lock:
            place = self._known.get(key)
            return (None, None) if place is None else (place.total, place.after.get(offset))

    def keep(self, key: Any, total: int, offset: int, last: str | None) -> None:
        with self._lock:
            place = self._known.setdefault(key, _Place(total))
            self._known.move_to_end(key)
            if last is not None:
                place.after[offset] = last
                if len(place.after) > self.MOST_PAGES:
                    del place.after[next(iter(place.after))]
            while len(self._known) > self.MOST:
                self._known.popitem(last=False)


def page(store: Store, reader: Reader, path: tuple[str, ...], asked: Asked, version: str, places: Places) -> Page:
    """A page of a collection. path: `("users",)`, `("schools", ID, "classes")`, `("schools", ID, "classes", ID, "students")`. Raises
    NoSuch for a parent that is not the reader's, NotTaken, and NoRosterYet."""
    resource = RESOURCES[path[-1]]
    with store.read() as connection:
        look = _Look(connection, reader, version)
        state = look.state()
        which = [*look.visible(resource.kind), *look.within(path), *look.chosen(resource, asked)]
        order = look.order(resource, asked)
        by_id = asked.sort == "sourcedId" and not asked.descending
        key = (reader, path, asked.clauses, asked.either, version, state)
        total, after = places.look(key, asked.offset)
        table = ROSTER[resource.kind]
        if total is None:
            total = int(connection.execute(select(func.count()).select_from(table).where(*which)).scalar_one())
        ids = select(table.c.id).where(*which).order_by(*order).limit(asked.limit)
        ids = ids.where(table.c.id > after) if by_id and after is not None else ids.offset(asked.offset)
        found = ids.subquery("found")
        query = select(table, runs.c.finished_at).join(found, found.c.id == table.c.id).where(table.c.source == reader.source)
        rows = connection.execute(query.outerjoin(runs, runs.c.id == table.c.changed_run).order_by(*order)).all()
        places.keep(key, total, asked.offset + len(rows), rows[-1].id if rows and by_id else None)
        return Page(rows, total, look.orgs, look.taught(resource.kind, rows), look.dates(resource.kind, rows))


def one(store: Store, reader: Reader, path: tuple[str, str], version: str) -> Page:
    """A single record, also one that is gone. Raises NoSuch and NoRosterYet."""
    resource = RESOURCES[path[0]]
    with store.read() as connection:
        look = _Look(connection, reader, version)
        look.state()
        row = look.record(resource, path[1])
        return Page([row], 1, look.orgs, look.taught(resource.kind, [row]), look.dates(resource.kind, [row]))


class _Look:
    """What one reader sees, over one connection. orgs: the ids of the orgs; None: all."""

    def __init__(self, connection: Connection, reader: Reader, version: str) -> None:
        self._connection, self._reader, self._version = connection, reader, version
        self.orgs = None if reader.schools is None else self._with_those_above(reader.schools)

    def state(self) -> tuple[Any, ...]:
        """What the roster stands at: only runs and purges change it. Raises NoRosterYet."""
        source = self._reader.source
        latest = select(runs.c.applied).where(runs.c.source == source, runs.c.applied.is_not(None)).order_by(runs.c.applied.desc()).limit(1)
        applied = self._connection.execute(latest).scalar()
        if applied is None:
            raise NoRosterYet("the roster was not filled yet.")
        return applied, self._connection.execute(select(func.max(purges.c.at)).where(purges.c.source == source)).scalar()

    # ── whose it is ──

    def _with_those_above(self, schools: Collection[str]) -> tuple[str, ...]:
        org = ROSTER["org"].c
        above = dict(self._connection.execute(select(org.id, org.parent_id).where(org.source == self._reader.source)).tuples().all())
        found: dict[str, None] = {}
        for school in schools:
            at: str | None = school
            while at is not None and at not in found:
                found[at] = None
                at = above.get(at)
        return tuple(found)

    def visible(self, kind: str) -> list[ColumnElement[bool]]:
        """What of a kind is the reader's. Terms are everybody's."""
        held, schools = ROSTER[kind].c, self._reader.schools
        mine: list[ColumnElement[bool]] = [held.source == self._reader.source]
        if schools is None or kind == "term":
            return mine
        if kind == "org":
            return [*mine, held.id.in_(self.orgs or ())]
        if kind == "section":
            return [*mine, held.school_id.in_(schools)]
        if kind == "course":
            return [*mine, or_(held.org_id.in_(schools), held.id.in_(self._of_sections("course_id", schools)))]
        if kind == "enrollment":
            # A class says where it is; what an enrollment says beside that is not asked.
            return [*mine, held.section_id.in_(self._of_sections("id", schools))]
        return [*mine, or_(self._is_there(ROSTER["user"], schools), held.id.in_(self._guardians(schools)))]

    def _of_sections(self, name: str, schools: Collection[str]) -> Any:
        section = ROSTER["section"].c
        return select(section[name]).where(section.source == self._reader.source, section.school_id.in_(schools))

    def _is_there(self, users: Any, schools: Collection[str]) -> ColumnElement[bool]:
        """Who has a role at one of the schools, or is enrolled there."""
        by_role = [self._has(users, f'"org_id":{canonical(school)},') for school in schools]
        return or_(*by_role, users.c.id.in_(self._enrolled(schools)))

    def _enrolled(self, schools: Collection[str], role: str | None = None) -> Any:
        enrollment = ROSTER["enrollment"].c
        which = [enrollment.source == self._reader.source, enrollment.status == "active"]
        if role is not None:
            which.append(enrollment.role == role)
        return select(enrollment.user_id).where(*which, enrollment.section_id.in_(self._of_sections("id", schools)))

    def _guardians(self, schools: Collection[str]) -> Any:
        child = ROSTER["user"].alias("child")
        return self._guardians_of(child, self._is_there(child, schools))

    def _guardians_of(self, child: Any, *which: ColumnElement[bool]) -> Any:
        each = jsontext.items(self._connection, child.c.guardian_ids)
        mine = (child.c.source == self._reader.source, child.c.status == "active", *which)
        return select(each.c.value).select_from(child.join(each, true())).where(*mine)

    def _has(self, users: Any, part: str) -> ColumnElement[bool]:
        return jsontext.holds(self._connection, users.c.roles, part)

    def _has_role(self, role: str, orgs: Collection[str | None] | None) -> ColumnElement[bool]:
        """Whether a user has a role, at one of these orgs. As it lies there: an object's keys in the order of the alphabet."""
        users = ROSTER["user"]
        if orgs is None:
            return self._has(users, f'"role":{canonical(role)}')
        entries = (
            f'"org_id":{canonical(org)},"primary":{primary},"role":{canonical(role)}' for org in orgs for primary in ("true", "false")
        )
        return or_(*(self._has(users, entry) for entry in entries))

    def _of_part(self, resource: Resource) -> list[ColumnElement[bool]]:
        held = ROSTER[resource.kind].c
        if resource.document == "demographics":
            told = type_coerce(held.demographics, Text).not_in(("{}", "null"))
            return [or_(held.birth_date.is_not(None), held.gender.is_not(None), told)]
        if resource.part is None:
            return []
        if resource.kind != "user":
            return [held.type == resource.part]
        schools = self._reader.schools
        if schools is None:
            return [self._has_role(resource.part, None)]
        return [or_(self._has_role(resource.part, [*(self.orgs or ()), None]), held.id.in_(self._enrolled(schools, resource.part)))]

    # ── which of it ──

    def record(self, resource: Resource, record_id: str) -> Row[Any]:
        """A record of the reader's. Raises NoSuch."""
        table = ROSTER[resource.kind]
        query = select(table, runs.c.finished_at).outerjoin(runs, runs.c.id == table.c.changed_run)
        which = (table.c.id == record_id, *self.visible(resource.kind), *self._of_part(resource))
        row = self._connection.execute(query.where(*which)).one_or_none()
        if row is None:
            raise NoSuch("there is no record of that sourcedId.")
        return row

    def within(self, path: tuple[str, ...]) -> list[ColumnElement[bool]]:
        """What of the last collection of a path belongs below the records that it names. Raises NoSuch."""
        if len(path) == 1:
            return self._of_part(RESOURCES[path[0]])
        below, name, what = path[-3:]
        record = self.record(RESOURCES[below], name)
        if len(path) == 5 and record.school_id != path[1]:
            raise NoSuch("there is no record of that sourcedId.")
        held = ROSTER[RESOURCES[what].kind].c
        if below == "schools":
            return [self._at_school(name, what)]
        if below == "classes":
            if what == "enrollments":
                return [held.section_id == name]
            return [held.id.in_(self._enrollments("user_id", section_id=name, role=RESOURCES[what].part))]
        if below == "courses":
            return [held.course_id == name]
        if below == "terms":
            if what == "gradingPeriods":
                return [held.parent_id == name, held.type == "gradingPeriod"]
            return [jsontext.holds(self._connection, held.term_ids, canonical(name))]
        return [held.id.in_(self._enrollments("section_id", user_id=name, role=RESOURCES[below].part))]

    def _at_school(self, school: str, what: str) -> ColumnElement[bool]:
        held = ROSTER[RESOURCES[what].kind].c
        if what == "classes":
            return held.school_id == school
        if what == "courses":
            return or_(held.org_id == school, held.id.in_(self._of_sections("course_id", [school])))
        if what == "enrollments":
            return held.section_id.in_(self._of_sections("id", [school]))
        if what == "terms":
            section = ROSTER["section"]
            each = jsontext.items(self._connection, section.c.term_ids)
            there = (section.c.source == self._reader.source, section.c.school_id == school, section.c.status == "active")
            return held.id.in_(select(each.c.value).select_from(section.join(each, true())).where(*there))
        return self._has_role(RESOURCES[what].part or "", [school])

    def _enrollments(self, told: str, **which: str | None) -> Any:
        enrollment = ROSTER["enrollment"].c
        same = [enrollment[name] == value for name, value in which.items() if value is not None]
        return select(enrollment[told]).where(enrollment.source == self._reader.source, enrollment.status == "active", *same)

    def chosen(self, resource: Resource, asked: Asked) -> list[ColumnElement[bool]]:
        """What the filter chooses. Raises NotTaken."""
        found: list[ColumnElement[bool]] = []
        if not asked.with_gone:
            found.append(ROSTER[resource.kind].c.status == "active")
        if asked.clauses:
            clauses = [self._clause(resource, clause) for clause in asked.clauses]
            found.append(or_(*clauses) if asked.either else and_(*clauses))
        return found

    def order(self, resource: Resource, asked: Asked) -> list[ColumnElement[Any]]:
        """Letters in Unicode's order. Raises NotTaken."""
        record_id: ColumnElement[Any] = ROSTER[resource.kind].c.id
        by: list[ColumnElement[Any]] = [record_id]
        if asked.sort != "sourcedId":
            by.insert(0, self._sorted_by(resource, asked.sort))
        return [one.desc() for one in by] if asked.descending else by

    def _sorted_by(self, resource: Resource, name: str) -> ColumnElement[Any]:
        held = ROSTER[resource.kind].c
        if name in _TIMES:
            ended = runs.alias("ended")
            return select(ended.c.finished_at).where(ended.c.id == held.changed_run).scalar_subquery()
        return self._in_unicode_order(self.field(resource, name, "sort"))

    def field(self, resource: Resource, name: str, what: str) -> ColumnElement[Any]:
        """What a field says, as text; "" where it says nothing. what: filter or sort. Raises NotTaken."""
        text = self._says(resource, name, what)
        if resource.kind != "user" or name in _TOLD_OF_GONE:
            return text
        return case((ROSTER["user"].c.status == "active", text), else_="")

    def _says(self, resource: Resource, name: str, what: str) -> ColumnElement[Any]:
        held = ROSTER[resource.kind].c
        column = _COLUMNS[resource.document].get(name)
        if column is not None and (name not in _ONLY_IN_12 or self._version == "1.2"):
            return func.coalesce(held[column], "")
        match resource.document, name:
            case _, "sourcedId":
                return held.id
            case _, "status":
                return case((held.status == "active", "active"), else_="tobedeleted")
            case "orgs", "type":
                sent = jsontext.at(self._connection, held.extra, "type")
                return case((held.type.in_(("district", "school")), held.type), else_=func.coalesce(sent, "department"))
            case (("academicSessions" | "enrollments"), "endDate"):
                return func.coalesce(held.end_date, "")
            case "users", "enabledUser":
                return case((and_(held.enabled.is_not(False), held.status == "active"), "true"), else_="false")
            case "enrollments", "primary":
                return case((held.primary.is_(True), "true"), (held.primary.is_(False), "false"), else_="")
            case "demographics", "sex":
                return case(*((held.gender == letter, word) for letter, word in SEXES.items()), else_=func.coalesce(held.gender, ""))
        raise NotTaken(what, f"this list takes no {what} by that field.")

    def _in_unicode_order(self, text: ColumnElement[Any]) -> ColumnElement[Any]:
        return text if self._connection.dialect.name == "sqlite" else type_coerce(text, Text).collate("C")

    def _clause(self, resource: Resource, clause: Clause) -> ColumnElement[bool]:
        if clause.field in _TIMES:
            return self._changed(resource, clause)
        text, value = self.field(resource, clause.field, "filter"), clause.value
        if clause.field == "status" and clause.operator == "=":
            # As the index has it.
            active = ROSTER[resource.kind].c.status == "active"
            return active if value == "active" else not_(active) if value == "tobedeleted" else false()
        if clause.operator == "~":
            if clause.field == "endDate":
                raise NotTaken("filter", "endDate is a day: it holds no text.")
            return jsontext.holds(self._connection, func.folded(text), folded(value))
        if clause.field == "endDate" and value:
            value = _day_before(value)
        if clause.operator == "=":
            column = _COLUMNS[resource.document].get(clause.field)
            # As an index has it, if there is one. (Of users none has.)
            by_index = column is not None and value and resource.kind != "user"
            return ROSTER[resource.kind].c[column] == value if by_index and column is not None else text == value
        if clause.operator == "!=":
            return text != value
        ordered = text if clause.field == "sourcedId" else self._in_unicode_order(text)
        compared: dict[str, ColumnElement[bool]] = {
            ">": ordered > value, ">=": ordered >= value,
            # What has no value is not before another.
            "<": and_(ordered < value, text != ""), "<=": and_(ordered <= value, or_(text != "", text == value)),
        }  # fmt: skip
        return compared[clause.operator]

    def _changed(self, resource: Resource, clause: Clause) -> ColumnElement[bool]:
        """What was changed last by a run that ended in that time. Times are told to the millisecond, and compared so: else whoever asks for
        what is later than the latest that they got would get that once more."""
        at = _told_moment(clause.value)
        floor = at.replace(microsecond=at.microsecond // 1000 * 1000)
        exact, ended = at == floor, runs.c.finished_at
        try:
            following = floor + MILLISECOND
        except OverflowError:
            raise NotTaken("filter", "dateLastModified is compared with a time as in 2026-01-31T00:00:00.000Z.") from None
        least = floor if exact else following
        match clause.operator:
            case ">":
                when = ended >= following
            case ">=":
                when = ended >= least
            case "<":
                when = ended < least
            case "<=":
                when = ended < following
            case "=":
                when = and_(ended >= floor, ended < following) if exact else false()
            case "!=":
                when = or_(ended < floor, ended >= following) if exact else true()
            case _:
                raise NotTaken("filter", "dateLastModified is a time: it holds no text.")
        held, source = ROSTER[resource.kind].c, self._reader.source
        which = select(runs.c.id).where(runs.c.source == source, runs.c.applied.is_not(None), when)
        found: ColumnElement[bool] = held.changed_run.in_(which)
        if clause.operator not in (">", ">="):
            return found
        # Each run has written down what it changed: the few of the last days need no look at all others.
        log = (changes.c.source == source, changes.c.run.in_(which), changes.c.kind == resource.kind)
        found = and_(found, held.id.in_(select(changes.c.record_id).where(*log)))
        return or_(found, *(held.id.in_(ids) for ids in self._come(resource.kind, which)))

    def _come(self, kind: str, which: Any) -> list[Any]:
        """Whoever may have come to a reader of some schools by these runs, without being changed: by an enrollment, as the guardian of a
        child, by a class in which a course is taught. Who goes on by date would else never hear of them."""
        schools, source = self._reader.schools, self._reader.source
        if schools is None or kind not in ("user", "course"):
            return []
        section, enrollment, child = ROSTER["section"].c, ROSTER["enrollment"].c, ROSTER["user"].alias("child")
        if kind == "course":
            return [self._of_sections("course_id", schools).where(section.changed_run.in_(which))]
        moved = self._of_sections("id", schools).where(section.changed_run.in_(which))
        enrolled = select(enrollment.user_id).where(
            enrollment.source == source,
            enrollment.status == "active",
            enrollment.section_id.in_(self._of_sections("id", schools)),
            or_(enrollment.changed_run.in_(which), enrollment.section_id.in_(moved)),
        )
        changed = or_(child.c.changed_run.in_(which), child.c.id.in_(enrolled))
        return [enrolled, self._guardians_of(child, changed, self._is_there(child, schools))]

    # ── beside it ──

    def dates(self, kind: str, rows: Sequence[Row[Any]]) -> dict[str, datetime]:
        """Of those whom `_come` knows, when that was: the end of the latest of the runs in question, where it is later than their own."""
        schools, source = self._reader.schools, self._reader.source
        if schools is None or kind not in ("user", "course") or not rows:
            return {}
        own = {row.id: row.finished_at for row in rows}
        section = ROSTER["section"].c
        if kind == "course":
            query = select(section.course_id, func.max(runs.c.finished_at)).join(runs, runs.c.id == section.changed_run)
            ids = select(jsontext.listed(self._connection, own).c.value)
            there = (section.source == source, section.school_id.in_(schools), section.course_id.in_(ids))
            found = dict(self._connection.execute(query.where(*there).group_by(section.course_id)).tuples().all())
            return self._later(own, found)
        child = ROSTER["user"].alias("child")
        each = jsontext.items(self._connection, child.c.guardian_ids)
        pairs = select(each.c.value, child.c.id, runs.c.finished_at).select_from(child.join(each, true()))
        pairs = pairs.join(runs, runs.c.id == child.c.changed_run)
        ids = select(jsontext.listed(self._connection, own).c.value)
        mine = (child.c.source == source, child.c.status == "active", self._is_there(child, schools), each.c.value.in_(ids))
        children = self._connection.execute(pairs.where(*mine)).tuples().all()
        found = self._enrolled_at({*own, *(one for _, one, _ in children)}, schools)
        for guardian, one, at in children:
            found[guardian] = max(at, found.get(one, at), found.get(guardian, at))
        return self._later(own, found)

    def _enrolled_at(self, users: Collection[str], schools: Collection[str]) -> dict[str, datetime]:
        """When the enrollments of users at these schools, or their classes, were changed last."""
        enrollment, section, other = ROSTER["enrollment"].c, ROSTER["section"].c, runs.alias("other")
        same = and_(section.source == enrollment.source, section.id == enrollment.section_id)
        latest = (func.max(runs.c.finished_at), func.max(other.c.finished_at))
        query = select(enrollment.user_id, *latest).join_from(ROSTER["enrollment"], ROSTER["section"], same)
        query = query.join(runs, runs.c.id == enrollment.changed_run).join(other, other.c.id == section.changed_run)
        ids = select(jsontext.listed(self._connection, users).c.value)
        there = (enrollment.source == self._reader.source, enrollment.status == "active", section.school_id.in_(schools))
        rows = self._connection.execute(query.where(*there, enrollment.user_id.in_(ids)).group_by(enrollment.user_id))
        return {user: max(one, two) for user, one, two in rows}

    def _later(self, own: dict[str, datetime | None], found: dict[str, datetime]) -> dict[str, datetime]:
        return {name: at for name, at in found.items() if name in own and ((mine := own[name]) is None or at > mine)}

    def taught(self, kind: str, rows: Sequence[Row[Any]]) -> dict[str, list[Role]]:
        """The roles of those who are at the reader's schools by an enrollment alone: as what, and at which."""
        schools = self._reader.schools
        if schools is None or kind != "user":
            return {}
        known = set(self.orgs or ())
        elsewhere = [row.id for row in rows if not any(role["org_id"] in known for role in row.roles or [])]
        if not elsewhere:
            return {}
        enrollment, section = ROSTER["enrollment"].c, ROSTER["section"].c
        same = and_(section.source == enrollment.source, section.id == enrollment.section_id)
        told = (enrollment.user_id, enrollment.role, section.school_id)
        ids = select(jsontext.listed(self._connection, elsewhere).c.value)
        there = (enrollment.source == self._reader.source, enrollment.status == "active", section.school_id.in_(schools))
        query = select(*told).distinct().join_from(ROSTER["enrollment"], ROSTER["section"], same).where(*there, enrollment.user_id.in_(ids))
        found: dict[str, list[Role]] = {}
        for user, role, school in self._connection.execute(query.order_by(*told)):
            if role is not None:
                found.setdefault(user, []).append({"role": role, "org_id": school, "primary": False})
        return found


def _told_moment(value: str) -> datetime:
    """A time of a filter; a zone's plus that came as a blank is one all the same. Raises NotTaken."""
    head, _, zone = value.rpartition(" ")
    found = moment(value) or (moment(f"{head}+{zone}") if head else None)
    if found is None:
        raise NotTaken("filter", "dateLastModified is compared with a time as in 2026-01-31T00:00:00.000Z.")
    return found


def _day_before(value: str) -> str:
    """The last day, by the first on which it is over. Raises NotTaken."""
    at = moment(value) if len(value) == 10 else None
    try:
        if at is not None:
            return (at.date() - timedelta(days=1)).isoformat()
    except OverflowError:
        pass
    raise NotTaken("filter", "endDate is compared with a day as in 2026-01-31.")
