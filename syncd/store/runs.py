"""Runs: their rows, reports, log lines and changes, as they are kept and as they are read."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import Connection, Row, Select, Text, and_, func, insert, not_, or_, select, text, type_coerce, update

from syncd.errors import Unknown
from syncd.report import Mode, RunReport, State, Trigger
from syncd.roster.scope import Scope
from syncd.store import lease, migrations, tallies
from syncd.store.columns import canonical
from syncd.store.engine import Store
from syncd.store.tables import HELD, UNREPORTED, changes, held_changes, quarantine, run_log, runs, sources

# States of runs that applied what they could: of one that held a part, or whose hold a person answered, the rest stands.
DONE = (State.APPLIED, State.HELD, State.REJECTED)
# Whom a list of changes is about comes first; a student's enrollments are many.
FIRST = {kind: place for place, kind in enumerate(("user", "section", "org", "course", "term", "enrollment"))}
INTERRUPTED = "the run was interrupted before it could apply anything"
# In the error of each run that a person or the service manager ended: that says nothing about its source.
STOPPED = "the run was asked to stop"
# When a run's report stands: a little after its end, and at the latest when its links would have been found, were it still at that.
SETTLED, LINKED = timedelta(seconds=2), timedelta(minutes=2)
# What asks the source; the others settle what an earlier run brought.
PULLS = (Trigger.SCHEDULE, Trigger.MANUAL)
# In SQL: a run has come to its end. One that was interrupted, stopped or overtaken has not: what it was for is still to be done.
_BROKE_OFF = or_(runs.c.error == INTERRUPTED, runs.c.error.contains(STOPPED), runs.c.error.contains(lease.OVERTAKEN))
ENDED = and_(runs.c.state != State.RUNNING, not_(and_(runs.c.state == State.FAILED, func.coalesce(_BROKE_OFF, False))))


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A log line of a run, as kept in the store."""

    seq: int
    at: datetime
    level: str
    event: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one record: `fields` is {field: [old, new]} for updates and reactivations, else empty; {field: None} where the values
    were purged, at `purged_at`."""

    source: str
    run: int
    kind: str
    record_id: str
    action: str
    fields: dict[str, Any]
    at: datetime | None = None
    purged_at: datetime | None = None


def start(
    connection: Connection,
    source: str,
    *,
    mode: str,
    trigger: str,
    at: datetime,
    scope: Scope | None = None,
    account: str | None = None,
    asked: int | None = None,
) -> tuple[int, int]:
    """Write a new run's row: (run, epoch). The caller holds the source; runs left `running` are therefore dead. account: who asked for it;
    asked: by which order.

    Raises Outdated when a newer syncd has upgraded the store: looked for behind the epoch, whose row an upgrade takes as well, so that
    either this sees the upgrade or the upgrade ends the epoch.
    """
    # The epoch first, as whoever applies: one that lost its lock on the way could be at that, and each would wait for the other.
    epoch = lease.next_epoch(connection, source)
    dead = connection.execute(
        update(runs)
        .where(runs.c.source == source, runs.c.state == State.RUNNING)
        .values(state=State.FAILED, finished_at=at, error=INTERRUPTED, progress=None)
        .returning(runs.c.mode, runs.c.trigger)
    ).all()
    tallies.add_interrupted(connection, source, [(row.mode, row.trigger) for row in dead])
    migrations.refuse_newer(connection)
    row = {"source": source, "epoch": epoch, "mode": mode, "scope": scope, "trigger": trigger, "state": State.RUNNING, "started_at": at}
    row |= {"account": account, "asked": asked, "reported": False}
    nothing: dict[str, Any] = {"counts": {}, "requests": 0, "bytes": 0, "held": [], "doubts": []}
    inserted = connection.execute(insert(runs).values(**row, **nothing))
    assert inserted.inserted_primary_key is not None
    return int(inserted.inserted_primary_key[0]), epoch


def finish(connection: Connection, report: RunReport) -> bool:
    """Write how a run ended; for an applied one, in the transaction that applies it. False, and nothing is written, when the run is known
    to have ended well: the answer to its commit was lost, and not the commit."""
    values = report.model_dump(exclude={"run", "source", "trigger", "started_at", "account", "settled_by"})
    if report.state in (State.APPLIED, State.HELD) and report.changed:
        values["applied"] = _next_place(connection)
    ended = update(runs).where(runs.c.id == report.run).values(**values, progress=None)
    if connection.execute(ended.where(runs.c.state == State.RUNNING)).rowcount == 1:
        tallies.add(connection, report)
        return True
    # One that its successor took for dead, and counted, has more to say of how it ended.
    return connection.execute(ended.where(runs.c.state == State.FAILED)).rowcount == 1


def _next_place(connection: Connection) -> int:
    """The next place among the runs that changed something. Taken last in the transaction that applies, and until its end by one at a time:
    a place never becomes visible before a lower one."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('syncd applied'))"))
    last = select(func.coalesce(func.max(runs.c.applied), 0)).where(runs.c.applied.is_not(None))
    return int(connection.execute(last).scalar_one()) + 1


def cursor(connection: Connection, source: str) -> Any:
    """Where the next pull of changes of the source starts; None when only a full pull will do."""
    return connection.execute(select(sources.c.cursor).where(sources.c.name == source)).scalar()


def set_progress(connection: Connection, run: int, progress: dict[str, Any]) -> None:
    connection.execute(update(runs).where(runs.c.id == run, runs.c.state == State.RUNNING).values(progress=progress))


def report_of(row: Row[Any], held: dict[str, bool], store: Store) -> RunReport:
    """A row as its report. A run whose process died is told as failed, although nobody could write that down. held: which sources' locks
    were looked at already."""
    state, error = row.state, row.error
    if state == State.RUNNING and not held.setdefault(row.source, lease.is_held(store, row.source)):
        state, error = State.FAILED, INTERRUPTED
    return RunReport(
        run=row.id,
        source=row.source,
        mode=row.mode,
        scope=row.scope,
        trigger=row.trigger,
        state=state,
        started_at=row.started_at,
        account=row.account,
        finished_at=row.finished_at,
        counts=row.counts,
        requests=row.requests,
        bytes=row.bytes,
        retries=row.retries,
        answers=row.answers,
        files=row.files,
        held=row.held,
        doubts=row.doubts,
        quality=row.quality,
        settles=row.settles,
        settled_by=row.settled_by,
        left_out=row.left_out,
        linked=row.linked,
        proposed=row.proposed,
        error=error,
    )


def recent(store: Store, source: str | None = None, limit: int = 20) -> list[RunReport]:
    """The latest runs, newest first. A run whose process died is told as failed, although nobody could write that down."""
    query = select(runs).order_by(runs.c.id.desc()).limit(limit)
    if source:
        query = query.where(runs.c.source == source)
    return reports(store, query)


def reports(store: Store, query: Select[Any]) -> list[RunReport]:
    """The reports of the rows that a query finds in `runs`."""
    with store.read() as connection:
        rows = connection.execute(query).all()
    held: dict[str, bool] = {}
    return [report_of(row, held, store) for row in rows]


def get(store: Store, run: int) -> RunReport:
    """One run's report. Raises Unknown when there is no such run."""
    with store.read() as connection:
        row = connection.execute(select(runs).where(runs.c.id == run)).one_or_none()
    if row is None:
        raise Unknown(f"there is no run {run}.", advice="`syncd runs` lists them.")
    return report_of(row, {}, store)


def latest_pulls(store: Store, source: str, connection: Connection | None = None, limit: int = 20) -> list[RunReport]:
    """The source's latest pulls, newest first, however they ended; those of one school or user say nothing of the source. connection: to
    read with, where the caller has one."""
    mine = (runs.c.source == source, runs.c.trigger.in_(PULLS), runs.c.scope.is_(None))
    query = select(runs).where(*mine).order_by(runs.c.id.desc()).limit(limit)
    with nullcontext(connection) if connection is not None else store.read() as reading:
        rows = reading.execute(query).all()
    held: dict[str, bool] = {}
    return [report_of(row, held, store) for row in rows]


def failed_in_a_row(pulls: Iterable[RunReport]) -> list[RunReport]:
    """Of a source's pulls, newest first: the latest that failed one after the other. One that goes on, or that a person or the service
    manager stopped, says nothing."""
    told = (pull for pull in pulls if pull.state != State.RUNNING and STOPPED not in (pull.error or ""))
    return list(takewhile(lambda pull: pull.state == State.FAILED, told))


def last_good(store: Store, source: str) -> RunReport | None:
    """The source's latest run that applied something, or None; one of a single school or user is no sync of the source."""
    return _one(store, select(runs).where(runs.c.source == source, runs.c.state.in_(DONE), runs.c.scope.is_(None)))


def latest(store: Store, source: str) -> RunReport | None:
    """The source's latest run, dry ones left out: they say nothing of how things stand."""
    return _one(store, select(runs).where(runs.c.source == source, runs.c.state != State.PLANNED))


def last_whole(store: Store, source: str) -> RunReport | None:
    """The source's latest full pull that applied something: its doubts stand until the next one."""
    pulled = runs.c.trigger.in_(PULLS)
    return _one(store, select(runs).where(runs.c.source == source, runs.c.state.in_(DONE), runs.c.mode == Mode.FULL, pulled))


def waiting_for_a_person(store: Store, source: str) -> list[RunReport]:
    """The source's runs that hold something, oldest first."""
    query = select(runs).where(runs.c.source == source, runs.c.state == State.HELD).order_by(runs.c.id)
    with store.read() as connection:
        return [report_of(row, {}, store) for row in connection.execute(query).all()]


def held_now(store: Store) -> list[RunReport]:
    """All runs that hold something, by source, oldest first."""
    with store.read() as connection:
        return [report_of(row, {}, store) for row in connection.execute(select(runs).where(HELD).order_by(runs.c.source, runs.c.id)).all()]


def unreported(connection: Connection, at: datetime, limit: int) -> list[RunReport]:
    """Runs that have come to their end, oldest first, and of which nobody has yet seen to it that they are told; with all that stands in
    their reports: links are looked for after a run has applied, and what was not looked for within LINKED is left to the next run."""
    linked = or_(sources.c.people.is_(None), sources.c.linked_run >= runs.c.id, runs.c.state == State.FAILED)
    ended = or_(and_(linked, runs.c.finished_at <= at - SETTLED), runs.c.finished_at <= at - LINKED, runs.c.finished_at > at + LINKED)
    query = select(runs).join(sources, sources.c.name == runs.c.source).where(UNREPORTED, runs.c.state != State.RUNNING, ended)
    return [RunReport.model_validate(dict(row._mapping, run=row.id)) for row in connection.execute(query.order_by(runs.c.id).limit(limit))]


def set_reported(connection: Connection, numbers: Sequence[int]) -> None:
    connection.execute(update(runs).where(runs.c.id.in_(numbers)).values(reported=True))


def _one(store: Store, query: Select[Any]) -> RunReport | None:
    with store.read() as connection:
        row = connection.execute(query.order_by(runs.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else report_of(row, {}, store)


def came_to_its_end(report: RunReport) -> bool:
    """Whether a run has come to its end (`ENDED`), by its report."""
    error = report.error or ""
    broke_off = error == INTERRUPTED or STOPPED in error or lease.OVERTAKEN in error
    return report.state != State.RUNNING and not (report.state == State.FAILED and broke_off)


def done_for(store: Store, source: str, asked: int) -> RunReport | None:
    """The run that has carried out an order already. The caller holds the source."""
    with store.write() as connection:
        # The database may still be committing what a process asked for that has died since: that has the source's row, and is waited for.
        lease.wait_for_appliers(connection, source)
        mine = (runs.c.source == source, runs.c.asked == asked)
        done = connection.execute(select(func.max(runs.c.id)).where(*mine, ENDED)).scalar()
    return None if done is None else get(store, done)


def progress(store: Store, run: int) -> dict[str, Any] | None:
    """Where a running run stands: {step, resource, documents, total}; None when it is not running."""
    with store.read() as connection:
        found = connection.execute(select(runs.c.progress).where(runs.c.id == run)).scalar_one_or_none()
    return found if isinstance(found, dict) else None


def add_lines(connection: Connection, source: str, run: int, lines: Sequence[KeptLine]) -> None:
    if lines:
        rows = [
            {
                "source": source,
                "run": run,
                "seq": line.seq,
                "at": line.at,
                "level": line.level,
                "event": line.event,
                "fields": line.fields,
            }
            for line in lines
        ]
        connection.execute(insert(run_log), rows)


def log_lines(store: Store, run: int, after: int = 0) -> Iterator[KeptLine]:
    """The run's log lines with a number above `after`, in order."""
    source = select(runs.c.source).where(runs.c.id == run).scalar_subquery()
    query = select(run_log).where(run_log.c.source == source, run_log.c.run == run, run_log.c.seq > after).order_by(run_log.c.seq)
    with store.read() as connection:
        for row in connection.execute(query.execution_options(yield_per=1000)):
            yield KeptLine(row.seq, row.at, row.level, row.event, row.fields)


def changes_of(store: Store, run: int, *, kind: str | None = None, limit: int | None = None) -> Iterator[Change]:
    """The changes that a run made, people first, by id."""
    source = select(runs.c.source).where(runs.c.id == run).scalar_subquery()
    # A kind at a time: so the log lies there in order, and nobody has to sort it.
    with store.read() as connection:
        for each in FIRST if kind is None else (kind,):
            mine = changes.c.source == source, changes.c.run == run, changes.c.kind == each
            query = select(changes).where(*mine).order_by(changes.c.record_id).limit(limit)
            for row in connection.execute(query.execution_options(yield_per=1000)):
                limit = None if limit is None else limit - 1
                yield Change(row.source, row.run, row.kind, row.record_id, row.action, row.fields or {})


def history(store: Store, kind: str, record_id: str, source: str | None = None) -> list[Change]:
    """All that ever happened to a record, oldest first, under its earlier ids too; over all sources that have one of this id, unless one
    is named."""
    query = select(changes, runs.c.started_at).join(runs, runs.c.id == changes.c.run).where(changes.c.kind == kind)
    if source:
        query = query.where(changes.c.source == source)
    found: list[Change] = []
    with store.read() as connection:
        ids: list[tuple[str | None, str, int | None]] = [(None, record_id, None)]
        while ids:
            of_source, wanted, before = ids.pop()
            mine = query.where(changes.c.record_id == wanted)
            if of_source is not None:
                # What came under the earlier id later is about somebody else.
                mine = mine.where(changes.c.source == of_source, changes.c.run < before)
            for row in connection.execute(mine):
                fields = row.fields or {}
                found.append(Change(row.source, row.run, row.kind, row.record_id, row.action, fields, row.started_at, row.purged_at))
                if row.action == "rekey":
                    ids.append((row.source, fields["id"][0], row.run))
    return sorted(found, key=lambda change: (change.source, change.run))


def now_called(store: Store, kind: str, record_id: str, source: str | None = None) -> str | None:
    """The id that a record has had since it was given a new one; None when no record had this one. The last such change counts."""
    old = type_coerce(changes.c.fields, Text).contains(f'"id":[{canonical(record_id)},', autoescape=True)
    query = select(changes.c.record_id).where(changes.c.kind == kind, changes.c.action == "rekey", old)
    if source:
        query = query.where(changes.c.source == source)
    with store.read() as connection:
        return connection.execute(query.order_by(changes.c.run.desc()).limit(1)).scalar()


def held_of(store: Store, kind: str, record_id: str, source: str | None = None) -> list[dict[str, Any]]:
    """What waits for a person of one record: source, run, action and rule, oldest first."""
    query = select(held_changes).where(held_changes.c.kind == kind)
    query = query.where(or_(held_changes.c.record_id == record_id, held_changes.c.old_id == record_id))
    if source:
        query = query.where(held_changes.c.source == source)
    with store.read() as connection:
        rows = connection.execute(query.order_by(held_changes.c.source, held_changes.c.run)).all()
    return [{"source": row.source, "run": row.run, "action": row.action, "rule": row.rule} for row in rows]


def quarantined(store: Store, source: str, run: int | None = None) -> Iterator[dict[str, Any]]:
    """What a run (default: the source's latest that looked) could not use, with the reason. No values, only ids and fields."""
    if run is None:
        pulled = runs.c.trigger.in_(PULLS)
        done = select(func.max(runs.c.id)).where(runs.c.source == source, runs.c.state.in_(DONE), runs.c.mode == Mode.FULL, pulled)
        latest = done.scalar_subquery()
    else:
        latest = select(func.max(runs.c.id)).where(runs.c.id == run).scalar_subquery()
    query = select(quarantine).where(quarantine.c.source == source, quarantine.c.run == latest).order_by(quarantine.c.seq)
    with store.read() as connection:
        for row in connection.execute(query.execution_options(yield_per=1000)):
            yield {
                "source": row.source,
                "run": row.run,
                "resource": row.resource,
                "document_id": row.document_id,
                "rule": row.rule,
                "field": row.field,
                "used": not row.fatal,
            }


def held_changes_of(store: Store, run: int, limit: int | None = None) -> Iterator[dict[str, Any]]:
    """What a run holds: ids, actions and rules, people first, by id."""
    source = select(runs.c.source).where(runs.c.id == run).scalar_subquery()
    with store.read() as connection:
        for each in FIRST:
            mine = held_changes.c.source == source, held_changes.c.run == run, held_changes.c.kind == each
            query = select(held_changes).where(*mine).order_by(held_changes.c.record_id).limit(limit)
            for row in connection.execute(query.execution_options(yield_per=1000)):
                limit = None if limit is None else limit - 1
                yield {"kind": row.kind, "id": row.record_id, "action": row.action, "rule": row.rule, "fields": row.fields or {}}
