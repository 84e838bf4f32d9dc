"""What a run held: kept with the run until a person approves or rejects it, or a newer full pull supersedes it.

An approval is a run of its own. It takes up what was held if the roster still stands where it stood; what has changed since is left out,
since nobody who looked at the hold could know of it.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from syncd.report import RunReport, State
from syncd.store.tables import ROSTER, held_changes, runs
from syncd.sync import compare
from syncd.sync.plan import Action
from syncd.sync.restage import Restaged, restage
from syncd.sync.staging import STAGED, planned

BATCH = 1_000
WHOLE = (Action.CREATE.value, Action.REKEY.value)


def keep(connection: Connection, report: RunReport) -> None:
    """Write the held part of the plan, in the transaction that applies the rest."""
    for kind, roster in ROSTER.items():
        staged = STAGED[kind]
        names = compare.kept(kind)
        query = (
            select(planned, roster.c.changed_run, *(staged.c[name].label(f"new_{name}") for name in names))
            .select_from(planned)
            .outerjoin(roster, (roster.c.source == report.source) & (roster.c.id == _held_id()))
            .outerjoin(staged, staged.c.id == planned.c.record_id)
            .where(planned.c.kind == kind, planned.c.held.is_not(None))
        )
        rows = [
            {
                "source": report.source,
                "run": report.run,
                "kind": kind,
                "record_id": row.record_id,
                "action": row.action,
                "rule": row.held,
                "fields": row.fields,
                "old_id": row.old_id,
                "record": {name: row._mapping[f"new_{name}"] for name in names} if row.action in WHOLE else None,
                "seen_run": row.changed_run,
            }
            for row in connection.execute(query).all()
        ]
        for start in range(0, len(rows), BATCH):
            connection.execute(insert(held_changes), rows[start : start + BATCH])


def _held_id() -> Any:
    """The id under which the roster has a planned record."""
    return func.coalesce(planned.c.old_id, planned.c.record_id)


def take_up(connection: Connection, source: str, run: int) -> int:
    """Stage and plan what a run held; gives back how many changes are left out because the roster has moved on."""
    left_out = 0
    with connection.begin():
        for kind in ROSTER:
            changes: list[Restaged] = []
            for row in _held(connection, source, run, kind):
                if _moved_on(connection, source, kind, row):
                    left_out += 1
                    continue
                if row.action in WHOLE:
                    changes.append(Restaged(row.record_id, row.action, row.fields, row.old_id, row.record))
                else:
                    new = {name: after for name, (_, after) in (row.fields or {}).items() if name != "deactivated_at"}
                    changes.append(Restaged(row.record_id, row.action, row.fields, None, new))
            restage(connection, source, kind, changes)
    return left_out


def _held(connection: Connection, source: str, run: int, kind: str) -> Iterator[Any]:
    query = select(held_changes).where(held_changes.c.source == source, held_changes.c.run == run, held_changes.c.kind == kind)
    yield from connection.execute(query.order_by(held_changes.c.record_id)).all()


def _moved_on(connection: Connection, source: str, kind: str, row: Any) -> bool:
    roster = ROSTER[kind].c
    query = select(roster.changed_run).where(roster.source == source, roster.id == (row.old_id or row.record_id))
    if connection.execute(query).scalar() != row.seen_run:
        return True
    if row.old_id is None:
        return False
    return connection.execute(select(roster.id).where(roster.source == source, roster.id == row.record_id)).first() is not None


def settle(connection: Connection, run: int, source: str, state: State, by: int | None = None) -> None:
    """End a hold: the run takes its last state, and what it held is forgotten."""
    connection.execute(update(runs).where(runs.c.id == run).values(state=state.value, settled_by=by))
    connection.execute(delete(held_changes).where(held_changes.c.source == source, held_changes.c.run == run))


def supersede(connection: Connection, report: RunReport) -> None:
    """A newer full pull has looked at everything again: what older runs hold is out of date."""
    older = select(runs.c.id).where(runs.c.source == report.source, runs.c.state == State.HELD.value, runs.c.id < report.run)
    for run in connection.execute(older).scalars().all():
        settle(connection, run, report.source, State.REJECTED, by=report.run)
