"""A run backwards: what it created becomes inactive, what it changed is as it was, who it took away is back. As a new run, with a log of
its own; nothing is ever struck from the record."""

from typing import Any

from sqlalchemy import Connection, and_, exists, func, insert, literal, or_, select, update

from syncd.errors import CanNotUndo
from syncd.report import State, Trigger
from syncd.store import jsontext
from syncd.store.tables import ROSTER, changes, runs
from syncd.sync import compare
from syncd.sync.plan import Action
from syncd.sync.restage import BATCH, Restaged, restage
from syncd.sync.staging import planned

SHOWN = 20


def check(connection: Connection, source: str, run: int) -> None:
    """Refuse when later runs changed the same records. Raises CanNotUndo with the first of them.

    A later run that was undone in its turn does not count, nor does the run that undid it.
    """
    approved = select(runs.c.id).where(runs.c.settles == run, runs.c.trigger == Trigger.APPROVE.value, runs.c.state == State.APPLIED.value)
    by = connection.execute(approved).scalar()
    if by is not None:
        raise CanNotUndo(
            f"{source}: run {run} can not be undone: what it held was approved, and applied by run {by}.",
            advice=f"Undo run {by} first, or use --force to take back only what run {run} itself applied.",
        )
    mine, later = changes.alias("mine"), changes.alias("later")
    stands = and_(
        runs.c.state != State.UNDONE.value,
        or_(runs.c.trigger != Trigger.UNDO.value, runs.c.settles < run),
    )
    query = (
        select(mine.c.kind, mine.c.record_id, func.min(later.c.run))
        .join(later, (later.c.source == source) & (later.c.kind == mine.c.kind) & (later.c.record_id == mine.c.record_id))
        .join(runs, runs.c.id == later.c.run)
        .where(mine.c.source == source, mine.c.run == run, later.c.run > run, stands)
        .group_by(mine.c.kind, mine.c.record_id)
        .order_by(mine.c.kind, mine.c.record_id)
    )
    count = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    if count:
        first = tuple((kind, record_id, later_run) for kind, record_id, later_run in connection.execute(query.limit(SHOWN)))
        named = ", ".join(f"{kind} {record_id} (run {later_run})" for kind, record_id, later_run in first)
        more = f" and {count - len(first)} more" if count > len(first) else ""
        raise CanNotUndo(
            f"{source}: run {run} can not be undone: later runs changed {count} of the same records: {named}{more}.",
            advice="Undo those runs first, or use --force to put back what this run changed all the same.",
            conflicts=first,
        )


def stand_again(connection: Connection, run: int) -> None:
    """When an undo is undone, the run that it had taken back stands again. In the caller's transaction."""
    taken_back = select(runs.c.settles).where(runs.c.id == run, runs.c.trigger == Trigger.UNDO.value).scalar_subquery()
    connection.execute(update(runs).where(runs.c.id == taken_back).values(state=State.APPLIED.value, settled_by=None))


def check_purged(connection: Connection, source: str, run: int) -> None:
    """Refuse when values that the way back needs are no longer there. Raises CanNotUndo."""
    mine = (changes.c.source == source, changes.c.run == run, changes.c.purged_at.is_not(None))
    at = connection.execute(select(func.max(changes.c.purged_at)).where(*mine)).scalar()
    if at is not None:
        raise CanNotUndo(
            f"{source}: run {run} can not be undone: its values were purged on {at:%Y-%m-%d}, by policy or on request.",
            advice=f"`syncd runs show {run} --changes` still tells what it changed, by id and field.",
        )


def draw_up(connection: Connection, source: str, run: int) -> int:
    """Stage and plan the way back; gives back how many changes are left out, because they do not stand any more."""
    left_out = 0
    with connection.begin():
        for kind, roster in ROSTER.items():
            other = roster.alias()
            earlier_id = jsontext.at(connection, changes.c.fields, "id", 0)
            query = (
                select(
                    changes,
                    roster.c.status,
                    roster.c.created_run,
                    exists().where(other.c.source == source, other.c.id == earlier_id).label("taken"),
                    roster.c.deactivated_at,
                    *(roster.c[name].label(f"now_{name}") for name in compare.content(kind)),
                )
                .outerjoin(roster, (roster.c.source == source) & (roster.c.id == changes.c.record_id))
                .where(changes.c.source == source, changes.c.run == run, changes.c.kind == kind)
                .order_by(changes.c.record_id)
            )
            # Who came with the run only goes: the first run of a district is all such.
            came = and_(changes.c.action == Action.CREATE.value, roster.c.status == "active", roster.c.created_run <= run)
            goes = query.with_only_columns(literal(kind), changes.c.record_id, literal(Action.DEACTIVATE.value)).where(came)
            connection.execute(insert(planned).from_select(["kind", "record_id", "action"], goes))
            query = query.where(func.coalesce(~came, literal(True)))
            for batch in connection.execute(query.execution_options(yield_per=BATCH)).partitions():
                back = [change for row in batch if (change := _back(row)) is not None]
                left_out += len(batch) - len(back)
                restage(connection, source, kind, back)
    return left_out


def _back(row: Any) -> Restaged | None:
    """The change that takes one back, of somebody who did not come by it; None when the record is not where that change left it, or its
    earlier id is another's now."""
    if row.status is None or row.created_run > row.run:
        # Whoever has the id now came later.
        return None
    old = {name: before for name, (before, _) in (row.fields or {}).items() if name not in ("id", "deactivated_at")}
    fields = {name: [row._mapping[f"now_{name}"], before] for name, before in old.items() if row._mapping[f"now_{name}"] != before}
    match row.action, row.status:
        case Action.REACTIVATE.value, "active":
            return Restaged(row.record_id, Action.DEACTIVATE.value, fields or None, None, old)
        case Action.UPDATE.value, "active" if fields:
            return Restaged(row.record_id, Action.UPDATE.value, fields, None, old)
        case Action.DEACTIVATE.value, "inactive":
            return Restaged(row.record_id, Action.REACTIVATE.value, fields | {"deactivated_at": [row.deactivated_at, None]}, None, old)
        case Action.REKEY.value, "active" | "inactive" if not row.taken:
            new_id, old_id = row.fields["id"]
            return Restaged(new_id, Action.REKEY.value, {"id": [old_id, new_id], **fields}, old_id, old)
    return None
