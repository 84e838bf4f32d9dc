"""`syncd template`: an empty import template, for a school to fill in."""

from pathlib import Path
from typing import Annotated

import typer

from syncd.cli.app import app, console
from syncd.errors import ConfigError
from syncd.files import blank
from syncd.files.templates import Kind


@app.command()
def template(
    kind: Annotated[Kind, typer.Argument(help="What it lists.")],
    out: Annotated[Path | None, typer.Argument(metavar="FILE", help="The file to write; without it, KIND.csv or KIND.xlsx here.")] = None,
    xlsx: Annotated[
        bool,
        typer.Option("--xlsx", help="For Excel: each column explained, and the words to choose from. So is a FILE .xlsx."),
    ] = False,
) -> None:
    """Write an empty import template: CSV, or Excel. What is filled in comes in by the connector `templates`."""
    is_sheet = xlsx or (out is not None and out.suffix.lower() == ".xlsx")
    path = out or Path(f"{kind.value}.{'xlsx' if is_sheet else 'csv'}")
    try:
        with path.open("xb") as file:
            blank.write(kind.value, file, xlsx=is_sheet)
    except FileExistsError:
        raise ConfigError(f"{path} is there already: nothing is written over it.") from None
    console.print(f"Written to {path}. Keep the word {kind.value} in its name: it says what the file lists.", markup=False, soft_wrap=True)
