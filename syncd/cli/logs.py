"""`syncd logs`: a run's log lines, out of the store; with --follow, as they come."""

import time
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.text import Text

from syncd.cli.app import Json, app, console, print_json, store
from syncd.errors import StoreError
from syncd.report import State
from syncd.store import Store, runs
from syncd.store.runs import KeptLine

LEVELS = {"warning": "yellow", "error": "red", "critical": "red"}


@app.command()
def logs(
    run: Annotated[int | None, typer.Argument(help="The run's number; the latest if left out.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    json: Json = False,
) -> None:
    """The log of a run."""
    opened = store()
    number = run if run is not None else _latest(opened)
    report = runs.get(opened, number)
    lines = runs.log_lines(opened, number)
    if json and not follow:
        print_json({"run": number, "source": report.source, "lines": lines})
        return
    last = _print(lines)
    while follow and report.state == State.RUNNING:
        time.sleep(0.5)
        report = runs.get(opened, number)
        last = _print(runs.log_lines(opened, number, last)) or last


def _latest(opened: Store) -> int:
    found = runs.recent(opened, limit=1)
    if not found:
        raise StoreError("there is no run yet.", advice="Start one with `syncd sync SOURCE`.")
    return found[0].run


def _print(lines: Iterable[KeptLine]) -> int:
    """Print them; the number of the last, 0 when there are none."""
    last = 0
    for line in lines:
        rest = " ".join(f"{key}={value}" for key, value in line.fields.items())
        time_of_day = line.at.strftime("%Y-%m-%d %H:%M:%S")
        console.print(
            Text.assemble(f"{time_of_day} ", (f"{line.level:<8}", LEVELS.get(line.level, "dim")), f"{line.event}  ", (rest, "dim")),
            soft_wrap=True,
        )
        last = line.seq
    return last
