"""Staged against roster: the statements that say what changed, and the numbers that the guard weighs it by. The work happens in SQL, so
that memory does not grow with the district; the functions here return statements, and the caller executes them.
"""

import operator
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, Select, Text, and_, distinct, exists, func, literal, or_, select, type_coerce

from syncd.report import State, Trigger
from syncd.roster.kinds import fields
from syncd.store.tables import ROSTER, SCHOOL, changes, runs
from syncd.sync.plan import Action
from syncd.sync.staging import STAGED, absent, planned, staged_unreadable

# What a person decided does not use up what runs may do by themselves.
DECIDED = (Trigger.APPROVE.value, Trigger.UNDO.value)


def content(kind: str) -> tuple[str, ...]:
    """The columns whose difference makes a change. (document_id only says where a record came from.)"""
    return (*fields(kind), "extra")


def kept(kind: str) -> tuple[str, ...]:
    """All columns that a record brings along: its content, and what the store derives from it."""
    return (*content(kind), "document_id", *(["home_id"] if kind == "user" else []))


def _joined(kind: str, source: str) -> ColumnElement[bool]:
    return and_(ROSTER[kind].c.source == source, ROSTER[kind].c.id == STAGED[kind].c.id)


def differs(kind: str) -> ColumnElement[bool]:
    """Whether any content column of the staged record differs from the roster's, NULLs being equal."""
    staged, held = STAGED[kind].c, ROSTER[kind].c
    return or_(*(held[name].is_distinct_from(staged[name]) for name in content(kind)))


def difference(kind: str, row: Row[Any]) -> dict[str, list[Any]]:
    """{field: [old, new]} of the fields that differ, out of a row with `old_` and `new_` columns."""
    values = row._mapping
    return {
        name: [values[f"old_{name}"], values[f"new_{name}"]] for name in content(kind) if values[f"old_{name}"] != values[f"new_{name}"]
    }


def another_person(old: Any, new: Any, *marks: str) -> ColumnElement[bool]:
    """Whether two users' columns tell two people: no mark is the same, and both names differ, or the given name and a mark. (Brother and
    sister have one family name; who marries keeps the given one.)"""

    def any_of(names: tuple[str, ...], compared: Callable[[Any, Any], ColumnElement[bool]]) -> ColumnElement[bool]:
        return or_(*(func.coalesce(compared(old[name], new[name]), literal(False)) for name in names))

    def unlike(name: str) -> ColumnElement[bool]:
        return func.coalesce(func.folded(old[name]) != func.folded(new[name]), literal(False))

    differs_too = or_(unlike("family_name"), any_of(marks, operator.ne))
    return and_(unlike("given_name"), differs_too, ~any_of(marks, operator.eq))


def created(kind: str, source: str) -> Select[Any]:
    """(kind, id, action) of the records that came and that we do not hold. Gone ones that we never knew are none."""
    staged, held = STAGED[kind], ROSTER[kind]
    return (
        select(literal(kind), staged.c.id, literal(Action.CREATE.value))
        .outerjoin_from(staged, held, _joined(kind, source))
        .where(held.c.id.is_(None), staged.c.gone.is_(False))
    )


def changed(kind: str, source: str) -> Select[Any]:
    """(id, held status and time of deactivation, staged and held columns) of the records to update or reactivate."""
    staged, held = STAGED[kind], ROSTER[kind]
    old = [held.c[name].label(f"old_{name}") for name in content(kind)]
    new = [staged.c[name].label(f"new_{name}") for name in content(kind)]
    return (
        select(staged.c.id, held.c.status, held.c.deactivated_at, *old, *new)
        .join_from(staged, held, _joined(kind, source))
        .where(staged.c.gone.is_(False), or_(held.c.status == "inactive", differs(kind)))
    )


def said_gone(kind: str, source: str) -> Select[Any]:
    """(kind, id, action) of the active records that the source says are no more."""
    staged, held = STAGED[kind], ROSTER[kind]
    return (
        select(literal(kind), staged.c.id, literal(Action.DEACTIVATE.value))
        .join_from(staged, held, _joined(kind, source))
        .where(staged.c.gone.is_(True), held.c.status == "active")
    )


def missing(kind: str, source: str, resources: list[str]) -> Select[Any]:
    """(kind, id, action, missing) of the active records that did not come, out of documents that were not unreadable.

    Evidence only when every resource that states the kind arrived whole: the caller asks for it only then (design 2, rule 1).
    """
    held = ROSTER[kind]
    document = func.coalesce(held.c.document_id, held.c.id)
    unreadable = select(staged_unreadable.c.document_id).where(staged_unreadable.c.resource.in_(resources))
    return (
        select(literal(kind), held.c.id, literal(Action.DEACTIVATE.value), literal(True))
        .join_from(absent, held, and_(held.c.source == source, held.c.id == absent.c.id))
        .where(absent.c.kind == kind, document.not_in(unreadable))
    )


def did_not_come(kind: str, record_id: Any) -> ColumnElement[bool]:
    """Whether we hold a record, and nothing that came in a full pull and could be read stated it (see `absent`)."""
    return exists(select(absent.c.id).where(absent.c.kind == kind, absent.c.id == record_id))


def no_longer_stated(source: str) -> Select[Any]:
    """(kind, id, action) of the active enrollments that their section stated earlier and, having come again, does not state any more.

    A document is whole in itself, whatever the pull was: a Clever section that comes in an event lists all its people.
    """
    held, staged, section = ROSTER["enrollment"], STAGED["enrollment"], STAGED["section"]
    unreadable = select(staged_unreadable.c.document_id)
    return (
        select(literal("enrollment"), held.c.id, literal(Action.DEACTIVATE.value))
        .where(held.c.source == source, held.c.status == "active")
        .where(held.c.document_id.in_(select(section.c.id)), held.c.document_id.not_in(unreadable))
        .where(~select(staged.c.id).where(staged.c.id == held.c.id).exists())
    )


def active(kind: str, source: str) -> Select[Any]:
    """How many active records of the kind we hold."""
    held = ROSTER[kind]
    return select(func.count()).select_from(held).where(held.c.source == source, held.c.status == "active")


def known(kind: str, source: str) -> Select[Any]:
    """A row if we hold any record of the kind, active or not."""
    return select(ROSTER[kind].c.id).where(ROSTER[kind].c.source == source).limit(1)


def seen(kind: str) -> Select[Any]:
    """How many records of the kind came."""
    return select(func.count()).select_from(STAGED[kind])


def unchanged(kind: str, source: str) -> Select[Any]:
    """How many records came that the roster holds just so."""
    staged, held = STAGED[kind], ROSTER[kind]
    return (
        select(func.count())
        .select_from(staged)
        .join(held, _joined(kind, source))
        .where(staged.c.gone.is_(False), held.c.status == "active", ~differs(kind))
    )


# ── what the guard weighs ────────────────────────────────────────────────────────────────────────────


def is_student(user: FromClause) -> ColumnElement[bool]:
    """Whether a user, staged or of the roster, has the role of a student."""
    return type_coerce(user.c.roles, Text).contains('"role":"student"')


def students(source: str, *, going: Action | None = None, rule: str | None = None) -> Select[Any]:
    """How many active users are students; with `going`, how many of those in the plan with that action that a rule holds."""
    table = STAGED["user"] if going is Action.CREATE else ROSTER["user"]
    query = select(func.count()).select_from(table).where(is_student(table))
    if table is ROSTER["user"]:
        query = query.where(table.c.source == source, table.c.status == "active")
    if going is not None:
        query = query.where(table.c.id.in_(in_plan("user", going).where(planned.c.held == rule)))
    return query


def in_plan(kind: str, *actions: Action) -> Select[Any]:
    """The ids in the plan of a kind with one of the actions."""
    return select(planned.c.record_id).where(planned.c.kind == kind, planned.c.action.in_([action.value for action in actions]))


def lately(source: str, since: datetime) -> Select[Any]:
    """The runs of the source that finished since, those that a person decided left out."""
    return select(runs.c.id).where(runs.c.source == source, runs.c.finished_at >= since, runs.c.trigger.not_in(DECIDED))


def deactivated_lately(kind: str, source: str, since: datetime, *columns: Any) -> Select[Any]:
    """(columns…, count) of the records that runs deactivated since, and that are still inactive."""
    held = ROSTER[kind]
    decided = select(runs.c.id).where(runs.c.source == source, runs.c.trigger.in_(DECIDED))
    return (
        select(*columns, func.count())
        .select_from(held)
        .where(held.c.source == source, held.c.status == "inactive", held.c.deactivated_at >= since)
        .where(held.c.changed_run.not_in(decided))
        .group_by(*columns)
    )


def first_brought(kind: str, source: str) -> Select[Any]:
    """The first run that brought the kind."""
    made = (changes.c.source == source, changes.c.run == runs.c.id, changes.c.kind == kind, changes.c.action == Action.CREATE.value)
    return select(runs.c.id).where(runs.c.source == source, exists().where(*made)).order_by(runs.c.id).limit(1)


def created_by(kind: str, source: str, these: list[int]) -> Select[Any]:
    """How many active records these runs created."""
    held = ROSTER[kind]
    made = (changes.c.source == source, changes.c.run.in_(these), changes.c.kind == kind, changes.c.action == Action.CREATE.value)
    # By the log, which stands in the order of runs; the run in the record itself tells whether it is still that one.
    return (
        select(func.count())
        .select_from(changes)
        .join(held, and_(held.c.source == source, held.c.id == changes.c.record_id, held.c.created_run == changes.c.run))
        .where(*made, held.c.status == "active")
    )


def updated_by(kind: str, source: str, these: list[int]) -> Select[Any]:
    """How many records these runs updated."""
    return select(func.count(distinct(changes.c.record_id))).where(
        changes.c.source == source,
        changes.c.kind == kind,
        changes.c.action == Action.UPDATE.value,
        changes.c.run.in_(these),
    )


def schools(kind: str, source: str) -> Select[Any]:
    """(school, active records, those that would go) of the schools that would lose any."""
    held = ROSTER[kind]
    school = held.c[SCHOOL[kind]]
    leaves = and_(planned.c.kind == kind, planned.c.action == Action.DEACTIVATE.value)
    # Who is active has no day of leaving; saying so lets an index alone tell the counts.
    mine = and_(held.c.source == source, held.c.status == "active", held.c.deactivated_at.is_(None), school.is_not(None))
    going = (
        select(school.label("school"), func.count().label("going"))
        .join_from(planned, held, and_(held.c.source == source, held.c.id == planned.c.record_id))
        .where(leaves, mine)
        .group_by(school)
        .cte()
    )
    return (
        select(school, func.count(), func.max(going.c.going)).join_from(held, going, school == going.c.school).where(mine).group_by(school)
    )


def lost_schools(source: str) -> Select[Any]:
    """The orgs that would go although active users or sections are theirs."""
    user, section = ROSTER["user"].c, ROSTER["section"].c
    lives = or_(
        select(user.id).where(user.source == source, user.status == "active", user.home_id == planned.c.record_id).exists(),
        select(section.id).where(section.source == source, section.status == "active", section.school_id == planned.c.record_id).exists(),
    )
    return select(planned.c.record_id).where(planned.c.kind == "org", planned.c.action == Action.DEACTIVATE.value, lives)


def renamed(source: str) -> ColumnElement[bool]:
    """Whether a planned change would make another person of a user: an id was given anew."""
    old, new = ROSTER["user"], STAGED["user"]
    return and_(
        planned.c.kind == "user",
        planned.c.action.in_((Action.UPDATE.value, Action.REACTIVATE.value)),
        select(old.c.id)
        .join(new, new.c.id == old.c.id)
        .where(old.c.source == source, old.c.id == planned.c.record_id)
        .where(another_person(old.c, new.c, "student_number", "state_id", "birth_date"))
        .correlate(planned)
        .exists(),
    )


def other_names(source: str) -> ColumnElement[bool]:
    """Whether a planned update gives a user another given and another family name. One such child was adopted; many are a list that slipped
    by a row."""
    old, new = ROSTER["user"], STAGED["user"]
    both = (func.folded(old.c[name]) != func.folded(new.c[name]) for name in ("given_name", "family_name"))
    return and_(
        planned.c.kind == "user",
        planned.c.action == Action.UPDATE.value,
        select(old.c.id)
        .join(new, new.c.id == old.c.id)
        .where(old.c.source == source, old.c.id == planned.c.record_id, *both)
        .correlate(planned)
        .exists(),
    )


def taken_back(source: str) -> Select[Any]:
    """The runs that a person undid. (An undo that was undone itself took back nothing that anybody still wants.)"""
    return select(runs.c.id).where(runs.c.source == source, runs.c.state == State.UNDONE.value, runs.c.trigger != Trigger.UNDO.value)


def undone(source: str) -> ColumnElement[bool]:
    """Whether a planned change would do again what a person undid, nothing having changed the record since."""
    later = changes.alias("later")
    by = select(runs.c.settled_by).where(runs.c.id == changes.c.run).correlate(changes).scalar_subquery()
    since = select(later.c.run).where(
        later.c.source == source, later.c.kind == changes.c.kind, later.c.record_id == changes.c.record_id, later.c.run > by
    )
    again = or_(
        changes.c.action == planned.c.action,
        and_(changes.c.action == Action.CREATE.value, planned.c.action == Action.REACTIVATE.value),
    )
    return (
        select(changes.c.run)
        .where(
            changes.c.source == source,
            changes.c.run.in_(taken_back(source)),
            changes.c.kind == planned.c.kind,
            changes.c.record_id == planned.c.record_id,
            again,
            or_(planned.c.action != Action.UPDATE.value, changes.c.fields == planned.c.fields),
            ~since.correlate(changes).exists(),
        )
        .correlate(planned)
        .exists()
    )
