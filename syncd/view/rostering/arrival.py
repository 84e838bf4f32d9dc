"""Who comes to a reader of some schools without being changed: by an enrollment, as a guardian, by a class in which a course is taught."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, func, or_, select, true

from syncd.store import jsontext
from syncd.store.tables import ROSTER, runs
from syncd.view.rostering.seen import Seen


def came(seen: Seen, kind: str, which: Any) -> list[Any]:
    """Whoever may have come to a reader of some schools by these runs, without being changed: by an enrollment, as the guardian of a
    child, by a class in which a course is taught. Who goes on by date would else never hear of them."""
    schools, source = seen.reader.schools, seen.reader.source
    if schools is None or kind not in ("user", "course"):
        return []
    section, enrollment, child = ROSTER["section"].c, ROSTER["enrollment"].c, ROSTER["user"].alias("child")
    if kind == "course":
        return [seen.of_sections("course_id", schools).where(section.changed_run.in_(which))]
    moved = seen.of_sections("id", schools).where(section.changed_run.in_(which))
    enrolled = select(enrollment.user_id).where(
        enrollment.source == source,
        enrollment.status == "active",
        enrollment.section_id.in_(seen.of_sections("id", schools)),
        or_(enrollment.changed_run.in_(which), enrollment.section_id.in_(moved)),
    )
    changed = or_(child.c.changed_run.in_(which), child.c.id.in_(enrolled))
    return [enrolled, seen.guardians_of(child, changed, seen.is_there(child, schools))]


def dates(seen: Seen, kind: str, rows: Sequence[Row[Any]]) -> dict[str, datetime]:
    """Of those whom `came` knows, when that was: the end of the latest of the runs in question, where it is later than their own."""
    schools, source = seen.reader.schools, seen.reader.source
    if schools is None or kind not in ("user", "course") or not rows:
        return {}
    own = {row.id: row.finished_at for row in rows}
    section = ROSTER["section"].c
    if kind == "course":
        query = select(section.course_id, func.max(runs.c.finished_at)).join(runs, runs.c.id == section.changed_run)
        ids = select(jsontext.listed(seen.connection, own).c.value)
        there = (section.source == source, section.school_id.in_(schools), section.course_id.in_(ids))
        found = dict(seen.connection.execute(query.where(*there).group_by(section.course_id)).tuples().all())
        return _later(own, found)
    child = ROSTER["user"].alias("child")
    each = jsontext.items(seen.connection, child.c.guardian_ids)
    pairs = select(each.c.value, child.c.id, runs.c.finished_at).select_from(child.join(each, true()))
    pairs = pairs.join(runs, runs.c.id == child.c.changed_run)
    ids = select(jsontext.listed(seen.connection, own).c.value)
    mine = (child.c.source == source, child.c.status == "active", seen.is_there(child, schools), each.c.value.in_(ids))
    children = seen.connection.execute(pairs.where(*mine)).tuples().all()
    found = _enrolled_at(seen, {*own, *(one for _, one, _ in children)}, schools)
    for guardian, one, at in children:
        found[guardian] = max(at, found.get(one, at), found.get(guardian, at))
    return _later(own, found)


def _enrolled_at(seen: Seen, users: Collection[str], schools: Collection[str]) -> dict[str, datetime]:
    """When the enrollments of users at these schools, or their classes, were changed last."""
    enrollment, section, other = ROSTER["enrollment"].c, ROSTER["section"].c, runs.alias("other")
    same = and_(section.source == enrollment.source, section.id == enrollment.section_id)
    latest = (func.max(runs.c.finished_at), func.max(other.c.finished_at))
    query = select(enrollment.user_id, *latest).join_from(ROSTER["enrollment"], ROSTER["section"], same)
    query = query.join(runs, runs.c.id == enrollment.changed_run).join(other, other.c.id == section.changed_run)
    ids = select(jsontext.listed(seen.connection, users).c.value)
    there = (enrollment.source == seen.reader.source, enrollment.status == "active", section.school_id.in_(schools))
    rows = seen.connection.execute(query.where(*there, enrollment.user_id.in_(ids)).group_by(enrollment.user_id))
    return {user: max(one, two) for user, one, two in rows}


def _later(own: dict[str, datetime | None], found: dict[str, datetime]) -> dict[str, datetime]:
    return {name: at for name, at in found.items() if name in own and ((mine := own[name]) is None or at > mine)}
