"""`syncd export`: the roster as files that other products read."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from syncd.cli.app import Json, app, console, opened, print_json
from syncd.errors import ConfigError, StoreError
from syncd.export import oneroster, templates
from syncd.export.zipped import Exported
from syncd.store import runs

group = typer.Typer(help="Write the roster to files that other products read.", no_args_is_help=True)
app.add_typer(group, name="export")


class Version(StrEnum):
    """Of OneRoster's CSV binding."""

    V11 = "1.1"
    V12 = "1.2"


@group.command("oneroster")
def as_oneroster(
    source: Annotated[str, typer.Argument(help="The source's name.")],
    out: Annotated[Path, typer.Argument(help="The zip to write.")],
    version: Annotated[Version, typer.Option(help="Of OneRoster.")] = Version.V12,
    since: Annotated[int | None, typer.Option(metavar="RUN", help="Only what changed after this run (delta).")] = None,
    json: Json = False,
) -> None:
    """A source's roster as OneRoster CSV in a zip: all that is active, or what changed since a run."""
    configured, store = opened(create=False)
    configured.source(source)
    if since is not None and (of := runs.get(store, since).source) != source:
        raise ConfigError(f"--since: run {since} is of {of}, not of {source}.")
    _write(out, lambda file: oneroster.write(store, source, version.value, file, since=since), f"OneRoster {version.value} has", json)


@group.command("templates")
def as_templates(
    source: Annotated[str, typer.Argument(help="The source's name.")],
    out: Annotated[Path, typer.Argument(help="The zip to write.")],
    json: Json = False,
) -> None:
    """A source's roster as import templates in a zip: organizations, groups, users and students, all that are active."""
    configured, store = opened(create=False)
    configured.source(source)
    _write(out, lambda file: templates.write(store, source, file), "the templates have", json)


def _write(out: Path, write: Callable[[BinaryIO], Exported], has: str, json: bool) -> None:
    """Write a zip that is its owner's alone, and tell what is in it, and what is not. has: as in "since OneRoster has no place for it"."""
    try:
        with out.open("xb") as file:
            out.chmod(0o600)
            done = write(file)
    except FileExistsError:
        raise ConfigError(f"{out} is there already: nothing is written over it.") from None
    except StoreError:
        out.unlink()
        raise
    if json:
        print_json({"file": str(out), "files": done.files, "lost": dict(done.lost)})
        return
    for name, count in done.files.items():
        console.print(f"{name}.csv: {count:,} rows")
    for what, count in done.lost.items():
        console.print(f"left out, since {has} no place for it: {what} ({count:,} times)")
    console.print(f"Written to {out}. It has personal data in it.", markup=False)
