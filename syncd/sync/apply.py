"""Roster, change log, users' parts, quarantine and run state in one transaction: all of a run, or nothing of it."""

from datetime import datetime

from sqlalchemy import Connection, and_, exists, insert, literal, or_, select, update

from syncd.report import RunReport
from syncd.roster.kinds import KINDS
from syncd.store import lease, runs
from syncd.store.tables import ROSTER, changes, quarantine, user_parts
from syncd.sync import compare
from syncd.sync.plan import Action
from syncd.sync.stage import Staged
from syncd.sync.staging import STAGED, planned, staged_parts, staged_problems


def apply(connection: Connection, report: RunReport, epoch: int, staged: Staged, at: datetime) -> None:
    """Apply the planned changes and finish the run's row with its report.

    The caller opened the write transaction on the connection that holds the staging tables, and commits it. Raises Superseded when a
    later run of the source has started: then nothing may be committed.
    """
    lease.check_epoch(connection, report.source, epoch)
    for kind in KINDS:
        _create(connection, kind, report)
        _overwrite(connection, kind, report)
        _deactivate(connection, kind, report, at)
    _log(connection, report)
    _keep_parts(connection, report.source)
    _quarantine(connection, report)
    runs.finish(connection, report)


def _create(connection: Connection, kind: str, report: RunReport) -> None:
    roster, staged = ROSTER[kind], STAGED[kind]
    names = ("id", *compare.content(kind), "document_id")
    rows = (
        select(
            literal(report.source),
            literal("active"),
            literal(report.run),
            literal(report.run),
            *(staged.c[name] for name in names),
        )
        .join_from(planned, staged, staged.c.id == planned.c.record_id)
        .where(planned.c.kind == kind, planned.c.action == Action.CREATE.value)
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
            staged.c.id == planned.c.record_id,
        )
        .values(
            {name: staged.c[name] for name in (*compare.content(kind), "document_id")}
            | {"status": "active", "deactivated_at": None, "changed_run": report.run}
        )
    )


def _deactivate(connection: Connection, kind: str, report: RunReport, at: datetime) -> None:
    roster = ROSTER[kind]
    gone = select(planned.c.record_id).where(planned.c.kind == kind, planned.c.action == Action.DEACTIVATE.value)
    connection.execute(
        update(roster)
        .where(roster.c.source == report.source, roster.c.id.in_(gone))
        .values(status="inactive", deactivated_at=at, changed_run=report.run)
    )


def _log(connection: Connection, report: RunReport) -> None:
    rows = select(
        literal(report.source),
        literal(report.run),
        planned.c.kind,
        planned.c.record_id,
        planned.c.action,
        planned.c.fields,
    ).order_by(planned.c.kind, planned.c.record_id)
    connection.execute(insert(changes).from_select(["source", "run", "kind", "record_id", "action", "fields"], rows))


def _keep_parts(connection: Connection, source: str) -> None:
    """Make the source's kept parts those of this run (which hold the earlier ones that still count); write only differences."""
    names = [column.name for column in staged_parts.columns if column.name != "row"]
    key = ("resource", "document_id", "user_id", "guardian_id")
    same = and_(*(staged_parts.c[name] == user_parts.c[name] for name in key))
    rest = [name for name in names if name not in key]
    connection.execute(user_parts.delete().where(user_parts.c.source == source, ~exists(select(staged_parts.c.row).where(same))))
    connection.execute(
        update(user_parts)
        .where(user_parts.c.source == source, same)
        .where(or_(*(user_parts.c[name].is_distinct_from(staged_parts.c[name]) for name in rest)))
        .values({name: staged_parts.c[name] for name in rest})
    )
    new = (
        select(literal(source), *(staged_parts.c[name] for name in names))
        .where(~exists(select(user_parts.c.source).where(user_parts.c.source == source, same)))
        .group_by(*(staged_parts.c[name] for name in key))
        .order_by(*(staged_parts.c[name] for name in key))
    )
    connection.execute(insert(user_parts).from_select(["source", *names], new))


def _quarantine(connection: Connection, report: RunReport) -> None:
    names = ("seq", "resource", "document_id", "rule", "field", "fatal")
    rows = select(literal(report.source), literal(report.run), *(staged_problems.c[name] for name in names))
    connection.execute(insert(quarantine).from_select(["source", "run", *names], rows))
