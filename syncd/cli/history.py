"""`syncd history`: all that ever happened to one record."""

from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from syncd.cli.app import Json, app, console, notes, print_json, store
from syncd.errors import StoreError
from syncd.observe.logs import escaped
from syncd.store import links, roster, runs
from syncd.words import because, link_reason


class Kind(StrEnum):
    ORG = "org"
    TERM = "term"
    COURSE = "course"
    SECTION = "section"
    USER = "user"
    ENROLLMENT = "enrollment"


@app.command()
def history(
    kind: Annotated[Kind, typer.Argument(help="What the record is.")],
    record_id: Annotated[str, typer.Argument(metavar="ID", help="The record's id.")],
    source: Annotated[str | None, typer.Option(help="Only this source's.")] = None,
    json: Json = False,
) -> None:
    """Show a record's changes over all runs, oldest first, and what waits for a person."""
    opened = store()
    records = roster.record(opened, kind, record_id, source)
    if not records and (now := runs.now_called(opened, kind, record_id, source)):
        notes.print(f"{kind} {record_id} has the id {now} now.", markup=False, highlight=False, soft_wrap=True)
        record_id, records = now, roster.record(opened, kind, now, source)
    if not records:
        raise StoreError(f"there is no {kind} {record_id}.", advice=f"`syncd roster {kind}s --search` finds ids.")
    changes = runs.history(opened, kind, record_id, source)
    held = runs.held_of(opened, kind, record_id, source)
    linked = [link for record in records if kind == Kind.USER for link in links.of_user(opened, record["source"], record["id"])]
    if json:
        print_json({"records": records, "changes": changes, "held_changes": held, "links": linked})
        return
    for record in records:
        purged = f", its data purged on {record['purged_at']:%Y-%m-%d}" if "purged_at" in record else ""
        console.print(Text(f"{kind} {escaped(record_id)} of {record['source']}: {record['status']}{purged}"))
        for change in changes:
            if change.source != record["source"]:
                continue
            at = change.at.strftime("%Y-%m-%d %H:%M") if change.at else ""
            console.print(Text(f"  {at}  run {change.run}  {change.action}"))
            for name, values in change.fields.items():
                told = "purged" if values is None else " → ".join(map(_plain, values))
                console.print(Text(escaped(f"      {name}: {told}")))
        for waiting in held:
            if waiting["source"] == record["source"]:
                console.print(
                    Text(f"  run {waiting['run']} would {waiting['action']} it and waits for a person: {because(waiting['rule'])}")
                )
        for link in linked:
            if link["source"] == record["source"]:
                console.print(Text(f"  {link['state']}: {escaped(link['other_id'])} of {link['other_source']} by {link_reason(link)}"))


def _plain(value: Any) -> str:
    return "nothing" if value in (None, [], {}) else str(value)
