"""`syncd approve` and `syncd reject`: a person's answer to a run that holds something."""

from typing import Annotated, Any

import typer

from syncd.account import here
from syncd.cli.app import Json, app, console, notes, opened, print_json
from syncd.cli.show import run_summary
from syncd.cli.sync import EXIT, watched
from syncd.errors import ConfigError
from syncd.report import State, Trigger
from syncd.store import runs
from syncd.sync.run import reject as drop
from syncd.words import held_sentence

Run = Annotated[int, typer.Argument(help="The number of the run that holds something.")]


@app.command()
def approve(
    run: Run,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be applied, and apply nothing.")] = False,
    pair: Annotated[
        list[str] | None, typer.Option("--pair", metavar="OLD=NEW", help="These two held users are the same person. May be given often.")
    ] = None,
    json: Json = False,
) -> None:
    """Apply what a run held, as far as the roster still stands where it stood then."""
    same = _pairs(pair or [])
    configured, store = opened()
    held = runs.get(store, run)
    options: dict[str, Any] = {"approves": run, "trigger": Trigger.APPROVE, "mode": held.mode, "dry_run": dry_run, "same": same}
    report = watched(store, configured.source(held.source), quietly=json, **options)
    if json:
        print_json(report)
    else:
        console.print(run_summary(report))
    raise typer.Exit(EXIT.get(State(report.state), 0))


def _pairs(written: list[str]) -> dict[str, str]:
    """{old id: new id}. Raises ConfigError for what is no pair, and for an id that stands in two of them."""
    parted = [tuple(part.strip() for part in pair.split("=", 1)) for pair in written]
    if any(len(pair) != 2 or not all(pair) for pair in parted):
        raise ConfigError("--pair takes two user ids, the old one first: --pair OLD=NEW")
    same = dict(pair for pair in parted if len(pair) == 2)
    if len(set(same.values())) < len(written):
        raise ConfigError("--pair: an id stands in two pairs; nobody is the same as two others.")
    return same


@app.command()
def reject(run: Run, json: Json = False) -> None:
    """Drop what a run held. The next full pull looks again, and holds again what is still so."""
    _, store = opened()
    held = runs.get(store, run)
    drop(store, held.source, run, by=here())
    if json:
        print_json(runs.get(store, run))
        return
    for part in held.held:
        notes.print(f"Dropped: {held_sentence(part)}", markup=False, highlight=False, soft_wrap=True)
