"""What the source sends wrong although it can be read: references to nobody, two users with one email, orgs that are their own parents.

All but one of these only get reported. An enrollment of somebody who is not there can not be used: it waits aside, and is taken in by the
run that brings the missing one.
"""

from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Select,
    Subquery,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    union,
    union_all,
)
from sqlalchemy.sql.elements import ColumnElement

from syncd.roster.kinds import fields
from syncd.store.tables import ROSTER, waiting
from syncd.sync import compare
from syncd.sync.stage import Staged
from syncd.sync.staging import STAGED, absent, shared_emails, staged_problems, staged_unreadable, staged_waiting

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
    of_nobody = {field: and_(table.c.gone.is_(False), ~_is_there(source, staged, kind, table.c[field])) for field, kind in _NEEDS}
    with connection.begin():
        if connection.execute(select(table.c.id).where(or_(*of_nobody.values())).limit(1)).first() is None:
            return
        for field, nobody in of_nobody.items():
            told = select(table.c.resource, table.c.id, literal("no-such-record"), literal(field))
            if staged.scope is None:
                # Whom a part names need not belong to it: they wait, and the next full pull tells whether they are anybody.
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
    user = _there("user", source, staged, "given_name", "family_name", "home_id", "roles")
    nameless = and_(user.c.given_name.is_(None), user.c.family_name.is_(None))
    homeless = and_(func.coalesce(user.c.home_id, "") == "", compare.is_student(user))
    with connection.begin():
        _note_shared_emails(connection, source, staged)
        for rule, field, odd in (("no-name", "name", nameless), ("no-school", "school", homeless)):
            _note(connection, select(user.c.resource, user.c.id, literal(rule), literal(field)), odd)
        if not staged.incremental:
            section = _there("section", source, staged)
            for role in ("teacher", "student"):
                told = select(section.c.resource, section.c.id, literal(f"no-{role}"), literal(f"{role}s"))
                _note(connection, told, ~_has_one(section, role, source, staged))
            for kind in ("org", "term"):
                _note_circles(connection, _there(kind, source, staged, "parent_id"))
            _note_lost_references(connection, source, staged)


def _note_shared_emails(connection: Connection, source: str, staged: Staged) -> None:
    """Two users with one email, both of whom are there; which emails could be such is found first, without asking of each who that is."""
    user = _there("user", source, staged, "email")
    address = func.lower(user.c.email)
    came, held = STAGED["user"].c, ROSTER["user"].c
    everybody: Select[Any] | CompoundSelect[Any] = select(came.id, came.email).where(came.gone.is_(False))
    if not staged.incremental and staged.knows("user"):
        everybody = union_all(everybody, select(held.id, held.email).where(held.source == source, held.status == "active"))
    anybody = everybody.subquery()
    theirs = func.lower(anybody.c.email)
    twice = select(theirs).where(anybody.c.email.is_not(None)).group_by(theirs).having(func.min(anybody.c.id) != func.max(anybody.c.id))
    connection.execute(insert(shared_emails).from_select(["address"], twice))
    if connection.execute(select(shared_emails.c.address).limit(1)).first() is None:
        return
    shared = address.in_(select(shared_emails.c.address))
    often = select(address).where(shared).group_by(address).having(func.count() > 1)
    _note(connection, select(user.c.resource, user.c.id, literal("two-users-one-email"), literal("email")), address.in_(often))


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
    members = select(table.section_id).where(table.role == role, table.gone.is_(False), table.section_id.is_not(None))
    came = section.c.id.in_(members.distinct())
    if not staged.knows("enrollment"):
        return came
    # An index alone tells who is enrolled; who of them came again is asked only where anybody did not.
    this = (held.source == source, held.section_id == section.c.id, held.role == role)
    enrolled = select(held.id).where(*this, held.status == "active").correlate(section).exists()
    stands = select(held.id).where(*this, *_kept("enrollment", source)).correlate(section).exists()
    return or_(came, and_(enrolled, or_(section.c.id.not_in(_touched(source)), stands)))


def _touched(source: str) -> CompoundSelect[Any]:
    """The sections with enrollments that came anew, or did not come."""
    held, table = ROSTER["enrollment"], STAGED["enrollment"]
    sections = select(held.c.section_id).where(held.c.source == source, held.c.section_id.is_not(None))
    gone = and_(absent.c.kind == "enrollment", held.c.id == absent.c.id)
    return union(sections.join_from(absent, held, gone), sections.join_from(table, held, held.c.id == table.c.id))


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
