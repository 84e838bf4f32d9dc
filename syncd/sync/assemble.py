"""Puts a user together: what the user's own document states, and what other documents state of the user.

A part counts as long as the document that stated it does: one that was read in this run replaces its earlier parts; one that came as it is
known, could not be read, or is missing from a resource that did not arrive whole, keeps them. Guardians are named only if the source lists
them; a reference to one who is not there yet stays in `user_parts` and is taken in when the guardian arrives.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, insert, literal, null, or_, select, union, update

from syncd.store.columns import JsonText
from syncd.store.tables import ROSTER, user_parts
from syncd.sync import compare
from syncd.sync.stage import Staged
from syncd.sync.staging import STAGED, absent, affected, lost_documents, staged_parts, staged_unreadable

BATCH = 5_000


def of_all(staged: Staged) -> bool:
    """Whether every user is put together anew; otherwise those of whom anything could be new (`affected`)."""
    return not staged.incremental and not staged.knows("user")


def find_affected(connection: Connection, source: str, staged: Staged) -> None:
    """Note the users who came, and those of whom something that came or did not come says something, or said something before: a guardian
    who comes or goes, or whose document changes, changes the students that it names."""
    if of_all(staged):
        return
    user, earlier = STAGED["user"], user_parts.c
    came = select(user.c.id)
    lost = exists().where(lost_documents.c.resource == earlier.resource, lost_documents.c.document_id == earlier.document_id)
    touched = or_(earlier.document_id.in_(came), earlier.guardian_id.in_(came), compare.did_not_come("user", earlier.guardian_id), lost)
    found = union(came, select(staged_parts.c.user_id), select(earlier.user_id).where(earlier.source == source, touched))
    connection.execute(insert(affected).from_select(["id"], found))


def keep_earlier_parts(connection: Connection, source: str, staged: Staged) -> None:
    """Add to the staged parts of those who are put together the parts of earlier runs that still count."""
    earlier, user = user_parts.c, STAGED["user"]
    known = staged.known.resources if staged.known is not None else {}
    complete = [name for name, doubt in staged.doubts.items() if doubt is None and not staged.incremental]
    unreadable = exists().where(staged_unreadable.c.resource == earlier.resource, staged_unreadable.c.document_id == earlier.document_id)
    stated = exists().where(staged_parts.c.resource == earlier.resource, staged_parts.c.document_id == earlier.document_id)
    came = exists().where(user.c.resource == earlier.resource, user.c.id == earlier.document_id)
    lost = exists().where(lost_documents.c.resource == earlier.resource, lost_documents.c.document_id == earlier.document_id)
    gone = or_(
        earlier.resource.in_([name for name in complete if name not in known]),
        and_(earlier.resource.in_([name for name in complete if name in known]), lost),
    )
    counts = and_(~stated, or_(unreadable, and_(~came, ~gone)))
    columns = [column for column in staged_parts.columns if column.name not in ("row", "version")]
    kept = select(*(earlier[column.name] for column in columns)).where(earlier.source == source, counts)
    if not of_all(staged):
        kept = kept.where(earlier.user_id.in_(select(affected.c.id)))
    connection.execute(insert(staged_parts).from_select([column.name for column in columns], kept))


def bring_in_affected(connection: Connection, source: str, staged: Staged) -> None:
    """Stage, as we hold them but for what their parts tell, the affected users who are not staged, unless they did not come."""
    if of_all(staged):
        return
    user, held = STAGED["user"], ROSTER["user"]
    names = ("id", *compare.kept("user"))
    told = {"guardian_ids": literal([], JsonText()), **{name: null().label(name) for name in ("birth_date", "gender", "demographics")}}
    rows = select(*(told.get(name, held.c[name]) for name in names), literal(False), literal("users")).where(
        held.c.source == source,
        held.c.status == "active",
        held.c.id.in_(select(affected.c.id)),
        held.c.id.not_in(select(user.c.id)),
        held.c.id.not_in(select(absent.c.id).where(absent.c.kind == "user")),
    )
    connection.execute(insert(user).from_select([*names, "gone", "resource"], rows))


def assemble(connection: Connection, source: str, staged: Staged) -> None:
    """Fill guardian_ids, birth_date, gender and demographics of the staged users from all parts that count."""
    user = STAGED["user"]
    batch: list[dict[str, Any]] = []
    statement = (
        update(user)
        .where(user.c.id == bindparam("user_id"))
        .values({name: bindparam(name) for name in ("guardian_ids", "birth_date", "gender", "demographics")})
    )
    with connection.begin():
        find_affected(connection, source, staged)
        keep_earlier_parts(connection, source, staged)
        bring_in_affected(connection, source, staged)
        # What is written while it is read from does not stand in what is read.
        for values in _assembled(connection, source, staged):
            batch.append(values)
            if len(batch) == BATCH:
                connection.execute(statement, batch)
                batch = []
        if batch:
            connection.execute(statement, batch)


def _assembled(connection: Connection, source: str, staged: Staged) -> Iterator[dict[str, Any]]:
    part, user, held = staged_parts.c, STAGED["user"].c, ROSTER["user"].c
    came = exists().where(user.id == part.guardian_id)
    listed = exists().where(user.id == part.guardian_id, user.gone.is_(False))
    held_still = and_(exists().where(held.source == source, held.id == part.guardian_id, held.status == "active"), ~came)
    if staged.proves_absence("user"):
        unreadable = exists().where(staged_unreadable.c.document_id == part.guardian_id)
        held_still = and_(held_still, or_(unreadable, ~compare.did_not_come("user", part.guardian_id)))
    query = select(
        part.user_id,
        part.guardian_id,
        part.birth_date,
        part.gender,
        part.demographics,
        or_(listed, held_still).label("listed"),
    ).order_by(part.user_id, part.guardian_id, part.row)
    for user_id, group in groupby(connection.execute(query, execution_options={"yield_per": BATCH}), key=lambda row: row.user_id):
        values: dict[str, Any] = {"user_id": user_id, "birth_date": None, "gender": None, "demographics": None}
        guardians: dict[str, None] = {}
        for row in group:
            if row.guardian_id and row.listed:
                guardians[row.guardian_id] = None
            for name in ("birth_date", "gender", "demographics"):
                values[name] = getattr(row, name) or values[name]
        yield {**values, "guardian_ids": list(guardians)}
