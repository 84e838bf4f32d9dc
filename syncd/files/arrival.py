"""Files on their way: which of them count, and when they are all there."""

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from syncd.errors import BadFile, SourceUnavailable
from syncd.files.bundle import Bundle

# Seconds for which a file that does not come to rest is waited for.
LONGEST = 600


def arrived(
    path: Path,
    source: str,
    endings: Collection[str],
    still: float,
    wait: Callable[[float], None],
    *,
    within: Sequence[Path] | None = None,
    what: str = "CSV",
) -> Bundle:
    """The files at a path, once they have been left alone for so many seconds (still).

    path: a zip, a folder with files, or a folder in which zips arrive, of which the newest counts. endings: of the files, as `.csv`; a
    folder that has one of them is what it looks like. wait: sleeps. within: folders in which the files have to lie, wherever links lead;
    None: anywhere. what: the files, in a word. Raises BadFile, SourceUnavailable, and what `wait` raises.
    """
    _check_place(path, source, within)
    path = _newest(path, source, endings, what)
    _check_place(path, source, within)
    until = time.monotonic() + LONGEST
    while (moved := _moved(path)) is not None and (left := still - (time.time() - moved)) > 0:
        if time.monotonic() > until:
            raise SourceUnavailable(f"{source}: {path.name} is still being written.", advice="The next run tries again.")
        wait(min(left, still))
    bundle = Bundle(path, source)
    if not bundle.names:
        bundle.close()
        raise bundle.bad("has no files in it.", "Check the path.")
    return bundle


def _check_place(path: Path, source: str, within: Sequence[Path] | None) -> None:
    """Before anything is said of what is there, or is not."""
    if within is not None and not any(path.resolve().is_relative_to(folder.resolve()) for folder in within):
        raise BadFile(
            f"{source}: {path.name} lies in a folder that sources of the console may not read.",
            advice="If it is right, whoever administers syncd adds the folder to [console] folders.",
        )


def _newest(path: Path, source: str, endings: Collection[str], what: str) -> Path:
    if not path.exists():
        raise BadFile(f"{source}: there is nothing at {path.name}.", advice="Check the path, and who may read it.")
    if not path.is_dir():
        if path.suffix.lower() in endings:
            raise BadFile(f"{source}: {path.name} is one file, and a roster is several.", advice="Name the folder that it lies in.")
        return path
    if any(file.suffix.lower() in endings for file in path.iterdir()):
        return path
    zips = [file for file in path.iterdir() if file.suffix.lower() == ".zip"]
    if not zips:
        raise BadFile(f"{source}: there is neither a zip nor a {what} file in {path.name}.", advice="Check the path.")
    return max(zips, key=lambda file: (file.stat().st_mtime, file.name))


def _moved(path: Path) -> float | None:
    """When anything of it was written last, in seconds since the epoch."""
    try:
        files = [path, *path.iterdir()] if path.is_dir() else [path]
        return max(file.stat().st_mtime for file in files)
    except OSError:
        return None
