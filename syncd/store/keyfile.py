"""The key that secrets are sealed with, in a file beside the store, where the configuration names none: its owner's alone, and never in the
database. It has one key a line, the newest first."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from syncd.errors import StoreError
from syncd.store.engine import Store


def path(store: Store) -> Path:
    """The file of a store, which need not be there."""
    return store.beside.with_name(f"{store.beside.name}.key")


def make(store: Store, key: str) -> None:
    """Write the file with a key, unless somebody was quicker. It is there whole or not at all, and stays when the power goes. Raises
    StoreError."""
    file = path(store)
    try:
        # Made with mode 0600.
        with NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}-", encoding="ascii") as made:
            made.write(f"{key}\n")
            made.flush()
            os.fsync(made.fileno())
            try:
                os.link(made.name, file)
            except FileExistsError:
                return
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as problem:
        raise StoreError(
            f"the key {file} can not be written ({problem.strerror}).", advice="Check that its folder may be written."
        ) from None


def carry(old: Store, new: Store) -> None:
    """Let the new store's file have the keys of the old one's, too."""
    if not path(old).exists():
        return
    keys = path(old).read_text(encoding="ascii").split()
    make(new, "\n".join(keys))
    there = path(new).read_text(encoding="ascii").split()
    if missing := [key for key in keys if key not in there]:
        with path(new).open("a", encoding="ascii") as file:
            file.write("".join(f"{key}\n" for key in missing))
