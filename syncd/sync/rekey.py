"""The same people under new ids: after a SIS migration N records vanish and N others come that are plainly the same.

Plainly: the same student number, or state id, or email with name and birth date (of grown-ups whose birth date nobody tells, email with
name), by none of these anybody else on either side, and nothing speaks against it. Such a pair is one change, `rekey`: the row stays, with
its history, and takes the new id. Who could be more than one is left to a person: nobody of those comes or goes before (`syncd approve RUN
--pair OLD=NEW`). Who comes while the same person is here under an id of which the pull said nothing (one of changes, or not whole) waits
too: the next whole pull tells whether that one goes.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, delete, exists, func, insert, literal, or_, select, update

from syncd.store.tables import ROSTER
from syncd.sync import compare
from syncd.sync.plan import Action
from syncd.sync.stage import Staged
from syncd.sync.staging import STAGED, absent, index_people, known_people, pairs, planned, staged_problems

BATCH = 1_000
_USERS = (ROSTER["user"], STAGED["user"])


def find(connection: Connection, source: str, staged: Staged) -> None:
    """Turn deactivate + create of the same person in the plan into rekey; keep ambiguous ones in `pairs`, and note them as problems."""
    with connection.begin():
        if connection.execute(compare.in_plan("user", Action.CREATE).limit(1)).first() is None:
            return
        if _pair_up(connection, source, _goes()):
            for rows in connection.execute(_plain(), execution_options={"yield_per": BATCH}).partitions():
                _rekey(connection, source, [(row.old_id, row.new_id) for row in rows])
            rekeyed = select(planned.c.old_id).where(planned.c.kind == "user", planned.c.old_id.is_not(None))
            connection.execute(delete(pairs).where(pairs.c.old_id.in_(rekeyed)))
        _pair_up(connection, source, _untold(staged))
        connection.execute(
            insert(staged_problems).from_select(
                ["resource", "document_id", "rule", "field", "fatal"],
                select(
                    literal("users"), pairs.c.new_id, literal("same-person"), func.aggregate_strings(pairs.c.old_id, " "), literal(False)
                ).group_by(pairs.c.new_id),
            )
        )


def _plain() -> Select[Any]:
    """The pairs whose both sides stand in no other pair."""
    old_once = select(pairs.c.old_id).group_by(pairs.c.old_id).having(func.count() == 1)
    new_once = select(pairs.c.new_id).group_by(pairs.c.new_id).having(func.count() == 1)
    return select(pairs.c.old_id, pairs.c.new_id).where(pairs.c.old_id.in_(old_once), pairs.c.new_id.in_(new_once))


def _pair_up(connection: Connection, source: str, which: ColumnElement[bool]) -> bool:
    """Add the pairs of those of the roster who are meant and of those who come; whether there is anybody who is meant."""
    held = ROSTER["user"].c
    connection.execute(delete(known_people))
    connection.execute(insert(known_people).from_select(["id"], select(held.id).where(held.source == source, which)))
    if connection.execute(select(known_people.c.id).limit(1)).first() is None:
        return False
    index_people(connection)
    for query in _alike(source):
        old_id, new_id = query.selected_columns
        found_before = select(pairs.c.old_id).where(pairs.c.old_id == old_id, pairs.c.new_id == new_id)
        connection.execute(insert(pairs).from_select(["old_id", "new_id"], query.where(~found_before.exists())))
    return True


def _goes() -> ColumnElement[bool]:
    return ROSTER["user"].c.id.in_(compare.in_plan("user", Action.DEACTIVATE))


def _untold(staged: Staged) -> ColumnElement[bool]:
    """Whether the pull did not say anything of somebody whom we have: not all was asked for, or not all came."""
    old, told, plan = ROSTER["user"].c, STAGED["user"].alias("told"), planned.alias("plan")
    if staged.incremental:
        said_nothing = ~exists().where(told.c.id == old.id)
    else:
        said_nothing = old.id.in_(select(absent.c.id).where(absent.c.kind == "user"))
    goes = exists().where(plan.c.kind == "user", plan.c.record_id == old.id)
    rekeyed = select(plan.c.old_id).where(plan.c.kind == "user", plan.c.old_id.is_not(None))
    return and_(old.status == "active", said_nothing, ~goes, old.id.not_in(rekeyed))


def _alike(source: str) -> list[Select[Any]]:
    """(old id, new id) of the known people and those who would come, by each thing that tells a person."""
    old, new = ROSTER["user"], STAGED["user"]
    coming = planned.alias("coming")
    words = (func.lower(old.c[name]) == func.lower(new.c[name]) for name in ("email", "family_name", "given_name"))
    # Of staff and guardians hardly any source tells the birth date; every student has a number.
    grown = and_(old.c.birth_date.is_(None), new.c.birth_date.is_(None), ~compare.is_student(old), ~compare.is_student(new))
    whole = and_(*words, or_(old.c.birth_date == new.c.birth_date, grown))
    ways = (old.c.student_number == new.c.student_number, old.c.state_id == new.c.state_id, whole)
    return [
        select(old.c.id, new.c.id)
        .distinct()
        .select_from(known_people)
        .join(old, and_(old.c.source == source, old.c.id == known_people.c.id))
        .join(new, way)
        .join(coming, and_(coming.c.kind == "user", coming.c.record_id == new.c.id, coming.c.action == Action.CREATE.value))
        .where(~compare.another_person(old.c, new.c, "state_id", "birth_date"), ~_of_two_districts(source, old.c, new.c))
        for way in ways
    ]


def _of_two_districts(source: str, old: Any, new: Any) -> ColumnElement[bool]:
    """Whether the schools of two users are known to have different parents: one app sees several districts, and each numbers its own."""
    one, other = ROSTER["org"].alias("one"), ROSTER["org"].alias("other")
    schools = and_(one.c.source == source, one.c.id == old.home_id, other.c.source == source, other.c.id == new.home_id)
    return select(one.c.id).select_from(one).join(other, one.c.parent_id != other.c.parent_id).where(schools).correlate(*_USERS).exists()


def _rekey(connection: Connection, source: str, found: list[tuple[str, str]]) -> None:
    old, new = ROSTER["user"], STAGED["user"]
    names = compare.content("user")
    query = (
        select(pairs, *(old.c[name].label(f"old_{name}") for name in names), *(new.c[name].label(f"new_{name}") for name in names))
        .join(old, and_(old.c.source == source, old.c.id == pairs.c.old_id))
        .join(new, new.c.id == pairs.c.new_id)
        .where(pairs.c.old_id.in_([old_id for old_id, _ in found]))
    )
    values = [
        {"new": row.new_id, "old": row.old_id, "differs": {"id": [row.old_id, row.new_id], **compare.difference("user", row)}}
        for row in connection.execute(query)
    ]
    connection.execute(
        update(planned)
        .where(planned.c.kind == "user", planned.c.record_id == bindparam("new"))
        .values(action=Action.REKEY.value, old_id=bindparam("old"), fields=bindparam("differs")),
        values,
    )
    gone = [old_id for old_id, _ in found]
    connection.execute(delete(planned).where(planned.c.kind == "user", planned.c.record_id.in_(gone)))


def in_doubt() -> ColumnElement[bool]:
    """Whether a planned change is about somebody who could be one of several."""
    goes = and_(planned.c.action == Action.DEACTIVATE.value, planned.c.record_id.in_(select(pairs.c.old_id)))
    comes = and_(planned.c.action == Action.CREATE.value, planned.c.record_id.in_(select(pairs.c.new_id)))
    return and_(planned.c.kind == "user", or_(goes, comes))
