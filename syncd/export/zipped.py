"""What exports have in common: tables in a zip, written row by row, and what could not be written."""

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from syncd.files.formula import tamed

# {column: what stands in it}
Cells = dict[str, str]


@dataclass
class Exported:
    """files: {file: rows}. lost: {what the files have no place for: how often}."""

    files: dict[str, int] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)


@contextmanager
def table(bundle: zipfile.ZipFile, name: str, header: Sequence[str], *, before: str = "") -> Iterator[Callable[[Cells], None]]:
    """A file in the zip; it is made with its first row, since one without rows may not be there. before: a line above the header."""
    opened: list[Any] = []

    def put(cells: Cells) -> None:
        if not opened:
            opened.append(io.TextIOWrapper(bundle.open(f"{name}.csv", "w", force_zip64=True), "utf-8", newline=""))
            opened.append(csv.writer(opened[0], lineterminator="\r\n"))
            if before:
                opened[1].writerow([before])
            opened[1].writerow(header)
        opened[1].writerow([tamed(" ".join(cells.get(column, "").splitlines())) for column in header])

    try:
        yield put
    finally:
        if opened:
            opened[0].close()
