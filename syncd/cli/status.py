"""`syncd status`: is every source in order, and when was it last?"""

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from syncd.cli.app import Json, app, console, print_json, settings
from syncd.cli.show import ago, asked, held_sentence, state
from syncd.daemon.breaker import TRIES, suspicion
from syncd.report import RunReport
from syncd.settings.file import Settings
from syncd.store import Store, due, members, open_store, roster, runs


@app.command()
def status(json: Json = False) -> None:
    """Each source: its latest run, its last good sync, how many records it has, and what waits for a person."""
    configured = settings()
    store = open_store(configured.store_url)
    found: list[dict[str, Any]] = []
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
                "latest": latest,
                "last_good": runs.last_good(store, name),
                "waiting": runs.waiting_for_a_person(store, name),
                "doubts": whole.doubts if whole else [],
                "progress": runs.progress(store, latest.run) if latest and latest.state == "running" else None,
                "active": roster.active_counts(store, name),
                "failures": seen.failures,
                "crashes": seen.crashes,
                "left_alone_until": seen.until,
            }
        )
    together = _cluster(store, configured) if configured.cluster.enabled else None
    if json:
        print_json({"sources": found} | ({"cluster": together} if together else {}))
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
            Text("none yet") if latest is None else _latest(latest),
            ago(good.finished_at if good else None),
            row["schedule"] if row["enabled"] else "off",
            f"{active['users']:,}",
            f"{active['sections']:,}",
        )
    console.print(table)
    for row in found:
        for note in _notes(row, configured.timezone):
            console.print(Text(f"{row['source']}: {note}"), soft_wrap=True)
    for note in _of_the_queue(together) if together else ():
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


def _notes(row: dict[str, Any], timezone: str) -> list[str]:
    """What of a source a person should know, most urgent first."""
    notes = []
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
    return notes
