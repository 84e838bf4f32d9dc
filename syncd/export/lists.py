"""Any list as CSV or as an Excel file, row by row: what a spreadsheet would run is shown as it is, and nothing acts on a screen."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, BinaryIO

from syncd.files.formula import tamed
from syncd.observe.logs import escaped

# Rows that a sheet of Excel has room for, its head among them.
ROWS = 1_048_576
# Letters that a cell has room for.
LETTERS = 32_767
# Letters of CSV that are sent together.
TOGETHER = 64_000


def cell(value: Any) -> str:
    """A value as one cell has it."""
    if value is None:
        return ""
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
    if isinstance(value, list | tuple):
        return "; ".join(filter(None, map(cell, value)))
    if isinstance(value, dict):
        if "role" in value and "org_id" in value:
            return f"{cell(value['role'])} at {value['org_id']}" if value["org_id"] else cell(value["role"])
        return "; ".join(f"{name}: {told}" for name, part in value.items() if (told := cell(part)))
    return str(value)


def shown(value: Any) -> str:
    """The same, so that no spreadsheet takes it for a formula and no screen acts on it."""
    return escaped(tamed(cell(value)))


def as_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """CSV, piece by piece. It begins with a byte order mark, by which Excel knows UTF-8."""
    held = io.StringIO(newline="")
    writer = csv.writer(held, lineterminator="\r\n")
    held.write("\ufeff")
    writer.writerow(header)
    for row in rows:
        writer.writerow(map(shown, row))
        if held.tell() > TOGETHER:
            yield held.getvalue()
            held.seek(0)
            held.truncate()
    yield held.getvalue()


def as_xlsx(title: str, header: Sequence[str], rows: Iterable[Sequence[Any]], into: BinaryIO) -> None:
    """An Excel file, written as the rows come; where a sheet is full, another one goes on."""
    # A quarter of a second that only who wants a sheet has to wait for.
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet, room = None, 0
    # An empty row first, so that there is a sheet with a head also where nothing follows.
    for row in chain([()], rows):
        if sheet is None or room == 0:
            sheet = book.create_sheet(title if sheet is None else f"{title} {len(book.worksheets) + 1}")
            sheet.freeze_panes = "A2"
            sheet.append(list(header))
            room = ROWS - 1
        if row:
            sheet.append([shown(value)[:LETTERS] for value in row])
            room -= 1
    book.save(into)
