"""`syncd sync`: one run by hand, whether or not the daemon is running."""

import signal
import threading
from contextlib import nullcontext
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from syncd import signals
from syncd.account import here
from syncd.cli.app import Json, app, console, notes, opened, print_json
from syncd.cli.show import run_summary
from syncd.contract.connector import Context, Pace
from syncd.daemon.pace import SharedPace
from syncd.errors import AlreadyRunning, ConfigError
from syncd.report import Mode, RunReport, State
from syncd.roster.scope import Scope
from syncd.settings.source import Source
from syncd.store import Store
from syncd.sync.run import Order, Step, run

EXIT = {State.FAILED: 1, State.HELD: 3}


@app.command()
def sync(
    source: Annotated[str, typer.Argument(help="The source's name.")],
    full: Annotated[bool, typer.Option("--full", help="Pull everything, also where the source can tell what changed.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Pull everything, and read also what is known from the last full pull.")] = False,
    school: Annotated[str | None, typer.Option(metavar="ID", help="Only this school, by the source's id.")] = None,
    user: Annotated[str | None, typer.Option(metavar="ID", help="Only this user, by the source's id, with the user's enrollments.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="If a run is going on, wait for it to end.")] = False,
    json: Json = False,
) -> None:
    """Sync one source now, or one school or user of it."""
    scope = _scope(school, user, whole=full or anew)
    configured, store = opened(secrets=(source,))
    wanted = configured.source(source)
    mode = Mode.FULL if full or anew else Mode.INCREMENTAL
    pace = SharedPace(store) if configured.cluster.enabled else Pace()
    options: dict[str, Any] = {"mode": mode, "anew": anew, "scope": scope, "dry_run": dry_run, "today": configured.today()}
    report = watched(store, wanted, pace, wait=wait, quietly=json, **options)
    if json:
        print_json(report)
    else:
        console.print(run_summary(report))
    raise typer.Exit(EXIT.get(State(report.state), 0))


def _scope(school: str | None, user: str | None, *, whole: bool) -> Scope | None:
    """What is asked for by itself. Raises ConfigError when that is not one thing."""
    if school is not None and user is not None:
        raise ConfigError("--school and --user do not go together: sync one after the other.")
    if whole and (school is not None or user is not None):
        raise ConfigError("--full and --anew are about the whole source: leave them out with --school and --user.")
    given = school if school is not None else user
    if given is not None and not given.strip():
        raise ConfigError("--school and --user take an id of the source.")
    return None if given is None else Scope("user" if school is None else "school", given.strip())


def watched(
    store: Store, source: Source, pace: Pace | None = None, *, wait: bool = False, quietly: bool = False, **options: Any
) -> RunReport:
    """One run, with progress bars on a terminal; Ctrl-C and SIGTERM stop it cleanly."""
    stop = threading.Event()
    bar = _bar() if notes.is_terminal and not quietly else None
    with signals.on({signal.SIGTERM: stop.set, signal.SIGINT: stop.set}), bar or nullcontext():
        if bar is not None:
            options["on_step"] = _shown_on(bar)
        return _run(store, Order.of(source, by=here(), **options), Context(source.name, stop=stop, pace=pace or Pace()), wait)


def _run(store: Store, order: Order, context: Context, wait: bool) -> RunReport:
    told = False
    while True:
        try:
            return run(store, order, context)
        except AlreadyRunning as busy:
            if not wait:
                raise
            if not told:
                notes.print(f"{busy.message} Waiting for it to end.", markup=False, highlight=False, soft_wrap=True)
                told = True
            context.wait(0.5)


def _bar() -> Progress:
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=notes, transient=True)


def _shown_on(bar: Progress) -> Any:
    tasks: dict[str, Any] = {}

    def show(step: Step) -> None:
        name = f"{step.name} {step.resource or ''}".strip()
        if name not in tasks:
            for other in tasks.values():
                total = bar.tasks[other].total or bar.tasks[other].completed or 1
                bar.update(other, total=total, completed=total)
            tasks[name] = bar.add_task(name, total=step.total)
        bar.update(tasks[name], completed=step.documents, total=step.total)

    return show
