"""Running totals over all runs that ended, for metrics: what a run adds to them, in the transaction that ends it.

They hold counts only, nothing of a person, and stay when a purge takes the old runs' lists and values.

    runs          mode trigger state    how runs ended (a hold that is answered later, or a run that is undone, does not count anew)
    seconds       mode below            pulls that ended well, by how long they took: the smallest of BELOW that is not less
    milliseconds  mode                  the same pulls' time in all
    changed       kind action           records that a run created, updated, reactivated or deactivated
    quarantined   kind                  records that a pull could not use
    requests      status                by the status of the answer, "none" where there was none
    retries, bytes                      (no label)
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, select

from syncd.report import Mode, RunReport, State, Trigger
from syncd.store.engine import Store
from syncd.store.tables import tallies
from syncd.store.upsert import insert

ACTIONS = ("created", "updated", "reactivated", "deactivated")
# Seconds: from a pull that finds nothing new to the first one of a very large district.
BELOW = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200)
LONGER = "+Inf"


class Tally(NamedTuple):
    """A running total of a source; label: the words that it is kept by, with a blank between them."""

    source: str
    name: str
    label: str
    value: int


def add(connection: Connection, report: RunReport) -> None:
    """Add a run that ends, in the transaction that ends it."""
    _add(connection, report.source, _of(report))


def add_interrupted(connection: Connection, source: str, dead: Iterable[tuple[str, str]]) -> None:
    """Add runs that ended with their process, of which nothing is known but mode and trigger."""
    _add(connection, source, Counter(("runs", f"{mode} {trigger} {State.FAILED.value}") for mode, trigger in dead))


def all_of(store: Store) -> list[Tally]:
    """All that there are, by source, name and label."""
    with store.read() as connection:
        rows = connection.execute(select(tallies).order_by(tallies.c.source, tallies.c.name, tallies.c.label)).all()
    return [Tally(row.source, row.name, row.label, row.value) for row in rows]


def _of(report: RunReport) -> dict[tuple[str, str], int]:
    found = {("runs", f"{report.mode} {report.trigger} {report.state}"): 1, ("retries", ""): report.retries, ("bytes", ""): report.bytes}
    found |= {("requests", status): count for status, count in report.answers.items()}
    if report.state not in (State.APPLIED, State.HELD):
        return found
    for kind, counts in report.counts.items():
        found |= {("changed", f"{kind} {action}"): getattr(counts, action) for action in ACTIONS}
        found[("quarantined", kind)] = counts.quarantined
    if report.finished_at is not None and report.trigger in (Trigger.SCHEDULE, Trigger.MANUAL):
        took = max((report.finished_at - report.started_at).total_seconds(), 0.0)
        below = next((str(bound) for bound in BELOW if took <= bound), LONGER)
        found |= {("seconds", f"{report.mode} {below}"): 1, ("milliseconds", Mode(report.mode).value): round(took * 1000)}
    return found


def _add(connection: Connection, source: str, more: Mapping[tuple[str, str], int]) -> None:
    rows = [{"source": source, "name": name, "label": label, "value": value} for (name, label), value in more.items() if value]
    if rows:
        new = insert(connection, tallies)
        summed = {"value": tallies.c.value + new.excluded.value}
        connection.execute(new.on_conflict_do_update(index_elements=list(tallies.primary_key), set_=summed), rows)
