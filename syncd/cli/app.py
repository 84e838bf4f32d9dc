"""The `syncd` command's frame: where the configuration is, how things are printed, what an error looks like."""

import re
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from pydantic import BaseModel
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from syncd import __version__
from syncd.errors import SyncdError
from syncd.observe import logs
from syncd.settings import kept
from syncd.settings.file import Settings, find_config, load
from syncd.store import Store, is_there, open_store

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Keeps a district's roster true: syncs it from Clever and OneRoster, and loses nobody by accident.",
)


class Screen(Console):
    """A console on which nothing that a source sent can act: its control characters are shown as escapes."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            lines = segment.text.split("\n")
            yield segment if segment.control else Segment("\n".join(map(logs.escaped, lines)), segment.style)


# What is piped into a file or a program is not cut to the width of a terminal.
console = Screen(width=None if sys.stdout.isatty() else 200)
notes = Screen(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]

_ACTING = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_config: Path | None = None


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"syncd {__version__}")
        raise typer.Exit


@app.callback()
def frame(
    config: Annotated[Path | None, typer.Option("--config", help="The configuration file (or SYNCD_CONFIG).")] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    global _config
    _config = config
    # A run by hand keeps all of its log in the store, and shows the person what is out of the ordinary.
    logs.configure(json=False, level="info", shown="warning")


def given_config() -> Path | None:
    """The --config option, if it was given."""
    return _config


def config_path() -> Path:
    """The configuration file to use. Raises ConfigError when there is none."""
    return find_config(_config)


def opened(*, secrets: Collection[str] | None = (), create: bool = True) -> tuple[Settings, Store]:
    """The configuration, completed with the sources that were set up in the console, and its store.

    secrets: the sources that will be asked, whose secrets therefore have to be there; None: all. Whoever only looks at the store needs
    none: on a server they may be the service's alone. create: make a store that is not there. Raises ConfigError and StoreError.
    """
    found = load(config_path(), secrets=secrets)
    store = open_store(found.store_url, create=create)
    return kept.complete(found, store, secrets=secrets), store


def store(*, create: bool = False) -> Store:
    """The store alone, for what has to do with no source: how the sources are set up is no matter to it."""
    return open_store(load(config_path(), secrets=()).store_url, create=create)


def configured(path: Path, *, secrets: Collection[str] | None = ()) -> Settings:
    """The configuration of a file, completed, without making a store: where there is none, nothing was set up in the console."""
    found = load(path, secrets=secrets)
    if not is_there(found.store_url):
        return found
    return kept.complete(found, open_store(found.store_url, create=False), secrets=secrets)


def print_each(tables: Iterable[RenderableType]) -> bool:
    """Print one after the other; whether there was any."""
    printed = False
    for table in tables:
        console.print(table)
        printed = True
    return printed


def print_json(value: Any) -> None:
    """One JSON document on stdout. An iterator in it is a list, written item by item as it comes: a large district does not fit into
    memory."""
    pieces = _pieces(value) if _streams(value) else (msgspec.json.format(_encoded(value)),)
    for piece in pieces:
        sys.stdout.write(json_text(piece))
    sys.stdout.write("\n")


def _streams(value: Any) -> bool:
    return hasattr(value, "__next__") or (isinstance(value, dict) and any(map(_streams, value.values())))


def _pieces(value: Any) -> Iterator[bytes]:
    if hasattr(value, "__next__"):
        yield b"["
        for number, item in enumerate(value):
            yield b",\n" if number else b"\n"
            yield from _pieces(item)
        yield b"\n]"
    elif _streams(value):
        yield b"{"
        for number, (name, part) in enumerate(value.items()):
            yield (b",\n" if number else b"") + _encoded(name) + b": "
            yield from _pieces(part)
        yield b"}"
    else:
        yield _encoded(value)


def _encoded(value: Any) -> bytes:
    def plain(part: Any) -> Any:
        if isinstance(part, BaseModel):
            return part.model_dump(mode="json")
        raise NotImplementedError

    return msgspec.json.encode(value, enc_hook=plain)


def json_text(document: bytes) -> str:
    """JSON as text in which no character acts on a screen: those that JSON lets stand are escaped too."""
    return _ACTING.sub(lambda match: f"\\u{ord(match[0]):04x}", document.decode())


def config_first(arguments: list[str]) -> list[str]:
    """`--config` may also stand behind the command: move it to the front."""
    front, rest, waiting = [], [], iter(arguments)
    for argument in waiting:
        if argument == "--":
            rest += [argument, *waiting]
        elif argument == "--config":
            front += [argument, *[value for value in [next(waiting, None)] if value is not None]]
        elif argument.startswith("--config="):
            front.append(argument)
        else:
            rest.append(argument)
    return front + rest


def tell(problem: SyncdError) -> None:
    """An error as people see it: on stderr, one line a mistake."""
    for line in str(problem).splitlines():
        notes.print(f"syncd: {logs.clean(line)}", markup=False, highlight=False, soft_wrap=True)
