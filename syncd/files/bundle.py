"""A set of files that belong together: a folder, or a zip, which is read and never unpacked.

Names in an archive are never paths: a file is known by its bare name, and one that would lead out of the archive is refused. A zip may not
hold more than people send: so many files, so many bytes, so many times its own size (a roster in CSV shrinks to a tenth or a thirtieth).
"""

import io
import lzma
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, BinaryIO

import xxhash

from syncd.errors import BadFile

MOST_FILES = 1_000
MOST_BYTES = 50 * 2**30
# Times its size in the archive, above what any file may have.
MOST_TIMES, FREE_BYTES = 300, 10 * 2**20
CHUNK = 2**20
# What computers put beside a user's files.
_LITTER = ("__macosx/", ".ds_store", "thumbs.db", "desktop.ini")


class Bundle:
    """Open files. names: {name in small letters: as it is written}. told: what is odd about the whole, in words. Use as a context."""

    def __init__(self, path: Path, source: str) -> None:
        """Raises BadFile."""
        self.path, self.source = path, source
        self.told: list[str] = []
        self._zip: zipfile.ZipFile | None = None
        self._places: dict[str, zipfile.ZipInfo | Path] = {}
        try:
            if path.is_dir():
                self._refuse_links(path)
                found: list[tuple[str, zipfile.ZipInfo | Path]] = [
                    (file.name, file) for file in sorted(path.iterdir()) if file.is_file() and not _is_litter(file.name)
                ]
            else:
                found = self._in_zip()
        except OSError as problem:
            raise self.bad(f"can not be opened ({problem.strerror}).", "Check the path, and who may read it.") from None
        self.names: dict[str, str] = {}
        for name, place in found:
            if name.lower() in self.names:
                self.close()
                raise self.bad(f"has {name} twice.", "Leave one of them out: nobody can tell which is right.")
            self.names[name.lower()] = name
            self._places[name.lower()] = place

    def __enter__(self) -> "Bundle":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._zip is not None:
            self._zip.close()

    def digest(self) -> str:
        """A fingerprint of all that it holds, as text: the same files, the same text, however they are packed."""
        whole = xxhash.xxh3_128()
        for name in sorted(self.names):
            whole.update(name.encode())
            with self.open(name) as file:
                for chunk in iter(lambda: file.read(CHUNK), b""):
                    whole.update(chunk)
        return whole.hexdigest()

    def open(self, name: str) -> BinaryIO:
        """A file's bytes, by its name in small letters. Raises BadFile, also while it is read."""
        place = self._places[name]
        try:
            if isinstance(place, Path):
                return place.open("rb")
            assert self._zip is not None
            return io.BufferedReader(_Whole(self, self.names[name], self._zip.open(place)), CHUNK)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
            raise self.bad(f"{self.names[name]} in it can not be unpacked.", "Pack it anew, as a plain zip without a password.") from None
        except OSError as problem:
            raise self.bad(f"{self.names[name]} can not be read ({problem.strerror}).", "Check who may read it.") from None

    def bad(self, told: str, advice: str) -> BadFile:
        """An error about the whole."""
        return BadFile(f"{self.source}: {self.path.name} {told}", advice=advice)

    def _refuse_links(self, folder: Path) -> None:
        """Whoever may send files must not thereby read others of this machine."""
        if any(file.is_symlink() and not file.resolve().is_relative_to(folder.resolve()) for file in folder.iterdir()):
            raise self.bad("has a link in it that leads out of it.", "Put the file itself there.")

    def _in_zip(self) -> list[tuple[str, zipfile.ZipInfo | Path]]:
        try:
            self._zip = zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
            raise self.bad("is no zip, or not all of it is there.", "Wait until it is whole, or send it again.") from None
        entries = [entry for entry in self._zip.infolist() if not entry.is_dir() and not _is_litter(entry.filename)]
        if len(entries) > MOST_FILES:
            raise self.bad(f"has {len(entries)} files in it.", "A bundle has a dozen: send the right archive.")
        if sum(entry.file_size for entry in entries) > MOST_BYTES:
            raise self.bad(f"has more than {MOST_BYTES // 2**30} GiB in it.", "Send the right archive.")
        for entry in entries:
            if entry.file_size > FREE_BYTES + MOST_TIMES * entry.compress_size:
                raise self.bad(
                    "has a file in it that is hundreds of times as large as it is packed.", "That is no roster: nothing was read."
                )
            if entry.flag_bits & 1:
                raise self.bad("is locked with a password.", "Pack it anew without one: the way here is private.")
        parts = [entry.filename.replace("\\", "/").split("/") for entry in entries]
        if any(".." in part or not part[0] or ":" in part[0] for part in parts):
            raise self.bad("names files that lie outside of it.", "That is an attack or a fault: nothing was read.")
        folders = {tuple(part[:-1]) for part in parts}
        if len(folders) > 1:
            raise self.bad("has files in several folders.", "Pack all of them side by side, without folders.")
        if folders and folders != {()}:
            self.told.append("in-a-folder")
        return [(part[-1], entry) for part, entry in zip(parts, entries, strict=True)]


class _Whole(io.RawIOBase):
    """A file in an archive; what can not be unpacked is told as what it is."""

    def __init__(self, bundle: Bundle, name: str, file: IO[bytes]) -> None:
        self._bundle, self._name, self._file = bundle, name, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            chunk = self._file.read(len(buffer))
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError):
            told = f"{self._name} in it is damaged."
            raise self._bundle.bad(told, "Send the archive again: nothing of it was used.") from None
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._file.close()
        super().close()


def _is_litter(name: str) -> bool:
    low = name.replace("\\", "/").lower()
    bare = low.rsplit("/", 1)[-1]
    # What Excel lays beside a file that somebody has open begins with ~$.
    return low.startswith(_LITTER[0]) or bare in _LITTER or bare.startswith(("._", "~$"))
