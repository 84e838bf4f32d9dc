"""Rows of an Excel file (.xlsx), as `rows.CsvFile` gives those of a CSV file: read as they come, and every oddity told.

What the file looks like is what is read: the first sheet that can be seen, a formula's last result, a number with the zeros that its format
shows. openpyxl reads the cells; what it passes over in silence (formulas without a result, merged cells, rows out of order) is looked for
before. XML in it may not declare anything (defusedxml, and the look), and no part of it may unpack to more than a spreadsheet has.
"""

import os
import re
import shutil
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, time
from itertools import islice
from pathlib import PurePath
from typing import IO, Any, BinaryIO, cast
from xml.parsers import expat

from openpyxl import Workbook, load_workbook
from openpyxl.utils import get_column_letter

from syncd.errors import BadFile
from syncd.files.bundle import FREE_BYTES, MOST_TIMES
from syncd.files.rows import ROWS_TO_THE_HEADER, CsvFile, Row, RowFile

ENDINGS = (".csv", ".txt", ".tsv", ".xlsx", ".xlsm", ".xltx", ".xls", ".xlsb", ".ods", ".numbers")
# Bytes of the file, of a part that has to be in memory whole (styles, names of sheets), and of the texts that cells share.
MOST_BYTES, MOST_OF_A_PART, MOST_OF_TEXTS = 500 * 2**20, 32 * 2**20, 192 * 2**20
# Cells of a row: one far to the right makes every row as wide.
MOST_COLUMNS = 1_000
_OLE, _ZIP = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"
_CHUNK = 2**16
# The parts of which a spreadsheet has large ones that are read row by row, or not at all.
_LARGE = ("xl/worksheets/", "xl/media/", "xl/pivotcache/", "xl/embeddings/", "xl/drawings/", "xl/comments", "xl/threadedcomments/")
_SAVE = 'Open it in Excel and save it as "Excel Workbook (.xlsx)", or as "CSV UTF-8".'
_ZEROS = re.compile(r"0{2,}")
_BATCH = 500


def opened(name: str, source: str, file: BinaryIO, is_header: Callable[[list[str]], bool] | None = None) -> RowFile:
    """The rows of a CSV or Excel file, whatever its name says: what it is, its first bytes tell. is_header: as `RowFile` has it. Raises
    BadFile."""
    head = file.peek(len(_OLE))[: len(_OLE)] if hasattr(file, "peek") else b""
    if head.startswith(_OLE[:4]):
        raise _of_old(name, source, file)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" and _is_markup(file):
        raise _bad(name, source, "is a web page or an XML file under the name of a spreadsheet", _SAVE)
    is_sheet = head.startswith(_ZIP[:2])
    found: RowFile = Sheet(name, source, file, is_header) if is_sheet else CsvFile(name, source, file, is_header)
    if is_sheet != (PurePath(name).suffix.lower() not in (".csv", ".txt", ".tsv")):
        found.tell("wrong-ending", name)
    return found


@dataclass
class Sheet(RowFile):
    """Of an Excel file. Its rows are wide as its header; a cell beyond it is told."""

    _left: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        self._left.close()

    def rows(self) -> Iterator[Row]:
        with self._left:
            width = len(self.header)
            for row in self._rows:
                if len(row.cells) > width:
                    if any(row.cells[width:]):
                        self.tell("cells-beside", f"line {row.line}, column {get_column_letter(width + 1)}")
                    row = row._replace(cells=row.cells[:width])
                if any(row.cells):
                    yield row._replace(cells=row.cells + [""] * (width - len(row.cells)))

    def _read(self) -> Iterator[Row]:
        held: list[Row] = []
        rows = self._cells()
        for row in rows:
            held.append(row)
            if self.is_header is None or self.is_header(row.cells):
                self.before = [one.cells for one in held[:-1]]
                held = held[-1:]
                break
            if len(held) == ROWS_TO_THE_HEADER:
                break
        for row in held:
            yield row
        yield from rows

    def _cells(self) -> Iterator[Row]:
        """The rows that have something in them."""
        try:
            copy = self._copy()
            archive = self._left.enter_context(self._archive(copy))
            book = self._book(copy)
            seen = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
            if not seen:
                raise self._wrong("has no sheet that can be seen", "Right click on the sheets' names, choose Unhide, and save it.")
            look = _Look(self)
            # The part's name is the one thing that openpyxl has no word for.
            look.at(archive, vars(seen[0])["_worksheet_path"])
            rows = self._filled(seen[0])
            first = next(rows, None)
            others = [number for number, sheet in enumerate(seen[1:], start=2) if next(self._filled(sheet, told=False), None) is not None]
            if first is None and others:
                raise self._wrong("has an empty first sheet", "Move the sheet with the rows to the front, or delete the empty one.")
            if others:
                self.tell("other-sheets", f"{self.name}, sheet {others[0]}")
            if first is not None:
                yield first
            yield from rows
        except BadFile:
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError):
            raise self._damaged() from None
        except Exception as problem:
            # openpyxl raises whatever a file that is not as it should be leads it to.
            raise self._damaged(type(problem).__name__) from None

    def _filled(self, sheet: Any, *, told: bool = True) -> Iterator[Row]:
        sheet.reset_dimensions()
        rows = enumerate(sheet.iter_rows(), start=1)
        while True:
            with warnings.catch_warnings():
                # It says in warnings what cells say themselves.
                warnings.simplefilter("ignore")
                some = list(islice(rows, _BATCH))
            if not some:
                return
            for line, cells in some:
                texts = [self._text(cell, line, place, told) for place, cell in enumerate(cells)]
                while texts and not texts[-1]:
                    texts.pop()
                if texts:
                    numbers = (place for place, cell in enumerate(cells) if cell.data_type == "n" and isinstance(cell.value, int | float))
                    yield Row(line, texts, frozenset(place for place in numbers if not _ZEROS.fullmatch(str(cells[place].number_format))))

    def _text(self, cell: Any, line: int, place: int, told: bool) -> str:
        """What the cell shows."""
        value = cell.value
        if value is None:
            return ""
        if isinstance(value, str):
            if cell.data_type != "e":
                return value.strip()
            if told:
                self.tell("cell-error", f"{self.name}, cell {get_column_letter(place + 1)}{line}")
            return ""
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, int | float):
            whole = int(value) if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15) else None
            if whole is None:
                return repr(value)
            zeros = _ZEROS.fullmatch(str(cell.number_format))
            return str(whole).zfill(len(zeros[0])) if zeros and whole >= 0 else str(whole)
        if isinstance(value, datetime):
            return value.date().isoformat() if value.time() == time() else value.isoformat()
        return value.isoformat() if isinstance(value, date | time) else str(value)

    def _copy(self) -> IO[bytes]:
        """The file as one in which a zip's parts can be gone to: what lies in another zip can not."""
        if self.file.seekable():
            self.file.seek(0, 2)
            return self.file
        # It has no name, and goes with us. Where a service may write at all, that is where SQLite may.
        try:
            copy = self._left.enter_context(tempfile.TemporaryFile(dir=os.environ.get("SQLITE_TMPDIR") or None))  # noqa: SIM115
            shutil.copyfileobj(self.file, copy, _CHUNK)
        except OSError as problem:
            advice = "See that there is room, and that syncd may write there."
            raise self._wrong(f"can not be laid out where temporary files are ({problem.strerror})", advice) from None
        return copy

    def _archive(self, copy: IO[bytes]) -> zipfile.ZipFile:
        """The zip that the file is, once it is known to be an Excel file of the kind that can be read."""
        if copy.tell() > MOST_BYTES:
            raise self._wrong("is larger than a roster can be", "Send the right file.")
        try:
            archive = zipfile.ZipFile(copy)
        except (zipfile.BadZipFile, ValueError):
            raise self._wrong("is not whole, or damaged", "Send it again: it may have broken off on its way.") from None
        entries = {entry.filename.lower(): entry for entry in archive.infolist()}
        if any(entry.flag_bits & 1 for entry in entries.values()):
            raise self._wrong("is locked with a password", "Save it without one: the way here is private.")
        if "xl/workbook.bin" in entries:
            raise self._wrong("is a binary workbook (.xlsb)", _SAVE)
        if "mimetype" in entries or "content.xml" in entries:
            raise self._wrong("is an OpenDocument spreadsheet (.ods)", 'Save it as "Excel 2007-365 (.xlsx)", or as CSV.')
        if any(name.endswith(".iwa") for name in entries):
            raise self._wrong("is an Apple Numbers file", "In Numbers, choose File > Export To > Excel.")
        if "[content_types].xml" not in entries or not any(name.startswith("xl/") for name in entries):
            raise self._wrong("is a zip or another Office file, and no spreadsheet", "Send the right file.")
        self._refuse_bombs(entries)
        for name, entry in entries.items():
            if name.startswith("xl/workbook") and name.endswith(".xml") and b"purl.oclc.org/ooxml" in archive.read(entry)[:_CHUNK]:
                raise self._wrong('is saved as "Strict Open XML Spreadsheet"', _SAVE)
        return archive

    def _refuse_bombs(self, entries: dict[str, zipfile.ZipInfo]) -> None:
        for name, entry in entries.items():
            most = MOST_OF_TEXTS if "sharedstrings" in name else MOST_OF_A_PART
            if entry.file_size > most and not name.startswith(_LARGE):
                raise self._wrong("has more in it than can be read at once", 'Save it as "CSV UTF-8", which can be of any size.')
            if entry.file_size > FREE_BYTES + MOST_TIMES * entry.compress_size:
                raise self._wrong("has a part that is hundreds of times as large as it is packed", "That is no roster: nothing was read.")

    def _book(self, copy: IO[bytes]) -> Workbook:
        copy.seek(0)
        with warnings.catch_warnings():
            # Of what it leaves out: pictures, rules for entering.
            warnings.simplefilter("ignore")
            book = load_workbook(cast(Any, copy), read_only=True, data_only=True, keep_links=False)
        self._left.callback(book.close)
        return book

    def _wrong(self, told: str, advice: str) -> BadFile:
        return _bad(self.name, self.source, told, advice)

    def _damaged(self, how: str = "") -> BadFile:
        return self._wrong(f"is damaged{f' ({how})' if how else ''}", "Open it in Excel, save it anew, and send it again.")


class _Look:
    """One walk through a sheet's XML for what openpyxl does not say."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._row = self._column = 0
        self._at = ""
        self._formula = self._value = self._inside = self._is_text = False

    def at(self, archive: zipfile.ZipFile, part: str) -> None:
        """Raises BadFile, and what a damaged zip raises."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler, parser.EndElementHandler = self._begin, self._end
        parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = self._data, self._declared
        parser.buffer_text = True
        with archive.open(part) as file:
            try:
                for chunk in iter(lambda: file.read(_CHUNK), b""):
                    parser.Parse(chunk)
                parser.Parse(b"", True)
            except expat.ExpatError:
                raise self._sheet._damaged() from None

    def _begin(self, tag: str, given: dict[str, str]) -> None:
        match tag.rpartition(" ")[2]:
            case "row":
                number = int(given.get("r", self._row + 1))
                if number <= self._row:
                    raise self._sheet._damaged("rows out of order")
                self._row, self._column = number, 0
            case "c":
                self._at = given.get("r", "")
                letters = self._at.rstrip("0123456789")
                column = 0
                for letter in letters:
                    column = column * 26 + ord(letter.upper()) - 64
                column = column or self._column + 1
                if column <= self._column:
                    raise self._sheet._damaged("cells out of order")
                if column > MOST_COLUMNS:
                    told = f"has something in it far to the right, in row {self._row}"
                    raise self._sheet._wrong(told, "Delete what stands beside the table, and save it.")
                self._column = column
                self._formula = self._value = False
                self._is_text = given.get("t") == "str"
            case "f":
                self._formula = True
            case "v" | "is":
                # A text may be empty, and is a result all the same.
                self._inside, self._value = True, self._is_text
            case "mergeCell":
                self._sheet.tell("merged-cells", f"{self._sheet.name}, cells {_place(given.get('ref', ''))}")

    def _data(self, text: str) -> None:
        self._value = self._value or (self._inside and bool(text.strip()))

    def _end(self, tag: str) -> None:
        match tag.rpartition(" ")[2]:
            case "v" | "is":
                self._inside = False
            case "c":
                if self._formula:
                    self._sheet.tell("formula" if self._value else "formula-empty", f"{self._sheet.name}, cell {_place(self._at)}")

    def _declared(self, *_: object) -> None:
        raise self._sheet._damaged("it declares what no spreadsheet does")


def _place(written: str) -> str:
    """A place of a sheet, and nothing else that could stand there."""
    return re.sub(r"[^A-Z0-9:]", "", written.upper())[:20]


def _of_old(name: str, source: str, file: BinaryIO) -> BadFile:
    """What is wrong with a file in the container that Excel had before .xlsx, and in which Office locks files with a password."""
    mark, before = "EncryptedPackage".encode("utf-16-le"), b""
    for chunk in iter(lambda: file.read(2**20), b""):
        if mark in before + chunk:
            advice = "Open it in Excel, take the password away (File > Info > Protect Workbook > Encrypt with Password), and save it."
            return _bad(name, source, "is locked with a password", advice)
        before = chunk[-len(mark) :]
    return _bad(name, source, "is in the old Excel format (.xls), or of another old Office program", _SAVE)


def _is_markup(file: BinaryIO) -> bool:
    """Whether a file that begins with < is a page, and not a table that begins with a directive in such brackets."""
    head = file.peek(_CHUNK)[:1000].lower() if hasattr(file, "peek") else b""
    return bool(re.match(rb"[\xef\xbb\xbf\s]*<(?:\?xml|!doctype|html|table|head|meta|style|div)", head))


def _bad(name: str, source: str, told: str, advice: str) -> BadFile:
    return BadFile(f"{source}: {name} {told}.", advice=advice)
