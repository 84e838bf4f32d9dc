"""`syncd quarantine`: what a source sends that can not be used."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from syncd.cli.app import Json, app, console, print_json, settings
from syncd.store import open_store, runs

REASONS = {
    "not-json": "is not readable JSON",
    "not-an-object": "is not a record",
    "no-id": "has no id",
    "missing": "lacks what it needs",
    "not-a-date": "is not a date",
    "two-versions": "came in two versions, and nobody can tell which is right",
}


@app.command()
def quarantine(
    source: Annotated[str, typer.Argument(help="The source's name.")],
    run: Annotated[int | None, typer.Option(help="As of this run; the latest if left out.")] = None,
    json: Json = False,
) -> None:
    """What the source sent that could not be used, with the reason."""
    configured = settings()
    configured.source(source)
    found = runs.quarantined(open_store(configured.store_url), source, run)
    if json:
        print_json({"quarantine": found})
        return
    if not found:
        console.print("Nothing: all that came could be used.")
        return
    table = Table(box=None, padding=(0, 2))
    for name in ("list", "id", "field", "what is wrong", "the record"):
        table.add_column(name, overflow="fold")
    for row in found:
        told = "is used without the field" if row["used"] else "is left as it was"
        rule = REASONS.get(row["rule"], row["rule"])
        table.add_row(row["resource"], Text(row["document_id"] or "none"), row["field"] or "", rule, told)
    console.print(table)
