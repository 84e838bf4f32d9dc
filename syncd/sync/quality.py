"""What the source sends wrong although it can be read: references to nobody, two users with one email, orgs that are their own parents.

All but one of these only get reported. An enrollment of somebody who is not there can not be used: it waits aside, and is taken in by the
run that brings the missing one.
"""

from typing import Any

from sqlalchemy import Connection, Select, Subquery, and_, delete, exists, func, insert, literal, or_, select, union, union_all
from sqlalchemy.sql.elements import ColumnElement

from syncd.roster.kinds import fields
from syncd.store.tables import ROSTER, waiting
from syncd.sync import compare
from syncd.sync.stage import Staged
from syncd.sync.staging import STAGED, absent, staged_problems, staged_unreadable, staged_waiting

BATCH = 1_000
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
        for some in connection.execute(query, execution_options={"yield_per": BATCH}).partitions():
            rows = [
                {"id": row.id, "gone": False, "resource": row.resource, "document_id": row.document_id, **_NOTHING, **row.record}
                for row in some
            ]
            connection.execute(insert(staged), rows)


def set_aside(connection: Connection, source: str, staged: Staged) -> None:
    """Move enrollments of nobody from the staged ones to the waiting ones."""
    table = STAGED["enrollment"]
    held = ROSTER["enrollment"].c
    new = ~exists(select(held.id).where(held.source == source, held.id == table.c.id, held.status == "active"))
    with connection.begin():
        for field, kind in _NEEDS:
            nobody = and_(table.c.gone.is_(False), ~_is_there(source, staged, kind, table.c[field]))
            if connection.execute(select(table.c.id).where(nobody).limit(1)).first() is None:
                continue
            told = select(table.c.resource, table.c.id, literal("no-such-record"), literal(field))
            _note(connection, told, and_(nobody, new), fatal=True)
            _note(connection, told, and_(nobody, ~new), fatal=False)
            for lost in connection.execute(select(table).where(nobody, new), execution_options={"yield_per": BATCH}).partitions():
                rows = [
                    {
                        "id": row.id,
                        "resource": row.resource,
                        "document_id": row.document_id,
                        "record": {name: row._mapping[name] for name in _KEPT if row._mapping[name] is not None},
                    }
                    for row in lost
                ]
                connection.execute(insert(staged_waiting), rows)
            connection.execute(delete(table).where(table.c.id.in_(select(staged_waiting.c.id))))


def _is_there(source: str, staged: Staged, kind: str, wanted: Any) -> ColumnElement[bool]:
    """Whether a record is known to be: it came, or we hold it and nothing says that it is no more."""
    came, held = STAGED[kind].c, ROSTER[kind].c
    is_here = exists(select(came.id).where(came.id == wanted, came.gone.is_(False)))
    stands = select(held.id).where(held.source == source, held.id == wanted, held.status == "active")
    if staged.proves_absence(kind):
        # One that came and could not be read stands as it was.
        unreadable = select(staged_unreadable.c.document_id).where(staged_unreadable.c.resource.in_(staged.stating(kind)))
        stands = stands.where(or_(held.id.in_(unreadable), ~compare.did_not_come(kind, held.id)))
    said_gone = exists(select(came.id).where(came.id == wanted, came.gone.is_(True)))
    return or_(is_here, and_(exists(stands), ~said_gone))


def look_over(connection: Connection, source: str, staged: Staged) -> None:
    """Note what is odd but usable, for the report; it changes nothing."""
    user = _there("user", source, staged, "email", "given_name", "family_name", "home_id", "roles")
    address = func.lower(user.c.email)
    often = select(address).where(user.c.email.is_not(None)).group_by(address).having(func.count() > 1)
    with connection.begin():
        nameless = and_(user.c.given_name.is_(None), user.c.family_name.is_(None))
        homeless = and_(func.coalesce(user.c.home_id, "") == "", compare.is_student(user))
        for rule, field, odd in (
            ("two-users-one-email", "email", address.in_(often)),
            ("no-name", "name", nameless),
            ("no-school", "school", homeless),
        ):
            _note(connection, select(user.c.resource, user.c.id, literal(rule), literal(field)), odd)
        if not staged.incremental:
            section = _there("section", source, staged)
            for role in ("teacher", "student"):
                told = select(section.c.resource, section.c.id, literal(f"no-{role}"), literal(f"{role}s"))
                _note(connection, told, ~_has_one(section, role, source, staged))
            for kind in ("org", "term"):
                _note_circles(connection, _there(kind, source, staged, "parent_id"))
            _note_lost_references(connection, source, staged)


def _there(kind: str, source: str, staged: Staged, *names: str) -> Subquery:
    """(resource, id, columns) of the records of a kind that came, what is known from before among them."""
    table, held = STAGED[kind].c, ROSTER[kind].c
    came = select(table.resource, table.id, *(table[name] for name in names)).where(table.gone.is_(False))
    if staged.incremental or not staged.knows(kind):
        return came.subquery()
    stands = select(literal(staged.stating(kind)[0]), held.id, *(held[name] for name in names)).where(*_kept(kind, source))
    return union_all(came, stands).subquery()


def _kept(kind: str, source: str) -> tuple[ColumnElement[bool], ...]:
    """Whether a record of the roster came again as it is known."""
    held, table = ROSTER[kind].c, STAGED[kind].c
    anew = select(table.id).where(table.id == held.id).exists()
    # Adding nothing to the status bids SQLite look up what else is asked for, and not everybody who is active.
    return (held.source == source, held.status + "" == "active", ~anew, ~compare.did_not_come(kind, held.id))


def _has_one(section: Subquery, role: str, source: str, staged: Staged) -> ColumnElement[bool]:
    """Whether anybody is enrolled in a section with a role."""
    table, held = STAGED["enrollment"].c, ROSTER["enrollment"].c
    came = section.c.id.in_(select(table.section_id).where(table.role == role, table.gone.is_(False), table.section_id.is_not(None)))
    if not staged.knows("enrollment"):
        return came
    stands = select(held.id).where(*_kept("enrollment", source), held.section_id == section.c.id, held.role == role)
    return or_(came, stands.correlate(section).exists())


def _note_lost_references(connection: Connection, source: str, staged: Staged) -> None:
    """Of what is known from before and did not come anew: enrollments of somebody who was there and is not any more."""
    if not staged.knows("enrollment"):
        return
    held = ROSTER["enrollment"].c
    for field, kind in _NEEDS:
        gone = union(select(absent.c.id).where(absent.c.kind == kind), select(STAGED[kind].c.id).where(STAGED[kind].c.gone.is_(True)))
        told = select(literal(staged.stating("enrollment")[0]), held.id, literal("no-such-record"), literal(field))
        nobody = ~_is_there(source, staged, kind, held[field])
        _note(connection, told, and_(*_kept("enrollment", source), held[field].in_(gone), nobody))


def _note_circles(connection: Connection, table: Subquery) -> None:
    """Orgs and terms that are their own ancestors. Nothing here walks parents, so they do no harm; whoever reads the roster may."""
    query = select(table.c.id, table.c.parent_id, table.c.resource).where(table.c.parent_id.is_not(None))
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
