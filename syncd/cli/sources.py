"""`syncd sources`: which there are, and where each is set up: in the configuration file, or in the console."""

from datetime import UTC, datetime
from typing import Annotated, Any

import tomli_w
import typer
from rich.table import Table
from rich.text import Text

from syncd.account import of_system
from syncd.cli.app import Json, app, console, opened, print_json, store
from syncd.errors import ConfigError
from syncd.settings import form, kept
from syncd.settings.file import Settings
from syncd.store import Store

group = typer.Typer(help="The sources, and where each is set up.", invoke_without_command=True)
app.add_typer(group, name="sources")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A source that was set up in the console.")]


@group.callback()
def sources(context: typer.Context, json: Json = False) -> None:
    """List the sources: connector, where it is set up, whether the daemon pulls it."""
    if context.invoked_subcommand:
        return
    configured, opened_store = opened()
    found = _listed(configured, opened_store)
    if json:
        print_json({"sources": found})
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("source", "connector", "set up in", "state", "last changed"):
        table.add_column(name, overflow="fold")
    for row in found:
        state = "left out" if row["problems"] else "on" if row["enabled"] else "off"
        changed = f"{row['changed_at']:%Y-%m-%d %H:%M} by {row['changed_by']}" if row["changed_at"] else ""
        place = configured.path.name if row["origin"] == "file" else "the console"
        table.add_row(row["source"], Text(row["connector"]), place, Text(state, style="red" if row["problems"] else ""), Text(changed))
    console.print(table if found else f"{configured.path} has no source yet, and none was set up in the console.")
    for line in (line for row in found for line in row["problems"]):
        console.print(Text(line), soft_wrap=True)


def _listed(configured: Settings, store: Store) -> list[dict[str, Any]]:
    """Those of the file first, as they hold; then those of the console, with what keeps them from being used."""
    nobody: dict[str, Any] = {"changed_at": None, "changed_by": None, "problems": []}
    found: list[dict[str, Any]] = [
        {"source": name, "origin": "file", "connector": source.common.connector, "enabled": source.common.enabled, **nobody}
        for name, source in configured.sources.items()
        if kept.origin(configured, name) == "file"
    ]
    for one in kept.listed(store):
        problems = configured.problems(one.source)
        if kept.origin(configured, one.source) == "file":
            problems.append(f"source {one.source} (set up in the console): stands in {configured.path.name} too, which wins")
        found.append(
            {
                "source": one.source,
                "origin": "console",
                "connector": str(one.settings.get("connector", "")),
                "enabled": one.settings.get("enabled", True),
                "changed_at": one.changed_at,
                "changed_by": one.changed_by,
                "problems": problems,
            }
        )
    return found


@group.command()
def remove(source: Name) -> None:
    """Take out a source that was set up in the console, with its secrets. Its roster stays."""
    kept.remove(store(), source, by=of_system(), at=datetime.now(UTC))
    console.print(f"{source} is no longer pulled, and its secrets are gone. Its roster stays.", markup=False)


@group.command()
def export(source: Name) -> None:
    """Print a source that was set up in the console as the configuration file would have it. Its secrets are not printed: where each stood
    is the name of an environment variable to set."""
    found = next((one for one in kept.listed(store()) if one.source == source), None)
    if found is None:
        raise ConfigError(f"no source {source!r} was set up in the console.")
    table = dict(found.settings)
    for key in found.secrets:
        form.put(table, key, {"env": f"{source}_{key}".upper().replace("-", "_").replace(".", "_")})
    typer.echo(tomli_w.dumps({"sources": {source: table}}).removeprefix("[sources]\n"), nl=False)
