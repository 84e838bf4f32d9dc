"""Which file has which command. Only what was asked for is imported: most of a short command's time would be spent on the others."""

from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any

from syncd.cli.app import app

# In the order of the help page.
FILES = (
    "init", "check", "sources", "serve", "worker", "sync", "verify", "pause", "status", "runs", "approve", "undo", "logs", "roster",
    "history", "links", "quarantine", "notify", "metrics", "account", "audit", "export", "sandbox", "demo", "db",
)  # fmt: skip
# Commands that stand in another's file.
BESIDE = {"resume": "pause", "reject": "approve", "rehearse": "sandbox"}


def register(arguments: Sequence[str]) -> None:
    """Make the command known that a command line names, or all of them, where it names none of them: for the help page."""
    named = next((word for before, word in pairwise(["", *arguments]) if not word.startswith("-") and before != "--config"), "")
    file = BESIDE.get(named, named)
    # Importing a file registers its commands.
    for each in (file,) if file in FILES else FILES:
        import_module(f"syncd.cli.{each}")
    app.registered_commands.sort(key=lambda one: _place(one.callback))
    app.registered_groups.sort(key=lambda one: _place(one.typer_instance and one.typer_instance.registered_commands[0].callback))


def _place(command: Callable[..., Any] | None) -> int:
    """Of its file: who has imported what before is no matter."""
    return FILES.index(command.__module__.rsplit(".", 1)[-1]) if command is not None else len(FILES)
