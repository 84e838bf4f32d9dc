"""One run, from fetch to report: the only file that knows the order of the steps, and the only door to them.

A dry run is the same path stopped before apply. A run that fails anywhere leaves the roster as it was, and says so in one line.
"""

import ctypes
import gc
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import structlog
from sqlalchemy import Connection
from tenacity import Retrying, retry_if_exception, stop_after_attempt

from syncd.account import Who
from syncd.contract.connector import Connector, Context, Resource
from syncd.contract.known import Known
from syncd.errors import FullPullNeeded, NothingHeld, Stopped, Superseded, SyncdError
from syncd.report import Held, Mode, RunReport, State, Trigger, no_counts
from syncd.roster.kinds import PLURAL
from syncd.roster.scope import Scope
from syncd.settings.guard import GuardSettings, QuietSettings
from syncd.settings.source import Source
from syncd.store import audit, lease, pages, runs
from syncd.store.engine import Store
from syncd.sync import (
    absent,
    assemble,
    confirm,
    counting,
    doubles,
    guard,
    hold,
    link,
    part,
    passwords,
    planning,
    quality,
    rekey,
    staging,
    undo,
)
from syncd.sync.apply import apply
from syncd.sync.journal import Journal
from syncd.sync.known import KnownPages
from syncd.sync.plan import Plan
from syncd.sync.stage import Staged, doubts, stage

log = structlog.get_logger()

# How often a transaction is done that others are in the way of.
APPLY_TRIES = 3
# Objects made between two looks for cycles among them. A pull makes millions, and no cycle: to look after each 700 of them, as Python does
# by itself, costs a quarter of its time.
BETWEEN_COLLECTIONS = 100_000
# Of mallopt(3).
M_ARENA_MAX = -8
# Records that have to come before it is worth telling the database how large its tables are.
MUCH = 1_000


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run stands, for progress bars. documents and total count within the resource; total is None when nobody knows."""

    name: str
    resource: str | None = None
    documents: int = 0
    total: int | None = None


@dataclass(frozen=True)
class Order:
    """What is asked of a run.

    source: its name. connect: makes its connector. limits, quiet, today: what the guard goes by; today is the day in the configuration's
    time zone. people: whose people they are, for links to other sources that have the same. mode: `incremental` asks for changes only, if
    that is possible. scope: the one school or user that is asked for, whatever the mode; of a source that was pulled whole before. dry_run:
    stop before apply. approves: the run whose hold is taken up, instead of pulling; same: {old id: new id} of its held users whom a person
    paired. undoes: the run to take back, with force even where later runs changed the same records. reader: what documents are read with;
    what another one read is read again. anew: read everything, whatever is known. by: who asks for it; None: the schedule does. asked: by
    which order of the console, which is done once.
    """

    source: str
    connect: Callable[[Context], Connector]
    limits: GuardSettings = field(default_factory=GuardSettings)
    quiet: QuietSettings | None = None
    people: str | None = None
    today: date = field(default_factory=lambda: datetime.now(UTC).date())
    mode: Mode = Mode.FULL
    scope: Scope | None = None
    trigger: Trigger = Trigger.MANUAL
    dry_run: bool = False
    approves: int | None = None
    same: Mapping[str, str] = field(default_factory=dict)
    undoes: int | None = None
    force: bool = False
    reader: str = ""
    anew: bool = False
    by: Who | None = None
    asked: int | None = None
    on_step: Callable[[Step], None] = field(default=lambda _step: None)
    on_plan: Callable[[Connection], None] = field(default=lambda _connection: None)

    @classmethod
    def of(cls, source: Source, **options: Any) -> "Order":
        """The order for a configured source."""
        common = source.common
        return cls(source.name, source.connect, common.guard, common.quiet, common.people, reader=source.reader, **options)


def run(store: Store, order: Order, context: Context) -> RunReport:
    """Do one run and give its report; a failed one is a report too, with `state` failed and `error`. Of an order that a run has carried out
    already, that one's.

    Raises AlreadyRunning when the source is busy, NothingHeld and CanNotUndo when there is nothing to approve or undo, ConfigError when a
    school or user by itself can not be asked for, and StoreError when not even the run's row can be written.
    """
    _spare_memory()
    with lease.hold(store, order.source):
        if order.asked is not None and (done := runs.done_for(store, order.source, order.asked)):
            return done
        _check(store, order, context)
        started, scope = datetime.now(UTC), _scope(store, order)
        mode = order.mode if order.scope is None else Mode.INCREMENTAL
        account = order.by.name if order.by else None
        kept: dict[str, Any] = {"mode": mode, "trigger": order.trigger, "scope": scope, "account": account, "asked": order.asked}
        with store.write() as connection:
            number, epoch = runs.start(connection, order.source, at=started, **kept)
            # What was ordered in the console was noted when it was.
            if order.by is not None and order.asked is None:
                _note(connection, order, order.by, number)
        report = RunReport(
            run=number,
            source=order.source,
            mode=mode,
            scope=scope,
            trigger=order.trigger,
            state=State.RUNNING,
            started_at=started,
            account=account,
            counts=no_counts(),
            settles=order.approves or order.undoes,
        )
        with (
            structlog.contextvars.bound_contextvars(run=number, source=order.source),
            Journal(store, order.source, number) as journal,
        ):
            return _guarded(store, order, context, report, epoch, journal)


def _note(connection: Connection, order: Order, by: Who, number: int) -> None:
    """Tell the audit log who asked for the run: in the transaction that makes its row, since from then on it is at work."""
    about: dict[str, Any] = {"source": order.source, "dry_run": order.dry_run}
    if order.approves is not None:
        audit.note(connection, by, "approve", subject=str(order.approves), run=number, pairs=len(order.same) or None, **about)
    elif order.undoes is not None:
        audit.note(connection, by, "undo", subject=str(order.undoes), run=number, force=order.force, **about)
    else:
        audit.note(connection, by, "sync", subject=str(number), full=order.mode == Mode.FULL, anew=order.anew, **about)


def _spare_memory() -> None:
    gc.set_threshold(BETWEEN_COLLECTIONS, 20, 100)
    # Of glibc's malloc each thread has a part of its own, where pages leave holes that no other thread may fill. Python's threads take
    # turns anyway: one for all is enough, and saves a tenth of the memory. (Elsewhere there is no such function.)
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def reject(store: Store, source: str, number: int, *, by: Who | None = None) -> None:
    """Drop what a run held. by: who says so. Raises NothingHeld, and AlreadyRunning while a run of the source goes on."""
    with lease.hold(store, source):
        _check_held(store, number)
        with store.write() as connection:
            hold.settle(connection, number, source, State.REJECTED)
            if by is not None:
                audit.note(connection, by, "reject", source=source, subject=str(number))


def _check(store: Store, order: Order, context: Context) -> None:
    settled = order.approves or order.undoes
    if settled is not None and runs.get(store, settled).source != order.source:
        raise SyncdError(f"{order.source} has no run {settled}.", advice=f"`syncd runs --source {order.source}` lists its runs.")
    if order.scope is not None:
        part.check(store, order.source, order.connect(context), order.scope)
    if order.approves is not None:
        _check_held(store, order.approves)
        with store.read() as connection:
            hold.check_pairs(connection, order.source, order.approves, order.same)
    if order.undoes is not None:
        report = runs.get(store, order.undoes)
        if report.state not in (State.APPLIED, State.HELD, State.REJECTED):
            raise SyncdError(f"{order.source}: run {order.undoes} is {report.state}: there is nothing to undo.")
        with store.read() as connection:
            undo.check_purged(connection, order.source, order.undoes)
            if not order.force:
                undo.check(connection, order.source, order.undoes)


def _scope(store: Store, order: Order) -> Scope | None:
    """What a run is about; one that settles another is about the same."""
    settled = order.approves or order.undoes
    return order.scope if settled is None else runs.get(store, settled).scope


def _check_held(store: Store, number: int) -> None:
    report = runs.get(store, number)
    if report.state == State.HELD:
        return
    how = report.state if report.settled_by is None else f"settled by run {report.settled_by}"
    raise NothingHeld(f"{report.source}: run {number} is {how}: it holds nothing.", advice="`syncd status` shows which runs do.")


def _guarded(store: Store, order: Order, context: Context, report: RunReport, epoch: int, journal: Journal) -> RunReport:
    """The run, with every failure turned into a report."""
    began = time.monotonic()
    log.info("run started", mode=report.mode, trigger=report.trigger)
    try:
        _steps(store, order, context, report, epoch, journal)
    except SyncdError as problem:
        _fail(store, context, report, str(problem))
    except Exception as problem:
        # Whatever a connector or the store did wrong, a run never takes the daemon with it; the text of an unforeseen error could
        # hold data, so only its class is told.
        log.error("unforeseen fault", error=type(problem).__name__, exc_info=True)
        _fail(store, context, report, f"a fault in syncd or its connector: {type(problem).__name__}. Please report it.")
    seconds = round(time.monotonic() - began, 3)
    log.info("run finished", state=report.state, seconds=seconds, requests=report.requests)
    return report


def _fail(store: Store, context: Context, report: RunReport, error: str) -> None:
    report.state, report.error = State.FAILED, error
    report.finished_at = datetime.now(UTC)
    context.traffic.tell(report)
    report.counts, report.held, report.quality = no_counts(), [], {}
    with store.write() as connection:
        failed = runs.finish(connection, report)
    if failed:
        log.error("run failed", error=error)
        return
    log.warning("the store did not answer the commit, and did it", error=error)
    for name, value in runs.get(store, report.run):
        setattr(report, name, value)


class _Work:
    """One run at work: what the steps share."""

    def __init__(self, store: Store, order: Order, context: Context, report: RunReport, journal: Journal, connection: Connection) -> None:
        self.store, self.order, self.context, self.report, self.journal = store, order, context, report, journal
        self.connection = connection
        self.connector: Connector | None = None
        self.contents = pages.Contents(store, order.source)

    def close(self) -> None:
        if self.connector is not None:
            self.connector.close()
        self.contents.close()

    def tell(self, step: Step) -> None:
        """Say where the run stands. Raises Stopped when it is to stop."""
        self.journal.progress({"step": step.name, "resource": step.resource, "documents": step.documents, "total": step.total})
        self.order.on_step(step)
        if self.context.stop.is_set():
            raise Stopped(f"{self.order.source}: the run was asked to stop; nothing of it was applied.")

    def tell_page(self, resource: str, documents: int, total: int | None) -> None:
        """Say how much of a resource has come."""
        self.tell(Step("fetching", resource, documents, total))


def _steps(store: Store, order: Order, context: Context, report: RunReport, epoch: int, journal: Journal) -> None:
    with store.told(), staging.session(store) as connection:
        _carry_out(_Work(store, order, context, report, journal, connection), epoch)
    if report.state == State.PLANNED:
        return
    if _grew(report):
        store.take_stock()
    _link(store, order, report, epoch)


def _carry_out(work: "_Work", epoch: int) -> None:
    """From fetch to commit."""
    store, order, report, connection = work.store, work.order, work.report, work.connection
    try:
        with store.told():
            pulled = None
            if order.approves is None and order.undoes is None:
                pulled = _pull(work)
            else:
                _take_back(work)
            order.on_plan(connection)
            if order.dry_run:
                report.state, report.finished_at = State.PLANNED, datetime.now(UTC)
                with store.write() as writer:
                    runs.finish(writer, report)
                return
            _keep_passwords(work)
            # To make hashes may have taken an hour.
            report.finished_at = datetime.now(UTC)
            work.tell(Step("applying"))
            report.state = State.HELD if report.held else State.APPLIED
            connection.execution_options(immediate=True)
            Retrying(retry=retry_if_exception(store.may_pass), stop=stop_after_attempt(APPLY_TRIES), reraise=True)(
                _apply, work, epoch, pulled, report.finished_at
            )
            _settle(work)
    finally:
        work.close()


def _keep_passwords(work: _Work) -> None:
    """Of a source that asks for it. What is kept counts when the run does."""
    seal = work.connector.seal if work.connector is not None else None
    if seal is not None:

        def tell(done: int, total: int) -> None:
            work.tell(Step("hashing", "passwords", done, total))

        passwords.keep(work.store, work.connection, work.order.source, work.report.run, seal, tell)


def _apply(work: _Work, epoch: int, pulled: Staged | None, at: datetime) -> None:
    """The one transaction."""
    order, report, connection = work.order, work.report, work.connection
    with connection.begin():
        apply(connection, report, epoch, at, pulled, order.reader)
        passwords.settle(connection, order.source, report.run, work.connector)
        if order.approves is not None:
            hold.settle(connection, order.approves, order.source, State.APPLIED, by=report.run)
        if order.undoes is not None:
            hold.settle(connection, order.undoes, order.source, State.UNDONE, by=report.run)
            undo.stand_again(connection, order.undoes)


def _settle(work: _Work) -> None:
    """Let the connector do away with what was pulled. The roster is applied, and no fault here may say otherwise."""
    try:
        if work.connector is not None:
            work.connector.settled()
    except Exception as problem:
        log.error("what was read could not be settled", error=type(problem).__name__, exc_info=True)


def _grew(report: RunReport) -> bool:
    """Whether a run made a table much larger than it was."""
    return any(counts.created > MUCH and counts.created > counts.unchanged for counts in report.counts.values())


def _link(store: Store, order: Order, report: RunReport, epoch: int) -> None:
    """Find who is the same person in another source. A transaction of its own, once the roster stands: see `link`."""
    try:
        link.find(store, report, order.people, epoch)
    except Superseded:
        log.info("links left to the next run")
    except Exception as problem:
        # The roster is applied, and no fault here may say otherwise. What was not looked at is looked at by the next run.
        log.error("links could not be looked for; the next run does it", error=type(problem).__name__, exc_info=True)


def _take_back(work: _Work) -> None:
    """The plan of an approval or an undo: changes that are known already. A person asked for them, so that no guard stands before them."""
    order, report, connection = work.order, work.report, work.connection
    work.tell(Step("comparing"))
    if order.approves is not None:
        report.left_out = hold.take_up(connection, order.source, order.approves, order.same)
    elif order.undoes is not None:
        report.left_out = undo.draw_up(connection, order.source, order.undoes)
    staging.index(connection)
    plan = planning.weigh(connection, order.source, datetime.now(UTC))
    counting.count(connection, plan, report)


def _pull(work: _Work) -> Staged:
    order, report, connection = work.order, work.report, work.connection
    connector = work.connector = order.connect(work.context)
    try:
        staged, confirmed = _fetch(work, connector)
        report.doubts = list(doubts(staged))
        for doubt in report.doubts:
            log.warning("pull incomplete", error=doubt)
        work.tell(Step("comparing"))
        if staged.nothing_new:
            counting.count_known(connection, report, staged)
            return staged
        doubles.settle(connection, latest=staged.incremental)
        if not absent.find_lost(connection, order.source, staged):
            log.info("pulling everything", error="documents came as they are known and in another version too")
            staged = _begin_anew(work, connector)
            doubles.settle(connection)
        absent.note(connection, order.source, staged)
        if staged.incremental:
            quality.take_in_waiting(connection, order.source)
        assemble.assemble(connection, order.source, staged)
        quality.set_aside(connection, order.source, staged)
        quality.look_over(connection, order.source, staged)
        planning.draw_up(connection, order.source, staged)
        if confirmed is None:
            work.tell(Step("confirming"))
            confirmed = confirm.confirm(connection, order.source, connector, order.limits.confirm)
    finally:
        work.context.traffic.tell(report)
    rekey.find(connection, order.source, staged)
    plan = planning.weigh(connection, order.source, datetime.now(UTC), confirmed.unasked, staged)
    staged.active.update(plan.active)
    _guard(work, plan)
    report.doubts += [f"of the missing {PLURAL[kind]}, {count} could not be asked for" for kind, count in confirmed.untold.items() if count]
    counting.count(connection, planning.to_apply(connection, plan), report, staged, confirmed)
    return staged


def _fetch(work: _Work, connector: Connector) -> tuple[Staged, confirm.Confirmed | None]:
    """Pull a part, or changes where that is asked for and possible, else everything. With a part, who did not come was asked for."""
    order, report, connection = work.order, work.report, work.connection
    if order.scope is not None:
        return part.pull(connector, work.context, connection, order.scope, work.tell_page, order.limits.confirm)
    if order.mode == Mode.INCREMENTAL and connector.abilities.incremental:
        with work.store.read() as reader:
            cursor = runs.cursor(reader, order.source)
        if cursor is None and connector.abilities.handed:
            # What is handed in is never all, nor is it meant to be.
            cursor = {}
        if cursor is not None:
            try:
                return stage(connector, work.context, connection, work.tell_page, cursor), None
            except FullPullNeeded as problem:
                (log.info if problem.known else log.warning)("pulling everything", error=str(problem))
                staging.empty(connection)
    report.mode = Mode.FULL
    staging.unindex(connection)
    known = None if order.anew else _known(work, connector.resources())
    if known is not None:
        work.context.known = known
    return stage(connector, work.context, connection, work.tell_page, known=known), None


def _begin_anew(work: _Work, connector: Connector) -> Staged:
    """Pull everything and read all of it."""
    staging.empty(work.connection)
    work.context.known = Known()
    return stage(connector, work.context, work.connection, work.tell_page)


def _known(work: _Work, resources: tuple[Resource, ...]) -> KnownPages | None:
    """What is known of the source before a full pull."""
    with work.store.read() as reader:
        before = pages.before(reader, work.order.source, work.order.reader)
    return None if before is None else KnownPages(before, resources, work.contents)


def _guard(work: _Work, plan: Plan) -> None:
    """Decide, mark what is held, and say so in the report."""
    order, report, connection = work.order, work.report, work.connection
    quiet = order.quiet is not None and order.quiet.covers(order.today)
    reasons = guard.decide(plan, order.limits.limits, quiet=quiet, rekey=order.limits.rekey == "apply")
    for reason in planning.withhold(connection, order.source, reasons, everything=order.limits.when_held == "hold-all"):
        held = Held(
            kind=PLURAL[reason.kind],
            action=reason.action,
            rule=reason.rule,
            count=reason.count,
            of=reason.of,
            limit=reason.limit,
            org_id=reason.org_id,
        )
        counting.describe(connection, order.source, plan, held)
        report.held.append(held)
        log.warning("held", kind=reason.kind, rule=reason.rule, count=reason.count, of=reason.of)
