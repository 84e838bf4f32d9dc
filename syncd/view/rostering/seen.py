"""What of a source's roster is a reader's: whatever is asked for, that comes first."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Text, and_, func, or_, select, true, type_coerce

from syncd.export.words import Role
from syncd.store import jsontext
from syncd.store.columns import canonical
from syncd.store.tables import ROSTER, purges, runs
from syncd.view.rostering.collections import RESOURCES, NoRosterYet, NoSuch, Reader, Resource


class Seen:
    """What one reader sees, over one connection. orgs: the ids of the orgs; None: all."""

    def __init__(self, connection: Connection, reader: Reader) -> None:
        self.connection, self.reader = connection, reader
        self.orgs = None if reader.schools is None else self._with_those_above(reader.schools)

    def state(self) -> tuple[Any, ...]:
        """What the roster stands at: only runs and purges change it. Raises NoRosterYet."""
        source = self.reader.source
        latest = select(runs.c.applied).where(runs.c.source == source, runs.c.applied.is_not(None)).order_by(runs.c.applied.desc()).limit(1)
        applied = self.connection.execute(latest).scalar()
        if applied is None:
            raise NoRosterYet("the roster was not filled yet.")
        return applied, self.connection.execute(select(func.max(purges.c.at)).where(purges.c.source == source)).scalar()

    def _with_those_above(self, schools: Collection[str]) -> tuple[str, ...]:
        org = ROSTER["org"].c
        above = dict(self.connection.execute(select(org.id, org.parent_id).where(org.source == self.reader.source)).tuples().all())
        found: dict[str, None] = {}
        for school in schools:
            at: str | None = school
            while at is not None and at not in found:
                found[at] = None
                at = above.get(at)
        return tuple(found)

    def visible(self, kind: str) -> list[ColumnElement[bool]]:
        """What of a kind is the reader's. Terms are everybody's."""
        held, schools = ROSTER[kind].c, self.reader.schools
        mine: list[ColumnElement[bool]] = [held.source == self.reader.source]
        if schools is None or kind == "term":
            return mine
        if kind == "org":
            return [*mine, held.id.in_(self.orgs or ())]
        if kind == "section":
            return [*mine, held.school_id.in_(schools)]
        if kind == "course":
            return [*mine, or_(held.org_id.in_(schools), held.id.in_(self.of_sections("course_id", schools)))]
        if kind == "enrollment":
            # A class says where it is; what an enrollment says beside that is not asked.
            return [*mine, held.section_id.in_(self.of_sections("id", schools))]
        return [*mine, or_(self.is_there(ROSTER["user"], schools), held.id.in_(self._guardians(schools)))]

    def of_sections(self, name: str, schools: Collection[str]) -> Any:
        """A field of the classes of these schools: their ids, or the courses that are taught there."""
        section = ROSTER["section"].c
        return select(section[name]).where(section.source == self.reader.source, section.school_id.in_(schools))

    def is_there(self, users: Any, schools: Collection[str]) -> ColumnElement[bool]:
        """Who has a role at one of the schools, or is enrolled there."""
        by_role = [self._has(users, f'"org_id":{canonical(school)},') for school in schools]
        return or_(*by_role, users.c.id.in_(self.enrolled(schools)))

    def enrolled(self, schools: Collection[str], role: str | None = None) -> Any:
        enrollment = ROSTER["enrollment"].c
        which = [enrollment.source == self.reader.source, enrollment.status == "active"]
        if role is not None:
            which.append(enrollment.role == role)
        return select(enrollment.user_id).where(*which, enrollment.section_id.in_(self.of_sections("id", schools)))

    def _guardians(self, schools: Collection[str]) -> Any:
        child = ROSTER["user"].alias("child")
        return self.guardians_of(child, self.is_there(child, schools))

    def guardians_of(self, child: Any, *which: ColumnElement[bool]) -> Any:
        each = jsontext.items(self.connection, child.c.guardian_ids)
        mine = (child.c.source == self.reader.source, child.c.status == "active", *which)
        return select(each.c.value).select_from(child.join(each, true())).where(*mine)

    def _has(self, users: Any, part: str) -> ColumnElement[bool]:
        return jsontext.holds(self.connection, users.c.roles, part)

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
        schools = self.reader.schools
        if schools is None:
            return [self._has_role(resource.part, None)]
        return [or_(self._has_role(resource.part, [*(self.orgs or ()), None]), held.id.in_(self.enrolled(schools, resource.part)))]

    def record(self, resource: Resource, record_id: str) -> Row[Any]:
        """A record of the reader's. Raises NoSuch."""
        table = ROSTER[resource.kind]
        query = select(table, runs.c.finished_at).outerjoin(runs, runs.c.id == table.c.changed_run)
        which = (table.c.id == record_id, *self.visible(resource.kind), *self._of_part(resource))
        row = self.connection.execute(query.where(*which)).one_or_none()
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
            return [jsontext.holds(self.connection, held.term_ids, canonical(name))]
        return [held.id.in_(self._enrollments("section_id", user_id=name, role=RESOURCES[below].part))]

    def _at_school(self, school: str, what: str) -> ColumnElement[bool]:
        held = ROSTER[RESOURCES[what].kind].c
        if what == "classes":
            return held.school_id == school
        if what == "courses":
            return or_(held.org_id == school, held.id.in_(self.of_sections("course_id", [school])))
        if what == "enrollments":
            return held.section_id.in_(self.of_sections("id", [school]))
        if what == "terms":
            section = ROSTER["section"]
            each = jsontext.items(self.connection, section.c.term_ids)
            there = (section.c.source == self.reader.source, section.c.school_id == school, section.c.status == "active")
            return held.id.in_(select(each.c.value).select_from(section.join(each, true())).where(*there))
        return self._has_role(RESOURCES[what].part or "", [school])

    def _enrollments(self, told: str, **which: str | None) -> Any:
        enrollment = ROSTER["enrollment"].c
        same = [enrollment[name] == value for name, value in which.items() if value is not None]
        return select(enrollment[told]).where(enrollment.source == self.reader.source, enrollment.status == "active", *same)

    def taught(self, kind: str, rows: Sequence[Row[Any]]) -> dict[str, list[Role]]:
        """The roles of those who are at the reader's schools by an enrollment alone: as what, and at which."""
        schools = self.reader.schools
        if schools is None or kind != "user":
            return {}
        known = set(self.orgs or ())
        elsewhere = [row.id for row in rows if not any(role["org_id"] in known for role in row.roles or [])]
        if not elsewhere:
            return {}
        enrollment, section = ROSTER["enrollment"].c, ROSTER["section"].c
        same = and_(section.source == enrollment.source, section.id == enrollment.section_id)
        told = (enrollment.user_id, enrollment.role, section.school_id)
        ids = select(jsontext.listed(self.connection, elsewhere).c.value)
        there = (enrollment.source == self.reader.source, enrollment.status == "active", section.school_id.in_(schools))
        query = select(*told).distinct().join_from(ROSTER["enrollment"], ROSTER["section"], same).where(*there, enrollment.user_id.in_(ids))
        found: dict[str, list[Role]] = {}
        for user, role, school in self.connection.execute(query.order_by(*told)):
            if role is not None:
                found.setdefault(user, []).append({"role": role, "org_id": school, "primary": False})
        return found
