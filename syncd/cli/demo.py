"""`syncd demo`: the main job, seen from beginning to end, with a pretend district and the real daemon."""

import os
import signal
import subprocess  # nosec B404  # runs nothing but this very program
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table

from syncd.cli.app import app, console
from syncd.cli.show import changes_table, counts_table, state
from syncd.errors import SyncdError
from syncd.report import RunReport, State
from syncd.sandbox import District, running
from syncd.settings.file import load
from syncd.store import Store, open_store, runs

PATIENCE = 120  # seconds to wait for the daemon at each step
DAYS = 2

CONFIG = """# Written by `syncd demo`: three sources, all of them the same pretend district.
[store]
url = "sqlite:///roster.db"

[sources.springfield]
connector = "clever"
url       = "{clever}"
token     = {{ file = "{secrets}/token" }}
schedule  = "every 4 seconds"

[sources.shelbyville]
connector     = "oneroster"
url           = "{one}"
version       = "1.1"
auth          = "oauth1"
client_id     = {{ file = "{secrets}/id" }}
client_secret = {{ file = "{secrets}/secret" }}
schedule      = "every 4 seconds"

[sources.ogdenville]
connector     = "oneroster"
url           = "{two}"
version       = "1.2"
token_url     = "{token_url}"
client_id     = {{ file = "{secrets}/id" }}
client_secret = {{ file = "{secrets}/secret" }}
schedule      = "every 4 seconds"
"""


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Where the demo keeps its configuration and store.")] = Path("demo"),
    students: Annotated[int, typer.Option(min=20, help="The size of the pretend district.")] = 1500,
) -> None:
    """Sync a pretend district with the daemon, live two school days, and show what changed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in folder.glob("roster.db*"):
        old.unlink()
    console.rule("A pretend district")
    with running(District.generate(students=students, seed=2026)) as sandbox:
        config = _configure(folder, sandbox)
        console.print(f"{students:,} students, served as Clever 3.1, OneRoster 1.1 and OneRoster 1.2 at {sandbox.url}")
        store = open_store(load(config).store_url)
        with (folder / "serve.log").open("w", encoding="utf-8") as log:
            daemon = subprocess.Popen(  # noqa: S603  # nosec B603  # this very program, no shell
                [sys.executable, "-m", "syncd", "--config", str(config), "serve"], stderr=log, stdout=log
            )
        try:
            console.rule("The daemon's first full sync")
            _first_sync(store, daemon)
            shown = {report.run for report in runs.recent(store)}
            for day in range(1, DAYS + 1):
                console.rule(f"School day {day}")
                _live_a_day(store, daemon, sandbox, shown)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(PATIENCE)
    _farewell(store, config)


def _configure(folder: Path, sandbox: Any) -> Path:
    secrets = (folder / "secrets").resolve()
    secrets.mkdir(mode=0o700, exist_ok=True)
    for name, value in (("token", sandbox.token), ("id", sandbox.client_id), ("secret", sandbox.client_secret)):
        with os.fdopen(os.open(secrets / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(value)
    config = folder / "syncd.toml"
    config.write_text(
        CONFIG.format(
            clever=sandbox.clever_url,
            one=sandbox.oneroster_11_url,
            two=sandbox.oneroster_12_url,
            token_url=sandbox.token_url,
            secrets=secrets,
        ),
        encoding="utf-8",
    )
    return config


def _wait(daemon: "subprocess.Popen[bytes]", done: Callable[[], bool]) -> None:
    """Wait until `done`. Raises SyncdError when the daemon ends or nothing happens for PATIENCE seconds."""
    until = time.monotonic() + PATIENCE
    while not done():
        if daemon.poll() is not None:
            raise SyncdError("the daemon ended by itself.", advice="See serve.log in the demo's folder.")
        if time.monotonic() > until:
            raise SyncdError("the daemon did not finish in time.", advice="See serve.log in the demo's folder.")
        time.sleep(0.2)


def _finished_since(store: Store, first: int) -> dict[str, RunReport]:
    """The latest finished run of each source with a number from `first` on; a failed one ends the demo."""
    found: dict[str, RunReport] = {}
    for report in runs.recent(store, limit=60):
        if report.run >= first and report.state != State.RUNNING:
            if report.state == State.FAILED:
                raise SyncdError(f"{report.source}: run {report.run} failed: {report.error}")
            found.setdefault(report.source, report)
    return found


def _first_sync(store: Store, daemon: "subprocess.Popen[bytes]") -> None:
    def picture() -> Table:
        table = Table(box=None, padding=(0, 2))
        for report in sorted(runs.recent(store), key=lambda report: report.run)[:3]:
            progress = runs.progress(store, report.run) or {}
            where = f"{progress.get('step', '')} {progress.get('resource') or ''}"
            count = f"{progress['documents']:,}" if progress.get("documents") else ""
            table.add_row(report.source, state(report.state), where, count)
        return table

    with Live(picture(), console=console, refresh_per_second=5) as live:

        def done() -> bool:
            live.update(picture())
            return len(_finished_since(store, 1)) == 3

        _wait(daemon, done)
    for report in sorted(runs.recent(store), key=lambda report: report.run)[:3]:
        console.print(f"\n[bold]{report.source}[/bold] (run {report.run}, {report.requests} requests)")
        console.print(counts_table(report))


def _live_a_day(store: Store, daemon: "subprocess.Popen[bytes]", sandbox: Any, shown: set[int]) -> None:
    sandbox.day(1)
    # A run that was under way when the day passed may have seen half of it: what counts are the runs that start after it.
    before = runs.recent(store, limit=1)[0].run
    _wait(daemon, lambda: len(_finished_since(store, before + 1)) == 3)
    for source in ("springfield", "shelbyville", "ogdenville"):
        report = next((one for one in runs.recent(store, source) if one.changed), None)
        if report is None or report.run in shown:
            continue
        shown.add(report.run)
        console.print(f"\n[bold]{source}[/bold] (run {report.run}): {report.changed} changes")
        console.print(counts_table(report))
        console.print(changes_table(list(runs.changes_of(store, report.run, kind="user", limit=5))))


def _farewell(store: Store, config: Path) -> None:
    console.rule("Look further")
    with_changes = [report.run for report in runs.recent(store, limit=60) if report.changed]
    program = Path(sys.argv[0]) if Path(sys.argv[0]).name == "syncd" else Path("syncd")
    try:
        program = program.resolve().relative_to(Path.cwd())
    except ValueError:
        program = Path("syncd")
    for command in (
        "status",
        f"runs show {with_changes[0] if with_changes else 1}",
        "roster users --source springfield --limit 10",
        "logs 1",
    ):
        console.print(f"  {program} --config {config} {command}", markup=False, highlight=False, soft_wrap=True)
