"""An empty import template to fill in: CSV with its header, or Excel with each column explained and the words to choose from."""

import csv
import io
from typing import BinaryIO

from syncd.files.templates import DIRECTIVE, KINDS

# How many rows of an Excel template have what a column takes ready to choose from.
ROWS = 10_000


def write(kind: str, into: BinaryIO, *, xlsx: bool) -> None:
    """Write an empty template. kind: of `templates.KINDS`."""
    if xlsx:
        _sheet(kind, into)
        return
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(column.name for column in KINDS[kind])
    into.write(text.getvalue().encode())


def _sheet(kind: str, into: BinaryIO) -> None:
    # A quarter of a second that only who wants a sheet has to wait for.
    from openpyxl import Workbook
    from openpyxl.comments import Comment
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = kind
    for place, column in enumerate(KINDS[kind], start=1):
        letter = get_column_letter(place)
        cell = sheet.cell(1, place, column.name)
        cell.font = Font(bold=True)
        told = column.told
        if place == 1:
            told += (
                f"\n\nWho is not in this file stays as is. If it lists everything, insert a row above this one with {DIRECTIVE} in it, and "
                "who is not in it is gone."
            )
        cell.comment = Comment(told, "syncd", height=60 + len(told), width=320)
        width = sheet.column_dimensions[letter]
        width.width = max(14, len(column.name) + 2)
        # As text: a number would lose the zeros in front.
        width.number_format = "@"
        if column.choices:
            rule = DataValidation(type="list", formula1=f'"{",".join(column.choices)}"', allow_blank=True, showErrorMessage=True)
            rule.errorTitle, rule.error = column.name, f"One of {', '.join(column.choices)}."
            if column.several:
                # Two of them, parted by a semicolon, are as good.
                rule.errorStyle = "warning"
            rule.add(f"{letter}2:{letter}{ROWS}")
            sheet.add_data_validation(rule)
    sheet.freeze_panes = "A2"
    book.save(into)
