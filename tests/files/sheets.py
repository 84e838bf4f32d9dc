"""Excel files for tests: healthy ones, and what real ones have that no library writes."""

import csv
import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

from openpyxl import Workbook

SHEET, BOOK, TEXTS = "xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml"


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


def as_excel_writes(content: bytes) -> bytes:
    """An Excel file whose texts stand in a part of their own, each once, as Excel has them; those of more than five letters in two runs, as
    where one of them is bold."""
    texts: dict[bytes, int] = {}

    def shared(match: re.Match[bytes]) -> bytes:
        return b'%s t="s"><v>%d</v></c>' % (match[1], texts.setdefault(match[2], len(texts)))

    def item(text: bytes) -> bytes:
        runs = [text] if len(text) < 6 or b"&" in text else [text[:3], text[3:]]
        return b"<si>" + b"".join(b'<r><rPr><b/></rPr><t xml:space="preserve">%s</t></r>' % run for run in runs) + b"</si>"

    def change(name: str, part: bytes) -> bytes:
        if name == SHEET:
            return re.sub(rb'(<c r="\w+"[^>]*?) t="inlineStr"><is><t[^>]*>([^<]*)</t></is></c>', shared, part)
        if name == "[Content_Types].xml":
            kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
            return part.replace(b"</Types>", b'<Override PartName="/xl/sharedStrings.xml" ContentType="%s"/></Types>' % kind)
        return part

    changed = altered(content, change)
    assert texts
    items = b"".join(map(item, texts))
    strings = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">' + items + b"</sst>"
    return altered(changed, lambda _, part: part, **{TEXTS: strings})


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
