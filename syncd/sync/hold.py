"""What a run held: kept with the run until a person approves or rejects it, or a newer full pull supersedes it.

An approval is a run of its own. It takes up what was held if the roster still stands where it stood; what has changed since is left out,
since nobody who looked at the hold could know of it.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, literal, select, update

from syncd.errors import NothingHeld
from syncd.report import RunReport, State
from syncd.store.tables import ROSTER, held_changes, runs
from syncd.sync import compare
from syncd.sync.plan import Action
from syncd.sync.restage import BATCH, Restaged, restage
from syncd.sync.staging import STAGED, planned

# Instead of the run that last changed the record: no run has this number.
OUT_OF_DATE = 0
WHOLE = (Action.CREATE.value, Action.REKEY.value)


def keep(connection: Connection, report: RunReport) -> None:
    """Write the held part of the plan, in the transaction that applies the rest."""
    for kind, roster in ROSTER.items():
        mine = and_(planned.c.kind == kind, planned.c.held.is_not(None))
        under = and_(roster.c.source == report.source, roster.c.id == func.coalesce(planned.c.old_id, planned.c.record_id))
        row: dict[str, ColumnElement[Any]] = {
            "source": literal(report.source),
            "run": literal(report.run),
            "kind": planned.c.kind,
            "record_id": planned.c.record_id,
            "action": planned.c.action,
            "rule": planned.c.held,
            "fields": planned.c.fields,
            "seen_run": roster.c.changed_run,
        }
        known = select(*row.values()).select_from(planned).outerjoin(roster, under).where(mine, planned.c.action.not_in(WHOLE))
        connection.execute(insert(held_changes).from_select(list(row), known.order_by(planned.c.record_id)))
        _keep_whole(connection, report, kind, mine, under)


def _keep_whole(connection: Connection, report: RunReport, kind: str, mine: Any, under: Any) -> None:
    """Creations and rekeys, with the record that the roster does not have."""
    roster, staged = ROSTER[kind], STAGED[kind]
    names = compare.kept(kind)
    query = (
        select(planned, roster.c.changed_run, *(staged.c[name].label(f"new_{name}") for name in names))
        .select_from(planned)
        .outerjoin(roster, under)
        .outerjoin(staged, staged.c.id == planned.c.record_id)
        .where(mine, planned.c.action.in_(WHOLE))
    )
    for batch in connection.execute(query.execution_options(yield_per=BATCH)).partitions():
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
                "record": {name: row._mapping[f"new_{name}"] for name in names},
                "seen_run": row.changed_run,
            }
            for row in batch
        ]
        connection.execute(insert(held_changes), rows)


def check_pairs(connection: Connection, source: str, run: int, same: Mapping[str, str]) -> None:
    """Raises NothingHeld unless the run holds, of each pair, that the old one goes and the new one comes."""
    for old_id, new_id in same.items():
        for record_id, action in ((old_id, Action.DEACTIVATE), (new_id, Action.CREATE)):
            held = select(held_changes.c.run).where(
                held_changes.c.source == source,
                held_changes.c.run == run,
                held_changes.c.kind == "user",
                held_changes.c.record_id == record_id,
                held_changes.c.action == action.value,
            )
            if connection.execute(held).first() is None:
                verb = "goes" if action is Action.DEACTIVATE else "comes"
                raise NothingHeld(
                    f"{source}: run {run} does not hold that user {record_id} {verb}.",
                    advice=f"`syncd runs show {run} --changes` lists what it holds; a pair is OLD=NEW.",
                )


def take_up(connection: Connection, source: str, run: int, same: Mapping[str, str]) -> int:
    """Stage and plan what a run held; gives back how many changes are left out because the roster has moved on.

    same: {old id: new id} of users whom a person knows to be the same: each such pair becomes one rekey.
    """
    left_out = 0
    with connection.begin():
        for kind in ROSTER:
            query = _held(kind, source, run)
            pairs = {new_id: old_id for old_id, new_id in same.items()} if kind == "user" else {}
            leavers = set(pairs.values())
            # Who only goes needs no look at the record.
            goes = and_(
                held_changes.c.action == Action.DEACTIVATE.value,
                held_changes.c.fields.is_(None),
                held_changes.c.seen_run.is_not_distinct_from(ROSTER[kind].c.changed_run),
                held_changes.c.record_id.not_in(leavers),
            )
            gone = query.with_only_columns(literal(kind), held_changes.c.record_id, held_changes.c.action).where(goes)
            connection.execute(insert(planned).from_select(["kind", "record_id", "action"], gone))
            before = {row.record_id: row for row in connection.execute(query.where(held_changes.c.record_id.in_(leavers)))} if pairs else {}
            for batch in connection.execute(query.where(~goes).execution_options(yield_per=BATCH)).partitions():
                changes: list[Restaged] = []
                for row in batch:
                    if row.record_id in leavers:
                        continue
                    leaver = before.get(pairs.get(row.record_id, ""))
                    if any(map(_moved_on, (row, leaver) if leaver else (row,))):
                        left_out += 1
                    elif leaver:
                        changes.append(_paired(connection, source, leaver.record_id, row))
                    else:
                        changes.append(_restaged(row))
                restage(connection, source, kind, changes)
    return left_out


def _restaged(row: Any) -> Restaged:
    if row.action in WHOLE:
        return Restaged(row.record_id, row.action, row.fields, row.old_id, row.record)
    new = {name: after for name, (_, after) in (row.fields or {}).items() if name != "deactivated_at"}
    return Restaged(row.record_id, row.action, row.fields, None, new)


def _held(kind: str, source: str, run: int) -> Select[Any]:
    """What a run holds of a kind, with the run that last changed the record since (`now_run`), and whether a new id is taken."""
    roster, other = ROSTER[kind], ROSTER[kind].alias("other")
    return (
        select(held_changes, roster.c.changed_run.label("now_run"), other.c.id.is_not(None).label("taken"))
        .outerjoin(roster, and_(roster.c.source == source, roster.c.id == func.coalesce(held_changes.c.old_id, held_changes.c.record_id)))
        .outerjoin(other, and_(other.c.source == source, other.c.id == held_changes.c.record_id, held_changes.c.old_id.is_not(None)))
        .where(held_changes.c.source == source, held_changes.c.run == run, held_changes.c.kind == kind)
        .order_by(held_changes.c.record_id)
    )


def _moved_on(row: Any) -> bool:
    return bool(row.now_run != row.seen_run or row.taken)


def _paired(connection: Connection, source: str, old_id: str, row: Any) -> Restaged:
    """A held creation as the rekey of the user with the old id."""
    roster = ROSTER["user"]
    before = connection.execute(select(roster).where(roster.c.source == source, roster.c.id == old_id)).one()._mapping
    fields = {name: [before[name], row.record[name]] for name in compare.content("user") if before[name] != row.record[name]}
    return Restaged(row.record_id, Action.REKEY.value, {"id": [old_id, row.record_id], **fields}, old_id, row.record)


def settle(connection: Connection, run: int, source: str, state: State, by: int | None = None) -> None:
    """End a hold: the run takes its last state, and what it held is forgotten."""
    connection.execute(update(runs).where(runs.c.id == run).values(state=state.value, settled_by=by))
    connection.execute(delete(held_changes).where(held_changes.c.source == source, held_changes.c.run == run))


def supersede(connection: Connection, report: RunReport, *, whole: bool) -> None:
    """A newer pull has looked again: what older runs hold of the records that came is out of date, and after a full pull all of it is."""
    older = select(runs.c.id).where(runs.c.source == report.source, runs.c.state == State.HELD.value, runs.c.id < report.run)
    for run in connection.execute(older).scalars().all():
        mine = (held_changes.c.source == report.source, held_changes.c.run == run)
        for kind, staged in () if whole else STAGED.items():
            came = select(staged.c.id).where(staged.c.id == held_changes.c.record_id).exists()
            connection.execute(update(held_changes).where(*mine, held_changes.c.kind == kind, came).values(seen_run=OUT_OF_DATE))
        stands = select(held_changes.c.run).where(*mine, held_changes.c.seen_run.is_distinct_from(OUT_OF_DATE))
        if whole or connection.execute(stands.limit(1)).first() is None:
            settle(connection, run, report.source, State.REJECTED, by=report.run)
