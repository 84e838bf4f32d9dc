"""Puts changes that are known already (held ones, ones to undo) onto the path where a pull's changes go: staged rows and a plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from syncd.roster.user import Role, User
from syncd.store.tables import ROSTER
from syncd.sync import compare
from syncd.sync.plan import Action
from syncd.sync.staging import STAGED, planned

BATCH = 500


@dataclass(frozen=True, slots=True)
class Restaged:
    """One change. values: the whole record of a creation or rekey; else what differs from the roster's row."""

    record_id: str
    action: str
    fields: dict[str, Any] | None
    old_id: str | None
    values: dict[str, Any] | None


def restage(connection: Connection, source: str, kind: str, changes: Sequence[Restaged]) -> None:
    """Stage and plan changes of one kind, in the caller's transaction."""
    roster, staged = ROSTER[kind], STAGED[kind]
    names = compare.kept(kind)
    for start in range(0, len(changes), BATCH):
        batch = changes[start : start + BATCH]
        wanted = [change.old_id or change.record_id for change in batch]
        held = {
            row.id: row._mapping for row in connection.execute(select(roster).where(roster.c.source == source, roster.c.id.in_(wanted)))
        }
        rows = []
        for change in batch:
            if change.action == Action.DEACTIVATE.value and not change.values:
                continue
            row = held.get(change.old_id or change.record_id)
            now = {name: row[name] for name in names} if row is not None else dict.fromkeys(names)
            rows.append({"id": change.record_id, "gone": False, "resource": kind, **_derived(kind, now | (change.values or {}))})
        if rows:
            connection.execute(insert(staged), rows)
        connection.execute(
            insert(planned),
            [
                {
                    "kind": kind,
                    "record_id": change.record_id,
                    "action": change.action,
                    "fields": change.fields,
                    "old_id": change.old_id,
                    "missing": False,
                }
                for change in batch
            ],
        )


def _derived(kind: str, record: dict[str, Any]) -> dict[str, Any]:
    """The record with what the store derives from its fields: a user who gets back another school counts for that school again."""
    if kind != "user":
        return record
    roles = msgspec.convert(record["roles"] or [], tuple[Role, ...])
    return record | {"home_id": User(id="", roles=roles).home_id()}
