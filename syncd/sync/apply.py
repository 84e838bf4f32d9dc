"""Roster, change log, users' parts, quarantine, cursor, holds and run state in one transaction: all of a run, or nothing of it."""

from datetime import datetime

from sqlalchemy import Connection, and_, exists, func, insert, literal, or_, select, update

from syncd.report import RunReport
from syncd.roster.kinds import KINDS, PLURAL
from syncd.store import bulk, jsontext, lease, orders, pages, runs
from syncd.store.tables import ROSTER, changes, quarantine, sources, user_parts, waiting
from syncd.sync import compare, hold, link
from syncd.sync.assemble import of_all
from syncd.sync.plan import Action
from syncd.sync.remember import is_purged, remember
from syncd.sync.stage import Staged
from syncd.sync.staging import STAGED, affected, planned, staged_parts, staged_problems, staged_waiting

_FREE = planned.c.held.is_(None)


def apply(connection: Connection, report: RunReport, epoch: int, at: datetime, pulled: Staged | None, reader: str) -> None:
    """Apply what of the plan is not held, keep what is, and finish the run's row with its report.

    pulled: what was staged, when the plan comes from a pull; None for an approval or an undo, which say nothing of the source. reader: what
    it was read with. The caller
    opened the write transaction on the connection that holds the staging tables, and commits it. Raises Superseded when a later run of the
    source has started: then nothing may be committed.
    """
    lease.check_epoch(connection, report.source, epoch)
    for kind in KINDS:
        counts = report.counts[PLURAL[kind]]
        if counts.created:
            with bulk.filling(connection, ROSTER[kind], counts.created):
                _create(connection, kind, report)
        if counts.updated or counts.reactivated:
            _overwrite(connection, kind, report)
            _rekey(connection, kind, report)
        if counts.deactivated:
            _deactivate(connection, kind, report, at, restore=pulled is None)
    link.follow(connection, report.source)
    _log(connection, report)
    if pulled is not None:
        hold.keep(connection, report)
        _keep_parts(connection, report.source, pulled)
        _keep_waiting(connection, report.source, pulled)
        _quarantine(connection, report)
        _move_cursor(connection, report.source, pulled)
        hold.supersede(connection, report, whole=not pulled.incremental)
        remember(connection, report, pulled, reader)
    else:
        pages.forget(connection, report.source)
    orders.drop_previews(connection, report.source)
    runs.finish(connection, report)


def _create(connection: Connection, kind: str, report: RunReport) -> None:
    roster, staged = ROSTER[kind], STAGED[kind]
    names = ("id", *compare.kept(kind))
    rows = (
        select(
            literal(report.source),
            literal("active"),
            literal(report.run),
            literal(report.run),
            *(staged.c[name] for name in names),
        )
        .join_from(planned, staged, staged.c.id == planned.c.record_id)
        .where(planned.c.kind == kind, planned.c.action == Action.CREATE.value, _FREE)
        .order_by(planned.c.record_id)
    )
    connection.execute(insert(roster).from_select(["source", "status", "created_run", "changed_run", *names], rows))


def _overwrite(connection: Connection, kind: str, report: RunReport) -> None:
    roster, staged = ROSTER[kind], STAGED[kind]
    connection.execute(
        update(roster)
        .where(
            roster.c.source == report.source,
            roster.c.id == planned.c.record_id,
            planned.c.kind == kind,
            planned.c.action.in_((Action.UPDATE.value, Action.REACTIVATE.value)),
            _FREE,
            staged.c.id == planned.c.record_id,
        )
        .values(
            {name: staged.c[name] for name in compare.kept(kind)} | {"status": "active", "deactivated_at": None, "changed_run": report.run}
        )
    )


def _rekey(connection: Connection, kind: str, report: RunReport) -> None:
    """The row stays and takes the new id, and with it what came under that id; whoever has left meanwhile has left under the old id too."""
    roster, staged = ROSTER[kind], STAGED[kind]
    connection.execute(
        update(roster)
        .where(
            roster.c.source == report.source,
            roster.c.id == planned.c.old_id,
            planned.c.kind == kind,
            planned.c.action == Action.REKEY.value,
            _FREE,
            staged.c.id == planned.c.record_id,
        )
        .values({name: staged.c[name] for name in compare.kept(kind)} | {"id": planned.c.record_id, "changed_run": report.run})
    )


def _deactivate(connection: Connection, kind: str, report: RunReport, at: datetime, *, restore: bool) -> None:
    """restore: undoing a reactivation also puts back what the record was before it."""
    roster, staged = ROSTER[kind], STAGED[kind]
    gone = select(planned.c.record_id).where(planned.c.kind == kind, planned.c.action == Action.DEACTIVATE.value, _FREE)
    mine = (roster.c.source == report.source, roster.c.id.in_(gone))
    if restore:
        connection.execute(
            update(roster).where(*mine, staged.c.id == roster.c.id).values({name: staged.c[name] for name in compare.kept(kind)})
        )
    connection.execute(update(roster).where(*mine).values(status="inactive", deactivated_at=at, changed_run=report.run))


def _log(connection: Connection, report: RunReport) -> None:
    rows = (
        select(
            literal(report.source),
            literal(report.run),
            planned.c.kind,
            planned.c.record_id,
            planned.c.action,
            planned.c.fields,
        )
        .where(_FREE)
        .order_by(planned.c.kind, planned.c.record_id)
    )
    connection.execute(insert(changes).from_select(["source", "run", "kind", "record_id", "action", "fields"], rows))


def _keep_parts(connection: Connection, source: str, pulled: Staged) -> None:
    """Make the kept parts of the users who were put together those of this run (which hold the earlier ones that still count); write only
    differences."""
    names = [column.name for column in staged_parts.columns if column.name not in ("row", "version")]
    key = ("resource", "document_id", "user_id", "guardian_id")
    same = and_(*(staged_parts.c[name] == user_parts.c[name] for name in key))
    rest = [name for name in names if name not in key]
    over = [user_parts.c.source == source, ~exists(select(staged_parts.c.row).where(same))]
    if not of_all(pulled):
        over.append(user_parts.c.user_id.in_(select(affected.c.id)))
    connection.execute(user_parts.delete().where(*over))
    connection.execute(
        update(user_parts)
        .where(user_parts.c.source == source, same)
        .where(or_(*(user_parts.c[name].is_distinct_from(staged_parts.c[name]) for name in rest)))
        .values({name: staged_parts.c[name] for name in rest})
    )
    new = (
        select(literal(source), *(staged_parts.c[name] if name in key else func.max(staged_parts.c[name]) for name in names))
        .where(~exists(select(user_parts.c.source).where(user_parts.c.source == source, same)))
        .where(~is_purged(source, staged_parts.c.user_id))
        .group_by(*(staged_parts.c[name] for name in key))
        .order_by(*(staged_parts.c[name] for name in key))
    )
    connection.execute(insert(user_parts).from_select(["source", *names], new))


def _keep_waiting(connection: Connection, source: str, pulled: Staged) -> None:
    """What waits now takes the place of what waited; of a list that did not come whole, only where it or its document came again."""
    names = ("id", "resource", "document_id", "record")
    over = waiting.c.source == source
    if not pulled.incremental and not pulled.proves_absence("enrollment"):
        came = (select(table.c.id) for table in (STAGED["enrollment"], staged_waiting))
        over = and_(over, or_(*(waiting.c.id.in_(ids) for ids in came), waiting.c.document_id.in_(select(STAGED["section"].c.id))))
    connection.execute(waiting.delete().where(over))
    rows = (
        select(literal(source), *(staged_waiting.c[name] for name in names))
        .where(~is_purged(source, jsontext.at(connection, staged_waiting.c.record, "user_id")))
        .order_by(staged_waiting.c.id)
    )
    connection.execute(insert(waiting).from_select(["source", *names], rows))


def _quarantine(connection: Connection, report: RunReport) -> None:
    names = ("seq", "resource", "document_id", "rule", "field", "fatal")
    rows = select(literal(report.source), literal(report.run), *(staged_problems.c[name] for name in names))
    connection.execute(insert(quarantine).from_select(["source", "run", *names], rows))


def _move_cursor(connection: Connection, source: str, pulled: Staged) -> None:
    """The cursor moves with the data and never ahead of it; a full pull that gives none leaves none."""
    if pulled.cursor is not None or not pulled.incremental:
        value = pulled.cursor.value if pulled.cursor is not None else None
        connection.execute(update(sources).where(sources.c.name == source).values(cursor=value))
