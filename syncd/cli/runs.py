"""`syncd runs` and `syncd runs show RUN`."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import typer
from rich.table import Table

from syncd.cli.app import Json, app, console, print_json, store
from syncd.cli.show import changes_table, held_table, in_pieces, run_summary, runs_table
from syncd.roster.kinds import PLURAL
from syncd.store import runs as kept

SAMPLE = 20

group = typer.Typer(help="The runs of all sources, newest first.", invoke_without_command=True)
app.add_typer(group, name="runs")


@group.callback()
def runs(
    context: typer.Context,
    source: Annotated[str | None, typer.Option(help="Only this source's.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    json: Json = False,
) -> None:
    """The runs, newest first."""
    if context.invoked_subcommand:
        return
    found = kept.recent(store(), source, limit)
    if json:
        print_json({"runs": found})
    elif found:
        console.print(runs_table(found))
    else:
        console.print("No run yet. Start one with `syncd sync SOURCE`.")


@group.command()
def show(
    run: Annotated[int, typer.Argument(help="The run's number.")],
    changes: Annotated[bool, typer.Option("--changes", help="All changes, not only the first.")] = False,
    json: Json = False,
) -> None:
    """One run: its report, what it changed, and what of it waits for a person."""
    opened = store()
    report = kept.get(opened, run)
    limit = None if changes else SAMPLE + 1
    applied, held = kept.changes_of(opened, run, limit=limit), kept.held_changes_of(opened, run, limit)
    shown = None if changes else SAMPLE
    if json:
        told = (
            {"kind": PLURAL[change.kind], "id": change.record_id, "action": change.action, "fields": change.fields}
            for change in islice(applied, shown)
        )
        waiting = ({**change, "kind": PLURAL[change["kind"]]} for change in islice(held, shown))
        print_json({**report.model_dump(mode="json"), "changes": told, "held_changes": waiting})
        return
    console.print(run_summary(report, whose=True))
    _print("\nHeld, for a person to approve or reject:", in_pieces(islice(held, shown), held_table))
    _print("\nApplied:", in_pieces(islice(applied, shown), changes_table))
    if not changes and (any(held) or any(applied)):
        console.print(f"… and more: syncd runs show {run} --changes")


def _print(head: str, tables: Iterator[Table]) -> None:
    for number, table in enumerate(tables):
        if not number:
            console.print(head)
        console.print(table)
