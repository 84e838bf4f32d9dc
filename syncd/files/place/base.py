"""What every place can do: tell what lies there, fetch it, and set it aside."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from syncd.errors import BadFile

# The folder, beside what arrives, in which lies what was read.
ASIDE = "processed"
WAY_OUT = "Let syncd write there, or set set_aside = false: then the newest counts."


class Item(NamedTuple):
    """A file as it lies there, by its bare name. changed: seconds since the epoch, by the clock of whoever keeps it; mark: what else tells
    one state of it from another. aside: it lies among what was set aside."""

    name: str
    size: int
    changed: float
    mark: str = ""
    aside: bool = False

    @property
    def order(self) -> tuple[float, str]:
        """Which came later."""
        return self.changed, self.name


def is_bare(name: str) -> bool:
    """Whether a name is of something in a folder, and leads nowhere else."""
    return name not in ("", ".", "..") and not any(one in name for one in "/\\\0")


def is_zip(item: Item) -> bool:
    return item.name.lower().endswith(".zip")


def dated(item: Item) -> str:
    """The name under which a file is set aside: of two that were sent under one name none is lost, and the oldest is the first."""
    return f"{datetime.fromtimestamp(item.changed, UTC):%Y%m%dT%H%M%SZ}-{item.name}"


class Place(ABC):
    """One path at one place: of a file, or of a folder. Asks nothing before it is used. Raises BadFile where there is nothing or it can not
    be read, SourceUnavailable and SignInRefused where it can not be reached, and Stopped.

    name: of the path, for what is told. far: it is on another machine, whose clock is its own, and what is read of it is fetched first.
    """

    far = True

    def __init__(self, name: str, source: str) -> None:
        self.name, self.source = name, source

    @abstractmethod
    def file(self) -> Item | None:
        """The file at the path; None when it is a folder. Raises BadFile when there is neither."""

    @abstractmethod
    def files(self, *, aside: bool = False) -> list[Item]:
        """The files in the folder, or those that were set aside in it; none when nothing was."""

    def fetch(self, items: Sequence[Item], to: Path) -> Path:
        """The files on this machine: one zip, or a folder with them. to: an empty folder for what has to be fetched."""
        folder = to / (self.name or "files")
        folder.mkdir()
        for item in items:
            self.get(item, folder / item.name)
        return folder / items[0].name if len(items) == 1 and is_zip(items[0]) else folder

    @abstractmethod
    def get(self, item: Item, to: Path) -> None:
        """Fetch one file."""

    @abstractmethod
    def put_aside(self, item: Item) -> None:
        """Move a file of the folder to those that were read, under a name that begins with its date."""

    @abstractmethod
    def remove(self, item: Item) -> None:
        """Remove one that was set aside."""

    def moved(self, items: Sequence[Item]) -> float:
        """When anything of them was written last."""
        return max(item.changed for item in items)

    def close(self) -> None:
        """Give back connections. May be called twice."""

    def nothing(self) -> BadFile:
        """There is nothing at the path."""
        return BadFile(f"{self.source}: there is nothing at {self.name}.", advice="Check the path, and who may read it.")

    def unreadable(self, name: str, why: str | None) -> BadFile:
        """It is there, and can not be read."""
        return BadFile(f"{self.source}: {name} can not be read ({why}).", advice="Check the path, and who may read it.")
