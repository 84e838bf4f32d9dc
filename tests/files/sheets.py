"""Excel files for tests: healthy ones, and what real ones have that no library writes."""

import csv
import io
import zipfile
from collections.abc import Callable
from typing import Any

from openpyxl import Workbook

SHEET, BOOK = "xl/worksheets/sheet1.xml", "xl/workbook.xml"


def sheet_of(table: str, change: Callable[[Any], None] | None = None, **cells: Any) -> bytes:
    """The rows of a CSV text as an Excel file of text cells. change: what is done to the workbook; cells: others instead, by place."""
    book = Workbook()
    sheet = book.worksheets[0]
    for line, row in enumerate(csv.reader(io.StringIO(table)), start=1):
        for place, text in enumerate(row, start=1):
            if text:
                sheet.cell(line, place, text).data_type = "s"
    for at, value in cells.items():
        sheet[at] = value
    if change is not None:
        change(book)
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def altered(content: bytes, change: Callable[[str, bytes], bytes | None], **more: bytes) -> bytes:
    """An Excel file with its parts changed (name, content → content, or None: left out), and further ones."""
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            part = change(name, before.read(name))
            if part is not None:
                after.writestr(name, part)
        for name, part in more.items():
            after.writestr(name, part)
    return held.getvalue()


def replaced(content: bytes, part: str, old: bytes, new: bytes) -> bytes:
    """An Excel file with something else in one of its parts."""

    def change(name: str, held: bytes) -> bytes:
        if name != part:
            return held
        assert old in held, held[:2000]
        return held.replace(old, new, 1)

    return altered(content, change)


def zipped(*parts: tuple[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return held.getvalue()


def damaged(content: bytes) -> bytes:
    """With bytes turned over within the first row of its sheet."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        at = archive.getinfo(SHEET).header_offset + 90
    return content[:at] + bytes(byte ^ 0xFF for byte in content[at : at + 40]) + content[at + 40 :]


def locked(content: bytes) -> bytes:
    """With the mark of an encrypted part in the zip's directory."""
    at = content.index(b"PK\x01\x02") + 8
    return content[:at] + bytes([content[at] | 1]) + content[at + 1 :]


def ole(*names: str) -> bytes:
    """The container that Excel had before .xlsx, with streams of these names."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000) + b"".join(name.encode("utf-16-le").ljust(128, b"\0") for name in names)
