"""`syncd undo`: the roster as it was before a run."""

from typing import Annotated, Any

import typer

from syncd.cli.app import Json, app, console, opened, print_json
from syncd.cli.show import run_summary
from syncd.cli.sync import EXIT, watched
from syncd.report import State, Trigger
from syncd.store import runs


@app.command()
def undo(
    run: Annotated[int, typer.Argument(help="The number of the run to take back.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also where later runs changed the same records.")] = False,
    json: Json = False,
) -> None:
    """Bring the roster back to what it was before a run. What the source asks for again afterwards waits for a person."""
    configured, store = opened()
    report = runs.get(store, run)
    options: dict[str, Any] = {"undoes": run, "trigger": Trigger.UNDO, "mode": report.mode, "dry_run": dry_run, "force": force}
    done = watched(store, configured.source(report.source), quietly=json, **options)
    if json:
        print_json(done)
    else:
        console.print(run_summary(done))
    raise typer.Exit(EXIT.get(State(done.state), 0))
