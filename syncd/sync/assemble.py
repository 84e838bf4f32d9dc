"""Puts a user together: what the user's own document states, and what other documents state of the user.

A part counts as long as the document that stated it does: one that came in this run replaces its earlier parts; one that could
not be read, or is missing from a resource that did not arrive whole, keeps them. Guardians are named only if the source lists
them; a reference to one who is not there yet stays in `user_parts` and is taken in when the guardian arrives.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, insert, literal, or_, select, update

from syncd.store.tables import ROSTER, user_parts
from syncd.sync.compare import kept
from syncd.sync.stage import Staged
from syncd.sync.staging import STAGED, staged_parts, staged_unreadable

BATCH = 5_000


def keep_earlier_parts(connection: Connection, source: str, staged: Staged) -> None:
    """Add to the staged parts those of earlier runs that still count."""
    earlier, user = user_parts.c, STAGED["user"]
    complete = [name for name, doubt in staged.doubts.items() if doubt is None]
    unreadable = exists().where(staged_unreadable.c.resource == earlier.resource, staged_unreadable.c.document_id == earlier.document_id)
    stated = exists().where(staged_parts.c.resource == earlier.resource, staged_parts.c.document_id == earlier.document_id)
    came = exists().where(user.c.resource == earlier.resource, user.c.id == earlier.document_id)
    counts = or_(unreadable & ~stated, earlier.resource.not_in(complete) & ~stated & ~came)
    columns = [column for column in staged_parts.columns if column.name not in ("row", "version")]
    kept = select(*(earlier[column.name] for column in columns)).where(earlier.source == source, counts)
    with connection.begin():
        connection.execute(insert(staged_parts).from_select([column.name for column in columns], kept))


def bring_in_affected(connection: Connection, source: str) -> None:
    """Stage, as we hold them, the users who did not come but of whom something that came says something, or said something before.

    Only after a pull of changes: a guardian who comes or goes, or whose document changes, changes the students that it names.
    """
    user, held, part, earlier = STAGED["user"], ROSTER["user"], staged_parts.c, user_parts.c
    came = select(user.c.id)
    affected = (
        select(part.user_id)
        .where(or_(part.document_id.in_(came), part.guardian_id.in_(came), part.resource == "demographics"))
        .union(
            select(earlier.user_id).where(
                earlier.source == source,
                or_(earlier.document_id.in_(came), earlier.guardian_id.in_(came)),
            )
        )
    )
    names = ("id", *kept("user"))
    rows = select(*(held.c[name] for name in names), literal(False), literal("users")).where(
        held.c.source == source, held.c.status == "active", held.c.id.in_(affected), held.c.id.not_in(came)
    )
    with connection.begin():
        connection.execute(insert(user).from_select([*names, "gone", "resource"], rows))


def assemble(connection: Connection, source: str, staged: Staged) -> None:
    """Fill guardian_ids, birth_date, gender and demographics of the staged users from all parts that count."""
    keep_earlier_parts(connection, source, staged)
    if staged.incremental:
        bring_in_affected(connection, source)
    user, batch = STAGED["user"], []
    statement = (
        update(user)
        .where(user.c.id == bindparam("user_id"))
        .values({name: bindparam(name) for name in ("guardian_ids", "birth_date", "gender", "demographics")})
    )
    with connection.begin():
        for values in list(_assembled(connection, source, staged)):
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
        held_still = and_(held_still, exists().where(staged_unreadable.c.document_id == part.guardian_id))
    query = select(
        part.user_id,
        part.guardian_id,
        part.birth_date,
        part.gender,
        part.demographics,
        or_(listed, held_still).label("listed"),
    ).order_by(part.user_id, part.guardian_id, part.row)
    for user_id, group in groupby(connection.execute(query), key=lambda row: row.user_id):
        values: dict[str, Any] = {"user_id": user_id, "birth_date": None, "gender": None, "demographics": None}
        guardians: dict[str, None] = {}
        for row in group:
            if row.guardian_id and row.listed:
                guardians[row.guardian_id] = None
            for name in ("birth_date", "gender", "demographics"):
                values[name] = getattr(row, name) or values[name]
        yield {**values, "guardian_ids": list(guardians)}
