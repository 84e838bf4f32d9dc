"""A path of this machine. Nothing is fetched: it is read where it lies."""

from collections.abc import Sequence
from pathlib import Path

from syncd.errors import BadFile
from syncd.files.place.base import ASIDE, WAY_OUT, Item, Place, dated, is_zip


class Here(Place):
    """within: folders in which the files have to lie, wherever links lead; None: anywhere."""

    far = False

    def __init__(self, path: Path, source: str, within: Sequence[Path] | None = None) -> None:
        super().__init__(path.name, source)
        self._path, self._within = path, within

    def file(self) -> Item | None:
        # Before anything is said of what is there, or is not.
        self._check(self._path)
        if not self._path.exists():
            raise self.nothing()
        return None if self._path.is_dir() else self._item(self._path)

    def files(self, *, aside: bool = False) -> list[Item]:
        folder = self._folder(aside)
        self._check(folder)
        try:
            return [self._item(file, aside) for file in folder.iterdir() if file.is_file()] if folder.is_dir() else []
        except OSError as problem:
            raise self.unreadable(folder.name, problem.strerror) from None

    def fetch(self, items: Sequence[Item], to: Path) -> Path:
        path = self._path
        if len(items) == 1 and path.is_dir() and is_zip(items[0]):
            path = self._folder(items[0].aside) / items[0].name
        self._check(path)
        return path

    def get(self, item: Item, to: Path) -> None:
        """It lies here already."""

    def put_aside(self, item: Item) -> None:
        folder = self._folder(aside=True)
        try:
            folder.mkdir(exist_ok=True)
            (self._path / item.name).rename(folder / dated(item))
        except OSError as problem:
            raise BadFile(f"{self.source}: {item.name} was read, and can not be set aside ({problem.strerror}).", advice=WAY_OUT) from None

    def remove(self, item: Item) -> None:
        try:
            (self._folder(aside=True) / item.name).unlink()
        except OSError as problem:
            raise BadFile(f"{self.source}: {item.name} can not be removed ({problem.strerror}).", advice=WAY_OUT) from None

    def moved(self, items: Sequence[Item]) -> float:
        """Asked anew, and of the folder, too, where they lie in one side by side: something may have been taken out of it."""
        path = self.fetch(items, Path())
        try:
            files = [path, *path.iterdir()] if path.is_dir() else [path]
            return max(file.stat().st_mtime for file in files)
        except OSError:
            return 0.0

    def _folder(self, aside: bool) -> Path:
        return self._path / ASIDE if aside else self._path

    def _item(self, path: Path, aside: bool = False) -> Item:
        try:
            found = path.stat()
        except OSError as problem:
            raise self.unreadable(path.name, problem.strerror) from None
        return Item(path.name, found.st_size, found.st_mtime, aside=aside)

    def _check(self, path: Path) -> None:
        if self._within is not None and not any(path.resolve().is_relative_to(folder.resolve()) for folder in self._within):
            raise BadFile(
                f"{self.source}: {path.name} lies in a folder that sources of the console may not read.",
                advice="If it is right, whoever administers syncd adds the folder to [console] folders.",
            )
