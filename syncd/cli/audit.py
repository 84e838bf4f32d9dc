"""`syncd audit`: who did what."""

from collections.abc import Iterable
from itertools import islice
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from syncd.account import Entry
from syncd.cli.app import Json, app, console, print_each, print_json, store
from syncd.cli.show import in_pieces
from syncd.observe.logs import escaped
from syncd.store import audit as kept

SHOWN = 50


@app.command()
def audit(
    account: Annotated[str | None, typer.Option(help="Only what this account did.")] = None,
    source: Annotated[str | None, typer.Option(help="Only what was done to this source.")] = None,
    after: Annotated[int | None, typer.Option(min=0, metavar="ID", help="Only what came after this entry, the oldest first.")] = None,
    before: Annotated[int | None, typer.Option(min=0, metavar="ID", help="Only what came before this entry.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    json: Json = False,
) -> None:
    """Who did what, by which way, and when; the latest first."""
    wanted: dict[str, Any] = {"after": after, "before": before, "account": account, "source": source}
    opened = store(create=True)
    if json:
        print_json({"entries": kept.listed(opened, limit=limit, **wanted)})
        return
    shown = limit or SHOWN
    found = kept.listed(opened, limit=shown + 1, **wanted)
    if not print_each(in_pieces(islice(found, shown), _table)):
        console.print("Nothing was done yet." if not any(wanted.values()) else "Nothing.")
    elif next(found, None):
        console.print(f"… and more: --limit shows more than {shown}, --json all of them.")


def _table(entries: Iterable[Entry]) -> Table:
    table = Table(box=None, padding=(0, 2))
    for column in ("entry", "when", "account", "via", "what", "source", "subject", ""):
        table.add_column(column, overflow="fold", justify="right" if column == "entry" else "left")
    for entry in entries:
        ids = (Text(entry.source or ""), Text(escaped(entry.subject or "")), Text(escaped(_details(entry))))
        when = entry.at.strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(str(entry.id), when, Text(entry.account), entry.via, entry.action, *ids)
    return table


def _details(entry: Entry) -> str:
    return ", ".join(name.replace("_", " ") if value is True else f"{name} {value}" for name, value in entry.details.items())
