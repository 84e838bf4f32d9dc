"""Executes the comparison and writes the plan into the run's `planned` table: (kind, record id, action, what changes)."""

from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from syncd.roster.kinds import KINDS, PLURAL
from syncd.store.columns import canonical
from syncd.sync import compare
from syncd.sync.plan import Action, Plan
from syncd.sync.stage import Staged
from syncd.sync.staging import planned

BATCH = 2_000
_COLUMNS = ("kind", "record_id", "action")


def draw_up(connection: Connection, source: str, staged: Staged) -> Plan:
    """Fill the `planned` table. Deactivations for absence only where the pull proves absence."""
    active, seen = {}, {}
    with connection.begin():
        for kind in KINDS:
            active[kind] = connection.execute(compare.active(kind, source)).scalar_one()
            seen[kind] = connection.execute(compare.seen(kind)).scalar_one()
            if active[kind] or seen[kind]:
                _plan_kind(connection, kind, source, staged)
        return Plan(_actions(connection), active, seen)


def _plan_kind(connection: Connection, kind: str, source: str, staged: Staged) -> None:
    connection.execute(insert(planned).from_select(_COLUMNS, compare.created(kind, source)))
    batch: list[tuple[str, str, str, str | None]] = []
    # Read whole before writing: a cursor may show rows that its own connection adds while it is open.
    for row in connection.execute(compare.changed(kind, source)).all():
        action = Action.REACTIVATE if row.status == "inactive" else Action.UPDATE
        batch.append((kind, row.id, action.value, canonical(_difference(kind, row))))
    for start in range(0, len(batch), BATCH):
        connection.exec_driver_sql(
            "INSERT INTO planned (kind, record_id, action, fields) VALUES (?, ?, ?, ?)", batch[start : start + BATCH]
        )
    connection.execute(insert(planned).from_select(_COLUMNS, compare.said_gone(kind, source)))
    if staged.proves_absence(kind):
        gone = compare.missing(kind, source, staged.stating(kind))
        connection.execute(insert(planned).from_select(_COLUMNS, gone))


def _difference(kind: str, row: Row[Any]) -> dict[str, list[Any]]:
    """{field: [old, new]} of the fields that differ."""
    values = row._mapping
    return {
        name: [values[f"old_{name}"], values[f"new_{name}"]]
        for name in compare.content(kind)
        if values[f"old_{name}"] != values[f"new_{name}"]
    }


def _actions(connection: Connection) -> dict[str, dict[Action, int]]:
    query = select(planned.c.kind, planned.c.action, func.count()).group_by(planned.c.kind, planned.c.action)
    actions: dict[str, dict[Action, int]] = {kind: {} for kind in PLURAL}
    for kind, action, count in connection.execute(query):
        actions[kind][Action(action)] = count
    return actions


def withhold(connection: Connection, kind: str) -> None:
    """Take a kind's deactivations out of the plan: a person has to look at them first."""
    with connection.begin():
        connection.execute(delete(planned).where(planned.c.kind == kind, planned.c.action == Action.DEACTIVATE.value))
