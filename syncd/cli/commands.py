"""Which file has which command. Only what was asked for is imported: most of a short command's time would be spent on the others."""

from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise

# In the order of the help page.
FILES = (
    "init", "check", "sources", "serve", "worker", "sync", "verify", "pause", "status", "runs", "approve", "undo", "logs", "roster",
    "history", "links", "quarantine", "notify", "metrics", "account", "audit", "export", "template", "sandbox", "demo", "db",
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
