"""What the source sends wrong although it can be read: references to nobody, two users with one email, orgs that are their own parents.

All but one of these only get reported. An enrollment of somebody who is not there can not be used: it waits aside, and is taken in by the
run that brings the missing one.
"""

from typing import Any

from sqlalchemy import Connection, Select, Table, and_, delete, exists, func, insert, literal, or_, select
from sqlalchemy.sql.elements import ColumnElement

from syncd.roster.kinds import fields
from syncd.store.tables import ROSTER, waiting
from syncd.sync import compare
from syncd.sync.stage import Staged
from syncd.sync.staging import STAGED, staged_problems, staged_unreadable, staged_waiting

_KEPT = (*fields("enrollment"), "extra")
_NOTHING = dict.fromkeys(_KEPT)
_NEEDS = (("section_id", "section"), ("user_id", "user"))


def take_in_waiting(connection: Connection, source: str) -> None:
    """Before a pull of changes is compared: stage the enrollments that waited, unless their document came anew."""
    staged, section = STAGED["enrollment"], STAGED["section"]
    query = select(waiting).where(
        waiting.c.source == source,
        waiting.c.id.not_in(select(staged.c.id)),
        or_(waiting.c.document_id.is_(None), waiting.c.document_id.not_in(select(section.c.id))),
    )
    with connection.begin():
        rows = [
            {"id": row.id, "gone": False, "resource": row.resource, "document_id": row.document_id, **_NOTHING, **row.record}
            for row in connection.execute(query)
        ]
        if rows:
            connection.execute(insert(staged), rows)


def set_aside(connection: Connection, source: str, staged: Staged) -> int:
    """Move enrollments of nobody from the staged ones to the waiting ones; how many they are."""
    table = STAGED["enrollment"]
    held = ROSTER["enrollment"].c
    new = ~exists(select(held.id).where(held.source == source, held.id == table.c.id, held.status == "active"))
    count = 0
    with connection.begin():
        for field, kind in _NEEDS:
            nobody = and_(table.c.gone.is_(False), ~_is_there(source, staged, kind, table.c[field]))
            told = select(table.c.resource, table.c.id, literal("no-such-record"), literal(field))
            _note(connection, told, and_(nobody, new), fatal=True)
            _note(connection, told, and_(nobody, ~new), fatal=False)
            lost = connection.execute(select(table).where(nobody, new)).all()
            rows = [
                {
                    "id": row.id,
                    "resource": row.resource,
                    "document_id": row.document_id,
                    "record": {name: row._mapping[name] for name in _KEPT if row._mapping[name] is not None},
                }
                for row in lost
            ]
            if rows:
                connection.execute(insert(staged_waiting), rows)
                connection.execute(delete(table).where(table.c.id.in_(select(staged_waiting.c.id))))
            count += len(rows)
    return count


def _is_there(source: str, staged: Staged, kind: str, wanted: Any) -> ColumnElement[bool]:
    """Whether a record is known to be: it came, or we hold it and nothing says that it is no more."""
    came, held = STAGED[kind].c, ROSTER[kind].c
    is_here = exists(select(came.id).where(came.id == wanted, came.gone.is_(False)))
    stands = select(held.id).where(held.source == source, held.id == wanted, held.status == "active")
    if staged.proves_absence(kind):
        # One that came and could not be read stands as it was.
        unreadable = select(staged_unreadable.c.document_id).where(staged_unreadable.c.resource.in_(staged.stating(kind)))
        return or_(is_here, exists(stands.where(held.id.in_(unreadable))))
    said_gone = exists(select(came.id).where(came.id == wanted, came.gone.is_(True)))
    return or_(is_here, and_(exists(stands), ~said_gone))


def look_over(connection: Connection, staged: Staged) -> None:
    """Note what is odd but usable, for the report; it changes nothing."""
    user, section, enrollment = STAGED["user"], STAGED["section"], STAGED["enrollment"]
    address = func.lower(user.c.email)
    often = select(address).where(user.c.gone.is_(False), user.c.email.is_not(None)).group_by(address).having(func.count() > 1)
    with connection.begin():
        nameless = and_(user.c.given_name.is_(None), user.c.family_name.is_(None))
        homeless = and_(func.coalesce(user.c.home_id, "") == "", compare.is_student(user))
        for rule, field, odd in (
            ("two-users-one-email", "email", address.in_(often)),
            ("no-name", "name", nameless),
            ("no-school", "school", homeless),
        ):
            told = select(user.c.resource, user.c.id, literal(rule), literal(field))
            _note(connection, told, and_(user.c.gone.is_(False), odd))
        if not staged.incremental:
            for role in ("teacher", "student"):
                here = (enrollment.c.section_id == section.c.id, enrollment.c.role == role, enrollment.c.gone.is_(False))
                has_one = exists(select(enrollment.c.id).where(*here))
                told = select(section.c.resource, section.c.id, literal(f"no-{role}"), literal(f"{role}s"))
                _note(connection, told, and_(section.c.gone.is_(False), ~has_one))
            for kind in ("org", "term"):
                _note_circles(connection, STAGED[kind])


def _note_circles(connection: Connection, table: Table) -> None:
    """Orgs and terms that are their own ancestors. Nothing here walks parents, so they do no harm; whoever reads the roster may."""
    query = select(table.c.id, table.c.parent_id, table.c.resource).where(table.c.gone.is_(False), table.c.parent_id.is_not(None))
    rows = connection.execute(query).all()
    parents = {row.id: row.parent_id for row in rows}
    circles: set[str] = set()
    ended: set[str] = set()
    for start in parents:
        path: dict[str, None] = {}
        place = start
        while place in parents and place not in path and place not in ended:
            path[place] = None
            place = parents[place]
        if place in path:
            names = list(path)
            circles |= set(names[names.index(place) :])
        ended |= path.keys()
    problems = [
        {"resource": row.resource, "document_id": row.id, "rule": "parent-circle", "field": "parent", "fatal": False}
        for row in rows
        if row.id in circles
    ]
    if problems:
        connection.execute(insert(staged_problems), problems)


def _note(connection: Connection, told: Select[Any], where: ColumnElement[bool], *, fatal: bool = False) -> None:
    names = ["resource", "document_id", "rule", "field", "fatal"]
    connection.execute(insert(staged_problems).from_select(names, told.add_columns(literal(fatal)).where(where)))
