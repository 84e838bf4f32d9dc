"""`syncd status`: is every source in order, and when was it last?"""

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from syncd.cli.app import Json, app, console, print_json, settings
from syncd.cli.show import state
from syncd.daemon.breaker import TRIES, suspicion
from syncd.order import OrderReport, OrderState
from syncd.settings.file import Settings
from syncd.store import Store, due, members, open_store, orders, pause, roster, runs
from syncd.words import ago, held_sentence

NOBODY = "no daemon is running: nobody pulls by the schedule, or does what is asked for in the console (start `syncd serve`)"


@app.command()
def status(json: Json = False) -> None:
    """Each source: its latest run, its last good sync, how many records it has, and what waits for a person."""
    configured = settings()
    store = open_store(configured.store_url)
    found: list[dict[str, Any]] = []
    next_times = due.next_times(store)
    with store.read() as connection:
        paused = pause.paused(connection)
    for name, source in configured.sources.items():
        latest, whole = runs.latest(store, name), runs.last_whole(store, name)
        seen = suspicion(runs.latest_pulls(store, name), datetime.now(UTC))
        found.append(
            {
                "source": name,
                "connector": source.common.connector,
                "enabled": source.common.enabled,
                "schedule": source.common.schedule.text,
                "full": source.common.full.text if source.common.full else None,
                "paused": paused[name]._asdict() if name in paused else None,
                "next": _next(next_times[name]) if name in next_times and source.common.enabled and name not in paused else None,
                "latest": latest,
                "last_good": runs.last_good(store, name),
                "waiting": runs.waiting_for_a_person(store, name),
                "doubts": whole.doubts if whole else [],
                "progress": runs.progress(store, latest.run) if latest and latest.state == "running" else None,
                "active": roster.active_counts(store, name),
                "failures": seen.failures,
                "crashes": seen.crashes,
                "left_alone_until": seen.until,
                "orders": orders.waiting(store, name),
            }
        )
    together = _cluster(store, configured) if configured.cluster.enabled else None
    daemon = members.serving(store, configured.cluster.silence if together else None)
    if json:
        print_json({"sources": found, "daemon": daemon} | ({"cluster": together} if together else {}))
        return
    if not found:
        console.print(f"{configured.path} has no source yet. Add one with `syncd init` or in the file.")
        return
    table = Table(box=None, padding=(0, 1, 0, 0))
    for column in ("source", "connector", "latest run", "last good", "schedule", "users", "sections"):
        table.add_column(column, overflow="fold", justify="right" if column in ("users", "sections") else "left")
    for row in found:
        latest, good, active = row["latest"], row["last_good"], row["active"]
        table.add_row(
            row["source"],
            row["connector"],
            Text("none yet") if latest is None else Text.assemble(f"{latest.run} ", state(latest.state)),
            ago(good.finished_at if good else None),
            "off" if not row["enabled"] else "paused" if row["paused"] else row["schedule"],
            f"{active['users']:,}",
            f"{active['sections']:,}",
        )
    console.print(table)
    for row in found:
        for note in _notes(row, configured.timezone):
            console.print(Text(f"{row['source']}: {note}"), soft_wrap=True)
    for note in _of_the_queue(together) if together else () if daemon else (NOBODY,):
        console.print(Text(note), soft_wrap=True)


def _next(times: tuple[datetime, datetime | None]) -> dict[str, datetime | None]:
    return dict(zip(("pull_at", "full_at"), times, strict=True))


def _cluster(store: Store, configured: Settings) -> dict[str, Any]:
    """What waits for a worker, and who takes part."""
    enabled = [name for name, source in configured.sources.items() if source.common.enabled]
    return due.waiting(store, enabled)._asdict() | {"members": [member._asdict() for member in members.alive(store)]}


def _of_the_queue(found: dict[str, Any]) -> list[str]:
    """How the queue stands, and who is missing."""
    count = Counter(member["role"] for member in found["members"])
    oldest = f", the oldest for {found['oldest']:,.0f} seconds" if found["waiting"] else ""
    notes = [f"queue: {found['waiting']} wait{oldest}; {found['running']} are being pulled by {count[members.WORKER]} workers"]
    if not count[members.WORKER]:
        notes.append("no worker is there to pull them: start `syncd worker`")
    if not count[members.SERVE]:
        notes.append("nobody looks for what is due: start `syncd serve`")
    return notes


def _notes(row: dict[str, Any], timezone: str) -> list[str]:
    """What of a source a person should know, most urgent first."""
    notes = []
    if row["paused"]:
        since = row["paused"]["at"].astimezone(ZoneInfo(timezone))
        notes.append(f"paused since {since:%Y-%m-%d %H:%M} by {row['paused']['by']}; to go on: syncd resume {row['source']}")
    if row["latest"] is not None and row["latest"].error:
        notes.append(row["latest"].error)
    if row["left_alone_until"]:
        until = row["left_alone_until"].astimezone(ZoneInfo(timezone))
        why = "its runs ended the whole process" if row["crashes"] >= TRIES else f"its last {row['failures']} runs failed"
        notes.append(f"{why}: left alone until {until:%Y-%m-%d %H:%M}, unless `syncd sync {row['source']}`")
    notes += [f"not complete: {doubt}; nobody of it is taken for gone" for doubt in row["doubts"]]
    for held in row["waiting"]:
        told = "; ".join(map(held_sentence, held.held))
        notes.append(f"run {held.run} waits (syncd approve {held.run}, or syncd reject {held.run}): {told}")
    return notes + list(map(_of_an_order, row["orders"]))


def _of_an_order(order: OrderReport) -> str:
    run = order.options.run
    what = f"order {order.id}, to {order.what}{'' if run is None else f' run {run}'}, asked for by {order.asked_by} {ago(order.asked_at)}"
    return f"{what}, {'waits' if order.state == OrderState.WAITING else 'is being carried out'}"
