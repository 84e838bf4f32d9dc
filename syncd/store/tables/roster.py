"""The roster: a table for each kind. Columns are the fields of the kinds (`syncd.roster`), typed by their annotations, plus what the store
keeps about each record: status, when it was deactivated, which run created it and which changed it last.
"""

import typing
from typing import Any

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text
from sqlalchemy.types import TypeEngine

from syncd.roster.kinds import KINDS, PLURAL, fields
from syncd.store.columns import JsonText, UtcTime
from syncd.store.tables.base import metadata


def column_type(kind: str, field: str) -> TypeEngine[Any]:
    """The column type of a kind's field: text, boolean, or JSON for lists and objects."""
    annotation = typing.get_type_hints(KINDS[kind])[field]
    inner = [part for part in (typing.get_args(annotation) or (annotation,)) if part is not type(None)]
    base = typing.get_origin(annotation)
    if base in (tuple, dict) or any(typing.get_origin(part) in (tuple, dict) for part in inner):
        return JsonText()
    return Boolean() if bool in inner else Text()


def _roster(kind: str) -> Table:
    return Table(
        PLURAL[kind],
        metadata,
        Column("source", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("status", Text, nullable=False),
        Column("deactivated_at", UtcTime),
        *(Column(name, column_type(kind, name)) for name in fields(kind)),
        Column("extra", JsonText),
        Column("document_id", Text),
        *([Column("home_id", Text)] if kind == "user" else []),
        Column("created_run", Integer, nullable=False),
        Column("changed_run", Integer, nullable=False),
    )


# The school that a record counts for, where limits are kept per school. A user's is derived (`User.home_id`).
SCHOOL = {"section": "school_id", "user": "home_id", "enrollment": "school_id"}

ROSTER: dict[str, Table] = {kind: _roster(kind) for kind in KINDS}
for _kind, _table in ROSTER.items():
    # How many are active and who went lately, in all and by school, is asked by each run.
    _by = [_table.c[SCHOOL[_kind]]] if _kind in SCHOOL else []
    Index(f"ix_{_table.name}_counted", _table.c.source, _table.c.status, _table.c.deactivated_at, *_by)
_enrollment = ROSTER["enrollment"].c
Index(None, _enrollment.source, _enrollment.section_id, _enrollment.role, _enrollment.status)
Index(None, _enrollment.source, _enrollment.user_id)
