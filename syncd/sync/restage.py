"""Puts changes that are known already (held ones, ones to undo) onto the path where a pull's changes go: staged rows and a plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from syncd.roster.user import Role, User
from syncd.store import bulk
from syncd.store.columns import canonical
from syncd.store.tables import ROSTER
from syncd.sync import compare
from syncd.sync.plan import Action
from syncd.sync.staging import STAGED, planned

# How many changes are to be in memory at a time: a run may have changed, or held, every record of the district.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Restaged:
    """One change. values: the whole record of a creation or rekey; else what differs from the roster's row."""

    record_id: str
    action: str
    fields: dict[str, Any] | None
    old_id: str | None
    values: dict[str, Any] | None


def restage(connection: Connection, source: str, kind: str, batch: Sequence[Restaged]) -> None:
    """Stage and plan a batch of changes of one kind, in the caller's transaction."""
    if not batch:
        return
    roster, names = ROSTER[kind], compare.kept(kind)
    staged = [change for change in batch if change.values or change.action != Action.DEACTIVATE.value]
    wanted = [change.old_id or change.record_id for change in staged]
    now = {row.id: row._mapping for row in connection.execute(select(roster).where(roster.c.source == source, roster.c.id.in_(wanted)))}
    rows = []
    for change in staged:
        row = now.get(change.old_id or change.record_id)
        before = {name: row[name] for name in names} if row is not None else dict.fromkeys(names)
        rows.append({"id": change.record_id, "gone": False, "resource": kind, **_derived(kind, before | (change.values or {}))})
    if rows:
        connection.execute(insert(STAGED[kind]), rows)
    plan = [(kind, one.record_id, one.action, None if one.fields is None else canonical(one.fields), one.old_id, False) for one in batch]
    bulk.load(connection, planned, ("kind", "record_id", "action", "fields", "old_id", "missing"), plan)


def _derived(kind: str, record: dict[str, Any]) -> dict[str, Any]:
    """The record with what the store derives from its fields: a user who gets back another school counts for that school again."""
    if kind != "user":
        return record
    roles = msgspec.convert(record["roles"] or [], tuple[Role, ...])
    return record | {"home_id": User(id="", roles=roles).home_id()}
