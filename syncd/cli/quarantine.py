"""`syncd quarantine`: what a source sends that can not be used."""

import sys
from collections.abc import Iterable
from csv import writer as csv_writer
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from syncd.cli.app import Json, app, console, opened, print_each, print_json
from syncd.cli.show import in_pieces
from syncd.errors import ConfigError
from syncd.export import lists
from syncd.observe.logs import escaped
from syncd.store import runs
from syncd.words import REASONS

WAITS = "waits until the missing one comes"


@app.command()
def quarantine(
    source: Annotated[str, typer.Argument(help="The source's name.")],
    run: Annotated[int | None, typer.Option(help="Of this run; of the latest full pull if left out.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV, to send to the vendor of the SIS.")] = False,
    json: Json = False,
) -> None:
    """What the source sent that could not be used, with the reason."""
    configured, store = opened()
    configured.source(source)
    if run is not None and (of := runs.get(store, run).source) != source:
        raise ConfigError(f"--run: run {run} is of {of}, not of {source}.")
    found = runs.quarantined(store, source, run)
    if json:
        print_json({"quarantine": found})
        return
    if csv:
        _write_csv(found)
        return
    if not print_each(in_pieces(found, _table)):
        console.print("Nothing: all that came could be used.")


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2))
    for name in ("list", "id", "field", "what is wrong", "the record"):
        table.add_column(name, overflow="fold")
    for row in found:
        told = "is used all the same" if row["used"] else "is left as it was"
        told = WAITS if row["rule"] == "no-such-record" and not row["used"] else told
        rule = REASONS.get(row["rule"], row["rule"])
        table.add_row(row["resource"], Text(escaped(row["document_id"] or "none")), Text(escaped(row["field"] or "")), rule, told)
    return table


def _write_csv(found: Iterable[dict[str, Any]]) -> None:
    writer = csv_writer(sys.stdout)
    writer.writerow(["list", "id", "field", "rule", "what is wrong"])
    for row in found:
        cells = (row["resource"], row["document_id"], row["field"], row["rule"], REASONS.get(row["rule"], row["rule"]))
        writer.writerow(map(lists.shown, cells))
