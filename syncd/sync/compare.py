"""Staged against roster: the statements that say what changed. The work happens in SQL, so that memory does not grow with the
district; the functions here return statements, and the caller executes them.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select

from syncd.roster.kinds import fields
from syncd.store.tables import ROSTER
from syncd.sync.plan import Action
from syncd.sync.staging import STAGED, staged_unreadable


def content(kind: str) -> tuple[str, ...]:
    """The columns whose difference makes a change. (document_id only says where a record came from.)"""
    return (*fields(kind), "extra")


def _joined(kind: str, source: str) -> ColumnElement[bool]:
    return and_(ROSTER[kind].c.source == source, ROSTER[kind].c.id == STAGED[kind].c.id)


def differs(kind: str) -> ColumnElement[bool]:
    """Whether any content column of the staged record differs from the roster's, NULLs being equal."""
    staged, held = STAGED[kind].c, ROSTER[kind].c
    return or_(*(held[name].is_distinct_from(staged[name]) for name in content(kind)))


def created(kind: str, source: str) -> Select[Any]:
    """(kind, id, action) of the records that came and that we do not hold. Gone ones that we never knew are none."""
    staged, held = STAGED[kind], ROSTER[kind]
    return (
        select(literal(kind), staged.c.id, literal(Action.CREATE.value))
        .outerjoin_from(staged, held, _joined(kind, source))
        .where(held.c.id.is_(None), staged.c.gone.is_(False))
    )


def changed(kind: str, source: str) -> Select[Any]:
    """(id, held status, staged and held columns) of the records to update or reactivate."""
    staged, held = STAGED[kind], ROSTER[kind]
    old = [held.c[name].label(f"old_{name}") for name in content(kind)]
    new = [staged.c[name].label(f"new_{name}") for name in content(kind)]
    return (
        select(staged.c.id, held.c.status, *old, *new)
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
    """(kind, id, action) of the active records that did not come, out of documents that were not unreadable.

    Evidence only when every resource that states the kind arrived whole: the caller asks for it only then (design 2, rule 1).
    """
    staged, held = STAGED[kind], ROSTER[kind]
    document = func.coalesce(held.c.document_id, held.c.id)
    unreadable = select(staged_unreadable.c.document_id).where(staged_unreadable.c.resource.in_(resources))
    return (
        select(literal(kind), held.c.id, literal(Action.DEACTIVATE.value))
        .where(held.c.source == source, held.c.status == "active")
        .where(~select(staged.c.id).where(staged.c.id == held.c.id).exists(), document.not_in(unreadable))
    )


def active(kind: str, source: str) -> Select[Any]:
    """How many active records of the kind we hold."""
    held = ROSTER[kind]
    return select(func.count()).select_from(held).where(held.c.source == source, held.c.status == "active")


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
