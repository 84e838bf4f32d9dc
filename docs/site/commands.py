"""What each command takes, in docs/commands.md, out of the program itself: `make fix` writes it anew.

Typer can write such a page too, but another one with each of its releases.
"""

import inspect
import re
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints

import typer

from syncd.cli.app import app
from syncd.cli.commands import register

PAGE = Path("docs/commands.md")
register([])

COMMANDS = re.compile(r"(<!-- commands -->\n).*(<!-- end of commands -->)", re.DOTALL)


def filled(page: str) -> str:
    """The page with its commands anew."""
    group = typer.main.get_group(app)
    told = "\n".join(line for name, command in group.commands.items() for line in _command(f"syncd {name}", command, 2))
    return COMMANDS.sub(lambda match: f"{match[1]}\n{told}\n{match[2]}", page)


def _command(name: str, command: Any, level: int) -> Iterator[str]:
    inner = getattr(command, "commands", {})
    arguments = [_name(parameter) for parameter in command.params if parameter.param_type_name == "argument"]
    yield f"{'#' * level} `{' '.join([name, *arguments])}`\n\n{' '.join((command.help or '').split())}\n"
    types = get_type_hints(inspect.unwrap(command.callback)) if command.callback else {}
    rows = [f"- `{_name(parameter)}`: {_told(parameter, types.get(parameter.name))}" for parameter in command.params]
    if rows:
        yield "\n".join([*rows, ""])
    for word, own in inner.items():
        yield from _command(f"{name} {word}", own, level + 1)


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = parameter.metavar or parameter.name.upper().removesuffix("_ID")
        return name if parameter.required else f"[{name}]"
    names = ", ".join(parameter.opts)
    if parameter.is_flag:
        return names
    return f"{names} {parameter.metavar or parameter.opts[0].lstrip('-').upper()}"


def _told(parameter: Any, takes: Any) -> str:
    told = [" ".join((parameter.help or "").split())]
    if isinstance(takes, type) and issubclass(takes, Enum):
        told.append(f"One of {', '.join(f'`{choice.value}`' for choice in takes)}.")
    if parameter.default not in (None, False, "", ()) and isinstance(parameter.default, str | int | Path):
        told.append(f"Default: `{getattr(parameter.default, 'value', parameter.default)}`.")
    return " ".join(part for part in told if part)


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8")
    after = filled(before)
    PAGE.write_text(after, encoding="utf-8")
    sys.stderr.write(f"{PAGE}: {'written anew' if before != after else 'as it was'}\n")
