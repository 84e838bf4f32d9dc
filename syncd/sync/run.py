"""One run, from fetch to report: the only file that knows the order of the steps, and the only door to them.

A dry run is the same path stopped before apply. A run that fails anywhere leaves the roster as it was, and says so in one line.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Connection, select

from syncd.contract.connector import Connector, Context
from syncd.errors import Stopped, SyncdError
from syncd.report import Counts, Held, Mode, RunReport, State, Trigger, no_counts
from syncd.roster.kinds import KINDS, PLURAL
from syncd.settings.guard import Limit
from syncd.settings.source import Source
from syncd.store import lease, runs
from syncd.store.engine import Store, told
from syncd.sync import assemble, compare, doubles, guard, planning, staging
from syncd.sync.apply import apply
from syncd.sync.journal import Journal
from syncd.sync.plan import Action, Plan
from syncd.sync.stage import Staged, doubts, stage
from syncd.sync.staging import staged_problems

log = structlog.get_logger()


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

    source: its name. connect: makes its connector. max_deactivations, floor: the guard's limits. accept_removals: a person has looked
    at the removals and wants them applied. dry_run: stop before apply.
    """

    source: str
    connect: Callable[[Context], Connector]
    max_deactivations: Limit
    floor: int
    mode: Mode = Mode.FULL
    trigger: Trigger = Trigger.MANUAL
    dry_run: bool = False
    accept_removals: bool = False
    on_step: Callable[[Step], None] = field(default=lambda _step: None)

    @classmethod
    def of(cls, source: Source, **options: Any) -> "Order":
        """The order for a configured source."""
        limits = source.common.guard
        return cls(source.name, source.connect, limits.max_deactivations, limits.floor, **options)


def run(store: Store, order: Order, context: Context) -> RunReport:
    """Do one run and give its report; a failed one is a report too, with `state` failed and `error`.

    Raises AlreadyRunning when the source is busy, and StoreError when not even the run's row can be written.
    """
    with lease.hold(store, order.source):
        started = datetime.now(UTC)
        with store.write() as connection:
            number, epoch = runs.start(connection, order.source, mode=order.mode, trigger=order.trigger, at=started)
        report = RunReport(
            run=number,
            source=order.source,
            mode=order.mode,
            trigger=order.trigger,
            state=State.RUNNING,
            started_at=started,
            counts=no_counts(),
        )
        with (
            structlog.contextvars.bound_contextvars(run=number, source=order.source),
            Journal(store, order.source, number) as journal,
        ):
            return _guarded(store, order, context, report, epoch, journal)


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
    report.requests, report.bytes = context.traffic.requests, context.traffic.bytes
    report.counts = no_counts()
    log.error("run failed", error=error)
    with store.write() as connection:
        runs.finish(connection, report)


def _steps(store: Store, order: Order, context: Context, report: RunReport, epoch: int, journal: Journal) -> None:
    def tell(step: Step) -> None:
        journal.progress({"step": step.name, "resource": step.resource, "documents": step.documents, "total": step.total})
        order.on_step(step)
        if context.stop.is_set():
            raise Stopped(f"{order.source}: the run was asked to stop; nothing of it was applied.")

    connection = store.session()
    connector = order.connect(context)
    try:
        with told(store):
            staging.create(connection)
            staged = stage(
                connector,
                connection,
                lambda resource, documents, total: tell(Step("fetching", resource, documents, total)),
            )
            report.requests, report.bytes = context.traffic.requests, context.traffic.bytes
            report.doubts = list(doubts(staged))
            for doubt in report.doubts:
                log.warning("pull incomplete", error=doubt)
            tell(Step("comparing"))
            doubles.settle(connection)
            assemble.assemble(connection, order.source, staged)
            plan = planning.draw_up(connection, order.source, staged)
            _count(connection, order.source, staged, plan, report)
            _guard(connection, order, plan, report)
            tell(Step("applying"))
            report.finished_at = datetime.now(UTC)
            if order.dry_run:
                report.state = State.PLANNED
                with store.write() as writer:
                    runs.finish(writer, report)
                return
            report.state = State.HELD if report.held else State.APPLIED
            connection.execution_options(immediate=True)
            with connection.begin():
                apply(connection, report, epoch, staged, report.finished_at)
    finally:
        connector.close()
        connection.close()


def _count(connection: Connection, source: str, staged: Staged, plan: Plan, report: RunReport) -> None:
    with connection.begin():
        fatal = connection.execute(select(staged_problems.c.resource).where(staged_problems.c.fatal)).all()
        for kind in KINDS:
            stating = staged.stating(kind)[:1]
            report.counts[PLURAL[kind]] = Counts(
                seen=plan.seen[kind],
                created=plan.count(kind, Action.CREATE),
                updated=plan.count(kind, Action.UPDATE),
                reactivated=plan.count(kind, Action.REACTIVATE),
                deactivated=plan.count(kind, Action.DEACTIVATE),
                unchanged=connection.execute(compare.unchanged(kind, source)).scalar_one(),
                quarantined=0 if not stating else sum(_first_kind(staged, row.resource) == kind for row in fatal),
            )
    for kind in KINDS:
        counts: dict[str, Any] = report.counts[PLURAL[kind]].model_dump()
        log.info("compared", kind=kind, counts=counts)


def _first_kind(staged: Staged, resource: str) -> str | None:
    """The kind that a document of the resource is counted as: its first (a Clever section counts as a section)."""
    return next((kinds.kinds[0] for kinds in staged.resources if kinds.name == resource and kinds.kinds), None)


def _guard(connection: Connection, order: Order, plan: Plan, report: RunReport) -> None:
    if order.accept_removals:
        return
    for reason in guard.decide(plan, order.max_deactivations, order.floor):
        plural = PLURAL[reason.kind]
        planning.withhold(connection, reason.kind)
        report.counts[plural].deactivated = 0
        report.held.append(
            Held(
                kind=plural,
                action=Action.DEACTIVATE,
                rule=reason.rule,
                count=reason.count,
                of=reason.of,
                limit=reason.limit,
            )
        )
        log.warning("held", kind=reason.kind, rule=reason.rule, count=reason.count, of=reason.of)
