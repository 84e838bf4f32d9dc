"""One run of syncd, as the daemon does it: the real connector over real sockets, the real store, the guard's own limits."""

import os
import time
from pathlib import Path
from typing import Any

from sqlalchemy import func, or_, select

from bench.child import answer, orders, timed
from syncd.contract.connector import Context
from syncd.observe import logs
from syncd.report import RunReport
from syncd.settings import source
from syncd.store import Store, open_store
from syncd.store.tables import ROSTER, changes
from syncd.sync.run import Order, Step, run

NAME = "springfield"


class Steps:
    """When each step of a run began, as the run tells it; made when the run begins."""

    def __init__(self) -> None:
        self._began = {"fetching": time.perf_counter()}

    def __call__(self, step: Step) -> None:
        self._began.setdefault(step.name, time.perf_counter())

    def seconds(self) -> dict[str, float]:
        """How long each was, up to now."""
        ends = [*list(self._began.values())[1:], time.perf_counter()]
        return {name: end - began for (name, began), end in zip(self._began.items(), ends, strict=True)}


def over_rest(url: str) -> dict[str, Any]:
    """A source that is asked there."""
    os.environ["BENCH_TOKEN"] = "none"
    return {"connector": "oneroster", "url": url, "version": "1.1", "auth": "bearer", "token": {"env": "BENCH_TOKEN"}}


def pull(table: dict[str, Any], store_url: str, mode: str) -> dict[str, Any]:
    """Do one run of a source; its report, what it cost, and how much it says that it wrote. Opening the store is not part of the run."""
    store = open_store(store_url)
    settings = source.parse(NAME, table)

    def work() -> tuple[RunReport, dict[str, float]]:
        steps = Steps()
        return run(store, Order.of(settings, mode=mode, on_step=steps), Context(NAME)), steps.seconds()

    (report, steps), cost = timed(work)
    found = report.model_dump(mode="json") | cost | {"steps": steps, "touched": touched(store, report.run)}
    store.close()
    return found


def touched(store: Store, number: int) -> int:
    """How many records say that the run wrote them, and how many changes it logged."""
    with store.read() as connection:
        logged = select(func.count()).select_from(changes).where(changes.c.run == number)
        written = [
            select(func.count()).select_from(table).where(or_(table.c.changed_run == number, table.c.created_run == number))
            for table in ROSTER.values()
        ]
        return sum(connection.execute(query).scalar_one() for query in (logged, *written))


def main() -> None:
    asked = orders()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        logs.configure(json=True, level="info", strict=True, stream=nowhere)
        answer(**pull(asked.get("table") or over_rest(asked["url"]), asked["store"], asked["mode"]))


if __name__ == "__main__":
    main()
