"""What is asked of a collection: filter, sort and place, and the statements that they become."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, case, false, func, not_, or_, select, true, type_coerce

from syncd.export.words import SEXES
from syncd.roster.fields import moment
from syncd.store import jsontext
from syncd.store.columns import folded
from syncd.store.tables import ROSTER, changes, runs
from syncd.view.rostering import arrival
from syncd.view.rostering.collections import NotTaken, Resource
from syncd.view.rostering.seen import Seen

MILLISECOND = timedelta(milliseconds=1)

# By what a collection can be filtered and sorted, and in which of our columns that stands; the others are worked out (`Choosing.field`).
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


class Choosing:
    """The statements of what is asked for: what the filter chooses, and in which order."""

    def __init__(self, seen: Seen, version: str) -> None:
        self._seen, self._version = seen, version

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
                sent = jsontext.at(self._seen.connection, held.extra, "type")
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
        return text if self._seen.connection.dialect.name == "sqlite" else type_coerce(text, Text).collate("C")

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
            return jsontext.holds(self._seen.connection, func.folded(text), folded(value))
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
        held, source = ROSTER[resource.kind].c, self._seen.reader.source
        which = select(runs.c.id).where(runs.c.source == source, runs.c.applied.is_not(None), when)
        found: ColumnElement[bool] = held.changed_run.in_(which)
        if clause.operator not in (">", ">="):
            return found
        # Each run has written down what it changed: the few of the last days need no look at all others.
        log = (changes.c.source == source, changes.c.run.in_(which), changes.c.kind == resource.kind)
        found = and_(found, held.id.in_(select(changes.c.record_id).where(*log)))
        return or_(found, *(held.id.in_(ids) for ids in arrival.came(self._seen, resource.kind, which)))


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
