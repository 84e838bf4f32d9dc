"""`syncd status`: is every source in order, and when was it last?"""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from syncd.cli.app import Json, app, console, print_json, settings
from syncd.cli.show import ago, held_sentence, state
from syncd.daemon.breaker import left_alone_until
from syncd.store import open_store, roster, runs


@app.command()
def status(json: Json = False) -> None:
    """Each source: its latest run, its last good sync, and how many records it has."""
    configured = settings()
    store = open_store(configured.store_url)
    found: list[dict[str, Any]] = []
    for name, source in configured.sources.items():
        latest = next(iter(runs.recent(store, name, 1)), None)
        found.append(
            {
                "source": name,
                "connector": source.common.connector,
                "enabled": source.common.enabled,
                "schedule": source.common.schedule.text,
                "full": source.common.full.text if source.common.full else None,
                "latest": latest,
                "last_good": runs.last_good(store, name),
                "progress": runs.progress(store, latest.run) if latest and latest.state == "running" else None,
                "active": roster.active_counts(store, name),
                "left_alone_until": left_alone_until(store, name, datetime.now(UTC)),
            }
        )
    if json:
        print_json({"sources": found})
        return
    if not found:
        console.print(f"{configured.path} has no source yet. Add one with `syncd init` or in the file.")
        return
    table = Table(box=None, padding=(0, 2))
    for column in ("source", "connector", "latest run", "last good sync", "schedule", "users", "sections", "note"):
        table.add_column(column, overflow="fold", justify="right" if column in ("users", "sections") else "left")
    for row in found:
        latest, good, active = row["latest"], row["last_good"], row["active"]
        note = "" if latest is None else latest.error or "; ".join(map(held_sentence, latest.held))
        if row["left_alone_until"]:
            until = row["left_alone_until"].astimezone(ZoneInfo(configured.timezone))
            note = f"its runs ended the whole process: left alone until {until:%Y-%m-%d %H:%M}, unless `syncd sync {row['source']}`"
        table.add_row(
            row["source"],
            row["connector"],
            Text("none yet") if latest is None else Text.assemble(f"{latest.run} ", state(latest.state)),
            ago(good.finished_at if good else None),
            row["schedule"] if row["enabled"] else "off",
            f"{active['users']:,}",
            f"{active['sections']:,}",
            Text(note),
        )
    console.print(table)
