"""Rows of a CSV file as schools really send it: any of the usual encodings and delimiters, a byte order mark, blank lines, ragged rows.

What is lived with is told, by a word (`syncd/words.py`) and a place. What would have to be guessed is an error of the file: a quotation
mark that is never closed. Nothing that the file holds is part of what is told.
"""

import csv
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO, NamedTuple

from syncd.errors import BadFile

DELIMITERS = ",;\t|"
# Bytes of a line, and lines of a row, above which a quotation mark was left open.
LONGEST_LINE, MOST_LINES = 1_000_000, 20
# Rows among which a header is looked for, and those to look at before all of a file are believed to be longer than their header.
ROWS_TO_THE_HEADER, ROWS_OF_A_HABIT = 10, 20
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))

csv.field_size_limit(LONGEST_LINE)


class Told(NamedTuple):
    """Something odd: the rule, and where."""

    rule: str
    place: str


class Row(NamedTuple):
    """A row that has something in it. line: of the file, from 1, where it begins. cells: as many as there are. numbers: the places of the
    cells that are numbers and not texts, which only spreadsheets tell."""

    line: int
    cells: list[str]
    numbers: frozenset[int] = frozenset()


@dataclass
class RowFile(ABC):
    """A file's rows after its header.

    name, source: for what is told. is_header: whether cells are the header, which is then looked for in the first rows; without it, it is
    the first. before: the cells of the rows before it. told: what was odd, so far as it was read. whole: whether the last row does not
    break off. Raises BadFile.
    """

    name: str
    source: str
    file: BinaryIO
    is_header: Callable[[list[str]], bool] | None = None
    header: list[str] = field(default_factory=list)
    before: list[list[str]] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    whole: bool = True

    def __post_init__(self) -> None:
        self._rows = self._read()
        first = next(self._rows, None)
        if first is None:
            raise self.bad(1, "the file is empty", "Send it with its header, or leave it out.")
        self.header = [cell.strip() for cell in first.cells]

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """The rows after the header. Raises BadFile."""

    @abstractmethod
    def _read(self) -> Iterator[Row]:
        """The header, and the rows after it."""

    def close(self) -> None:
        """Give back what is held of it, also when not all rows were read."""

    def filled(self, row: Row) -> list[str]:
        """A row's cells, and empty ones for those that it lacks, which is told."""
        lacking = len(self.header) - len(row.cells)
        if lacking > 0:
            self.tell("short-row", f"{self.name}, line {row.line}")
        return row.cells + [""] * lacking

    def bad(self, line: int, told: str, advice: str) -> BadFile:
        return BadFile(f"{self.source}: {self.name}, line {line}: {told}.", advice=advice)

    def tell(self, rule: str, place: str) -> None:
        """Once for each rule: a file that does something does it in every row."""
        if all(one.rule != rule for one in self.told):
            self.told.append(Told(rule, place))


@dataclass
class CsvFile(RowFile):
    """Of a CSV file."""

    _ended: bool = True

    def rows(self) -> Iterator[Row]:
        row = None
        for row in self._rows:
            yield row
        # Many files end without a line's end. One that also lacks cells that the others have was cut off.
        self.whole = row is None or self._ended or len(row.cells) >= len(self.header)

    def _read(self) -> Iterator[Row]:
        lines = self._lines()
        begins, head = self._head(lines)
        if not head:
            return
        delimiter = max(DELIMITERS, key=lambda one: (_outside(head[0], one), one == ","))
        if delimiter != ",":
            self.tell("delimiter", f"line {begins}")
        before = begins - 1
        reader = csv.reader(chain(head, lines), delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                if before + reader.line_num - begins >= MOST_LINES:
                    raise self.bad(begins, "a quotation mark is opened and never closed", 'Inside quotes, write " twice.')
                if any(cell.strip() for cell in cells):
                    yield Row(begins, cells)
                begins = before + reader.line_num + 1
        except csv.Error:
            advice = 'A cell that has a comma or a quotation mark in it stands in quotes, and inside them " is written twice.'
            raise self.bad(begins, "the quotation marks are not right", advice) from None

    def _head(self, lines: Iterator[str]) -> tuple[int, list[str]]:
        """The number of the header's line, and the lines from it on that were looked at."""
        looked: list[str] = []
        filled: list[int] = []
        for line in lines:
            looked.append(line)
            if not line.strip():
                continue
            filled.append(len(looked))
            if self.is_header is None or self.is_header(_cells(line)):
                self.before = [_cells(looked[number - 1]) for number in filled[:-1]]
                return filled[-1], looked[filled[-1] - 1 :]
            if len(filled) == ROWS_TO_THE_HEADER:
                break
        # None of them is: then it is the first, and whoever knows the columns says what it lacks.
        return (filled[0], looked[filled[0] - 1 :]) if filled else (1, [])

    def _lines(self) -> Iterator[str]:
        head = self.file.peek(4)[:4] if hasattr(self.file, "peek") else b""
        encoding = next((name for mark, name in _MARKS if head.startswith(mark)), None)
        if encoding and encoding.startswith("utf-16"):
            self.tell("encoding", "line 1")
        if head[:2] == b"PK":
            raise self.bad(1, "this is a spreadsheet or a zip under the name of a CSV file", "Save it as CSV (UTF-8).")
        for number, raw in enumerate(_split(self.file, encoding or "utf-8"), start=1):
            if len(raw) > LONGEST_LINE:
                raise self.bad(number, "a line is longer than any row can be", "Send the file again.")
            if number == 1 and encoding:
                raw = raw.removeprefix(next(mark for mark, name in _MARKS if name == encoding))
            self._ended = raw.rstrip(b"\x00").endswith((b"\n", b"\r"))
            yield self._text(raw, encoding, number)

    def _text(self, raw: bytes, encoding: str | None, number: int) -> str:
        if encoding and encoding.startswith("utf-16"):
            return raw.decode(encoding, "replace")
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            # What spreadsheets write where nobody told them otherwise. (Five bytes mean nothing there.)
            self.tell("encoding", f"line {number}")
            text = raw.decode("windows-1252", "replace")
        if "\x00" in text:
            raise self.bad(number, "there are zero bytes in it", "This is no text file: save it as CSV (UTF-8).")
        return text


def _split(file: BinaryIO, encoding: str) -> Iterator[bytes]:
    """Lines with their ends, of which a UTF-16 one has two bytes for each letter."""
    if not encoding.startswith("utf-16"):
        yield from iter(lambda: file.readline(LONGEST_LINE + 2), b"")
        return
    end = "\n".encode(encoding)
    left = b""
    for chunk in iter(lambda: file.read(2**20), b""):
        left += chunk
        begin = 0
        while (found := left.find(end, begin)) >= 0:
            if found % 2:
                begin = found + 1
                continue
            yield left[: found + 2]
            left, begin = left[found + 2 :], 0
    if left:
        yield left


def _outside(line: str, delimiter: str) -> int:
    """How often a delimiter stands outside of quotes."""
    return sum(part.count(delimiter) for part in line.split('"')[::2])


def _cells(line: str) -> list[str]:
    """The cells of a line whose delimiter is not known yet."""
    return [cell.strip().strip('"').strip() for cell in re.split(f"[{re.escape(DELIMITERS)}]", line)]


def longest(first: Sequence[Row], width: int) -> int:
    """How many cells a row may have. first: the first rows of a file; all of them may end with a delimiter where its header, which has so
    many cells (width), does not."""
    if len(first) > 1 and all(len(row.cells) > width and not any(map(str.strip, row.cells[width:])) for row in first):
        return max(len(row.cells) for row in first)
    return width
