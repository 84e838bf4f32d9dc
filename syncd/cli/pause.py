"""`syncd pause` and `syncd resume`: whether the schedule pulls a source."""

from typing import Annotated

import typer

from syncd.account import here
from syncd.cli.app import Json, app, console, opened, print_json
from syncd.store import pause as pauses

Source = Annotated[str, typer.Argument(help="The source's name.")]


@app.command()
def pause(source: Source, json: Json = False) -> None:
    """Pull a source by its schedule no more, until it is resumed. A pull that is under way ends; by hand everything works as ever."""
    configured, store = opened()
    configured.source(source)
    with store.write() as connection:
        pauses.pause(connection, source, by=here())
        since = pauses.paused(connection)[source]
    if json:
        print_json({"source": source, "paused": since._asdict()})
    else:
        console.print(
            f"{source} is paused since {since.at:%Y-%m-%d %H:%M} UTC, by {since.by}. To go on: syncd resume {source}", markup=False
        )


@app.command()
def resume(source: Source, json: Json = False) -> None:
    """Let the schedule pull a source again, soon for the first time. A full pull that fell due meanwhile is made up for."""
    configured, store = opened()
    configured.source(source)
    with store.write() as connection:
        resumed = pauses.resume(connection, source, by=here())
    if json:
        print_json({"source": source, "paused": None})
    else:
        console.print(f"{source} {'goes on' if resumed else 'was not paused'}.", markup=False)
