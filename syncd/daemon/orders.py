"""What people asked for in the console is carried out: by the daemon, or by the worker that heard the bell for it.

Who carries an order out takes it first, and whoever finds the source busy gives it back: it is tried again. When it can not be told what
became of it (the store went away), it stays taken, and whoever looks next sees from its runs whether it is done (`store/orders.py`).
"""

from typing import Any

import structlog

from syncd.account import Role, Via, Who
from syncd.contract.connector import Context
from syncd.daemon import places
from syncd.errors import AlreadyRunning, StoreError, SyncdError
from syncd.order import OrderReport, What
from syncd.report import Mode, RunReport, Trigger
from syncd.settings import kept
from syncd.settings.file import Settings
from syncd.store import Store, orders, runs
from syncd.sync import preview
from syncd.sync.run import Order, run

log = structlog.get_logger()

# Seconds between two looks at what is asked for.
LOOK = 1


def is_long(order: OrderReport, pulls: list[RunReport]) -> bool:
    """Whether an order is to be expected to take long. pulls: the source's latest ones, newest first."""
    options = order.options
    return order.what == What.SYNC and options.scope is None and places.is_long(pulls, Mode.FULL if options.anew else Mode(options.mode))


def carry_out(store: Store, settings: Settings, number: int, name: str, context: Context, job: int | None = None) -> None:
    """Take an order and do it, if it still waits and its source is free. name: of this process; job: of the queue, where there is one.

    Raises StoreError when it can not be told what became of it, Outdated when a newer syncd has upgraded the store.
    """
    with store.write() as connection:
        order = orders.take(connection, number, name, job)
    if order is None:
        return
    try:
        report = run(store, _order(store, settings, order), context)
    except AlreadyRunning:
        log.info("waits, a run is going on", source=order.source)
        _give_back(store, name, number)
    except StoreError:
        raise
    except SyncdError as problem:
        # What it advises are commands, and who asked is at a console.
        refuse(store, order, problem.message)
    except Exception as problem:
        # Whatever is wrong with it, it must not be tried again and again.
        log.error("unforeseen fault", error=type(problem).__name__, exc_info=True)
        refuse(store, order, f"a fault in syncd: {type(problem).__name__}. Please report it.")
    else:
        if not runs.came_to_its_end(report):
            _give_back(store, name, number)
            return
        with store.write() as connection:
            orders.end(connection, number, run=report.run)


def _order(store: Store, settings: Settings, order: OrderReport) -> Order:
    """What is asked of the run. Raises ConfigError when the source is not configured (any more)."""
    # Whoever has just changed the source means it as it is now; the daemon itself takes it over with its next look.
    settings = kept.current(settings, store)
    source, asked = settings.source(order.source), order.options
    options: dict[str, Any] = {
        "by": Who(order.asked_by, Role.ADMIN, Via.CONSOLE),
        "asked": order.id,
        "dry_run": asked.dry_run,
        "today": settings.today(),
    }
    if asked.dry_run:
        options["on_plan"] = lambda connection: preview.keep(store, connection, order.source, order.id)
    if asked.run is not None:
        options["mode"] = runs.get(store, asked.run).mode
    match order.what:
        case What.SYNC:
            if asked.scope is not None:
                options["scope"] = asked.scope
            options |= {"trigger": Trigger.MANUAL, "mode": Mode.FULL if asked.anew else Mode(asked.mode), "anew": asked.anew}
        case What.APPROVE:
            options |= {"trigger": Trigger.APPROVE, "approves": asked.run, "same": asked.same}
        case What.UNDO:
            options |= {"trigger": Trigger.UNDO, "undoes": asked.run, "force": asked.force}
    return Order.of(source, **options)


def refuse(store: Store, order: OrderReport, error: str) -> None:
    """End an order without anything being done, for a reason."""
    log.warning("order refused", source=order.source, error=error)
    with store.write() as connection:
        orders.end(connection, order.id, error=error)


def _give_back(store: Store, name: str, number: int) -> None:
    with store.write() as connection:
        orders.give_back(connection, name, number=number)
