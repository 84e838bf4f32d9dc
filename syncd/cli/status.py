"""`syncd status`: is every source in order, and when was it last?"""

from collections import Counter
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from syncd.cli.app import Json, app, console, opened, print_json
from syncd.cli.show import asked, state
from syncd.order import OrderReport, OrderState
from syncd.report import RunReport
from syncd.settings.file import Settings
from syncd.store import Store, due, members
from syncd.view import sources
from syncd.view.sources import SourceState
from syncd.words import ago, held_sentence

NOBODY = "no daemon is running: nobody pulls by the schedule, or does what is asked for in the console (start `syncd serve`)"


@app.command()
def status(json: Json = False) -> None:
    """Each source: its latest run, its last good sync, how many records it has, and what waits for a person."""
    configured, store = opened()
    found = sources.states(store, configured)
    together = _cluster(store, configured) if configured.cluster.enabled else None
    daemon = members.serving(store, configured.cluster.silence if together else None)
    if json:
        left_out = {name: list(map(str, problems)) for name, problems in configured.broken.items()}
        print_json({"sources": found, "left_out": left_out, "daemon": daemon} | ({"cluster": together} if together else {}))
        return
    for line in chain.from_iterable(map(configured.problems, configured.broken)):
        console.print(Text(f"left out: {line}", style="red"), soft_wrap=True)
    if not found:
        console.print(f"{configured.path} has no source yet. Add one with `syncd init`, in the file, or in the console.")
        return
    table = Table(box=None, padding=(0, 1, 0, 0))
    for column in ("source", "connector", "latest run", "last good", "schedule", "users", "sections"):
        table.add_column(column, overflow="fold", justify="right" if column in ("users", "sections") else "left")
    for row in found:
        table.add_row(
            row.source,
            row.connector,
            Text("none yet") if row.latest is None else _latest(row.latest),
            ago(row.last_good.finished_at if row.last_good else None),
            "off" if not row.enabled else "paused" if row.paused else row.schedule,
            f"{row.active['users']:,}",
            f"{row.active['sections']:,}",
        )
    console.print(table)
    for row in found:
        for note in _notes(row, configured.timezone):
            console.print(Text(f"{row.source}: {note}"), soft_wrap=True)
    for note in _of_the_queue(together) if together else () if daemon else (NOBODY,):
        console.print(Text(note), soft_wrap=True)


def _latest(run: RunReport) -> Text:
    told = Text.assemble(f"{run.run} ", state(run.state))
    return told if run.scope is None else told.append(f" ({asked(run)})")


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


def _notes(row: SourceState, timezone: str) -> list[str]:
    """What of a source a person should know, most urgent first."""
    notes = []
    if row.paused:
        since = row.paused.at.astimezone(ZoneInfo(timezone))
        notes.append(f"paused since {since:%Y-%m-%d %H:%M} by {row.paused.by}; to go on: syncd resume {row.source}")
    if row.latest is not None and row.latest.error:
        notes.append(row.latest.error)
    if row.left_alone_until:
        until = row.left_alone_until.astimezone(ZoneInfo(timezone))
        why = "its runs ended the whole process" if row.left_alone_for_crashes else f"its last {row.failures} runs failed"
        notes.append(f"{why}: left alone until {until:%Y-%m-%d %H:%M}, unless `syncd sync {row.source}`")
    notes += [f"not complete: {doubt}; nobody of it is taken for gone" for doubt in row.doubts]
    for held in row.waiting:
        told = "; ".join(map(held_sentence, held.held))
        notes.append(f"run {held.run} waits (syncd approve {held.run}, or syncd reject {held.run}): {told}")
    return notes + list(map(_of_an_order, row.orders))


def _of_an_order(order: OrderReport) -> str:
    run = order.options.run
    what = f"order {order.id}, to {order.what}{'' if run is None else f' run {run}'}, asked for by {order.asked_by} {ago(order.asked_at)}"
    return f"{what}, {'waits' if order.state == OrderState.WAITING else 'is being carried out'}"
