"""`syncd runs` and `syncd runs show RUN`."""

from typing import Annotated

import typer

from syncd.cli.app import Json, app, console, print_json, store
from syncd.cli.show import changes_table, held_table, run_summary, runs_table
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
    found = list(kept.changes_of(opened, run, limit=limit))
    held = kept.held_changes_of(opened, run, limit)
    if json:
        shown = [
            {"kind": PLURAL[change.kind], "id": change.record_id, "action": change.action, "fields": change.fields}
            for change in (found if changes else found[:SAMPLE])
        ]
        waiting = [{**change, "kind": PLURAL[change["kind"]]} for change in (held if changes else held[:SAMPLE])]
        print_json({**report.model_dump(mode="json"), "changes": shown, "held_changes": waiting})
        return
    console.print(run_summary(report))
    if held:
        console.print("\nHeld, for a person to approve or reject:")
        console.print(held_table(held if changes else held[:SAMPLE]))
    if found:
        console.print("\nApplied:")
        console.print(changes_table(found if changes else found[:SAMPLE]))
    if not changes and max(len(held), len(found)) > SAMPLE:
        console.print(f"… and more: syncd runs show {run} --changes")
