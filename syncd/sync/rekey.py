"""The same people under new ids: after a SIS migration N records vanish and N others come that are plainly the same.

Plainly: the same student number, or state id, or email with name and birth date, and by none of these anybody else, on either side. Such a
pair is one change, `rekey`: the row stays, with its history, and takes the new id. Pairs that are not one to one are left to a person.
"""

from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, insert, literal, select, update

from syncd.store.tables import ROSTER
from syncd.sync import compare
from syncd.sync.plan import Action
from syncd.sync.staging import STAGED, pairs, planned, staged_problems


def find(connection: Connection, source: str) -> None:
    """Turn deactivate + create of the same person in the plan into rekey; note ambiguous ones as problems."""
    with connection.begin():
        for query in _alike(source):
            old_id, new_id = query.selected_columns
            found_before = select(pairs.c.old_id).where(pairs.c.old_id == old_id, pairs.c.new_id == new_id)
            connection.execute(insert(pairs).from_select(["old_id", "new_id"], query.where(~found_before.exists())))
        old_once = select(pairs.c.old_id).group_by(pairs.c.old_id).having(func.count() == 1)
        new_once = select(pairs.c.new_id).group_by(pairs.c.new_id).having(func.count() == 1)
        plain = select(pairs.c.old_id, pairs.c.new_id).where(pairs.c.old_id.in_(old_once), pairs.c.new_id.in_(new_once))
        connection.execute(
            insert(staged_problems).from_select(
                ["resource", "document_id", "rule", "field", "fatal"],
                select(literal("users"), pairs.c.new_id, literal("same-person"), literal(None), literal(False))
                .where(pairs.c.new_id.not_in(select(plain.subquery().c.new_id)))
                .distinct(),
            )
        )
        for old_id, new_id in connection.execute(plain).all():
            _rekey(connection, source, old_id, new_id)


def _alike(source: str) -> list[Select[Any]]:
    """(old id, new id) of those who would go and those who would come, by each thing that tells a person."""
    old, new = ROSTER["user"].c, STAGED["user"].c
    both = and_(
        old.source == source,
        old.id.in_(compare.in_plan("user", Action.DEACTIVATE)),
        new.id.in_(compare.in_plan("user", Action.CREATE)),
    )
    whole = and_(
        func.lower(old.email) == func.lower(new.email),
        func.lower(old.family_name) == func.lower(new.family_name),
        func.lower(old.given_name) == func.lower(new.given_name),
        old.birth_date == new.birth_date,
    )
    ways = (old.student_number == new.student_number, old.state_id == new.state_id, whole)
    return [select(old.id, new.id).distinct().where(both, way) for way in ways]


def _rekey(connection: Connection, source: str, old_id: str, new_id: str) -> None:
    old, new = ROSTER["user"], STAGED["user"]
    before = connection.execute(select(old).where(old.c.source == source, old.c.id == old_id)).one()._mapping
    after = connection.execute(select(new).where(new.c.id == new_id)).one()._mapping
    fields: dict[str, Any] = {"id": [old_id, new_id]}
    fields |= {name: [before[name], after[name]] for name in compare.content("user") if before[name] != after[name]}
    connection.execute(delete(planned).where(planned.c.kind == "user", planned.c.record_id == old_id))
    connection.execute(
        update(planned)
        .where(planned.c.kind == "user", planned.c.record_id == new_id)
        .values(action=Action.REKEY.value, old_id=old_id, fields=fields)
    )
