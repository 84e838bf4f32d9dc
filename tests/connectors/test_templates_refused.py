"""Files that no template can be: what would have to be guessed is refused, with a sentence that a school secretary understands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syncd.errors import BadFile
from syncd.files import sheet
from syncd.files.templates import DIRECTIVE
from tests.connectors.came import bundle
from tests.connectors.test_templates import STUDENTS, USERS, Came, full, row, whole
from tests.files.sheets import BOOK, SHEET, TEXTS, altered, as_excel_writes, damaged, locked, ole, replaced, sheet_of, zipped

HEALTHY = sheet_of(full(STUDENTS))


def empty(book: Any) -> None:
    book.worksheets[0].delete_rows(1, 100)


def empty_and_another(book: Any) -> None:
    empty(book)
    book.create_sheet("Students")["A1"] = "StudentNumber"


def far_right(book: Any) -> None:
    book.worksheets[0]["XFD4"] = "x"


def swapped(name: str, part: bytes) -> bytes:
    return part.replace(b'<row r="3"', b'<row r="9"') if name == SHEET else part


def with_part(name: str) -> bytes:
    """With a part that unpacks to 80 MB."""
    return altered(HEALTHY, lambda _, part: part, **{name: b"<a>" + b"0" * 80_000_000 + b"</a>"})


TRANSITIONAL, STRICT = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main", b"http://purl.oclc.org/ooxml/spreadsheetml/main"


TYPES = ("[Content_Types].xml", b"<a/>")


# Each of its names is ten of the one before: a few hundred bytes that would become gigabytes.
LAUGHS = b"<!DOCTYPE a [<!ENTITY l0 'ha'>%s]>" % b"".join(b"<!ENTITY l%d '%s'>" % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))


DECLARED = b'<!DOCTYPE a [<!ENTITY b "c">]>'


BAD: dict[str, tuple[Callable[[], dict[str, Any]], str]] = {
    "an empty file": (lambda: {"students": ""}, "students.csv, line 1: the file is empty"),
    "only a mark": (lambda: {"students": b"\xef\xbb\xbf"}, "students.csv, line 1: the file is empty"),
    "only the directive": (lambda: {"students": DIRECTIVE}, "there is no column StudentNumber"),
    "no header": (lambda: {"students": STUDENTS.split("\n", 1)[1]}, "there is no column StudentNumber"),
    "no schools": (lambda: row("students", "OrganizationNumber", "Campus"), "there is no column OrganizationNumber"),
    "no roles": (lambda: row("users", "Role", "Job"), "there is no column Role or AccountType"),
    "a delimiter that none is": (lambda: {"students": full(STUDENTS).replace(",", ":")}, "there is no column StudentNumber"),
    "the same column twice": (lambda: row("students", "LastName", "First Name"), "column 3 means the same as column 2"),
    "one column by two names": (lambda: row("users", "Username", "Account Type"), "column 6 means the same as column 5"),
    "another kind's table": (lambda: {"students": full(USERS)}, "there is no column StudentNumber"),
    "a quotation mark that stays open": (lambda: row("users", '"Cado, Jr."', '"Cado, Jr.'), "users.csv, line 3: the quotation marks"),
    "zero bytes": (lambda: {"students": full(STUDENTS).encode().replace(b"Vera", b"Ve\x00ra")}, "line 3: there are zero bytes"),
    "a web page": (lambda: {"students_xls": "<html><table><tr><td>StudentNumber"}, "is a web page or an XML file"),
    "old XML": (lambda: {"students_xls": '\n<?xml version="1.0"?><Workbook/>'}, "is a web page or an XML file"),
}  # fmt: skip


BAD_SHEETS: dict[str, tuple[Callable[[], bytes], str]] = {
    "half a file": (lambda: HEALTHY[: len(HEALTHY) // 2], "is not whole, or damaged"),
    "damaged": (lambda: damaged(HEALTHY), "students.xlsx is damaged"),
    "XML that is none": (lambda: replaced(HEALTHY, SHEET, b"</row>", b"<row>"), "students.xlsx is damaged"),
    "a sheet that lacks": (lambda: altered(HEALTHY, lambda name, part: None if name == SHEET else part), "students.xlsx has no sheet"),
    "no book": (lambda: altered(HEALTHY, lambda name, part: None if name == BOOK else part), "students.xlsx is damaged"),
    "rows out of order": (lambda: altered(HEALTHY, swapped), "is damaged (rows out of order)"),
    "cells out of order": (lambda: replaced(HEALTHY, SHEET, b'<c r="B3"', b'<c r="F3"'), "is damaged (cells out of order)"),
    "locked with a password": (lambda: ole("Root Entry", "EncryptionInfo", "EncryptedPackage"), "is locked with a password"),
    "a locked zip": (lambda: locked(HEALTHY), "is locked with a password"),
    "old": (lambda: ole("Root Entry", "Workbook"), "is in the old Excel format (.xls)"),
    "strict": (lambda: replaced(HEALTHY, BOOK, TRANSITIONAL, STRICT), 'is saved as "Strict Open XML Spreadsheet"'),
    "binary": (lambda: zipped(TYPES, ("xl/workbook.bin", b"")), "is a binary workbook (.xlsb)"),
    "OpenDocument": (lambda: zipped(("mimetype", b"x"), ("content.xml", b"<a/>")), "is an OpenDocument spreadsheet"),
    "Numbers": (lambda: zipped(("Index/Document.iwa", b"x")), "is an Apple Numbers file"),
    "a text document": (lambda: zipped(TYPES, ("word/document.xml", b"")), "and no spreadsheet"),
    "nothing in it": (lambda: sheet_of(STUDENTS, empty), "students.xlsx, line 1: the file is empty"),
    "the rows on another sheet": (lambda: sheet_of(STUDENTS, empty_and_another), "has an empty first sheet"),
    "all sheets hidden": (lambda: replaced(HEALTHY, BOOK, b'state="visible"', b'state="hidden"'), "has no sheet that can be seen"),
    "far to the right": (lambda: sheet_of(STUDENTS, far_right), "has something in it far to the right, in row 4"),
    "a bomb": (lambda: with_part("xl/worksheets/sheet2.xml"), "hundreds of times as large"),
    "more than fits": (lambda: with_part("xl/styles2.xml"), "has more in it than can be read at once"),
    "a document type": (lambda: replaced(HEALTHY, SHEET, b"<worksheet ", b"<!DOCTYPE a><worksheet "), "it declares what no spreadsheet"),
    "entities in the book": (lambda: replaced(HEALTHY, BOOK, b"<workbook ", DECLARED + b"<workbook "), "students.xlsx is damaged"),
    "an XML bomb": (lambda: replaced(as_excel_writes(HEALTHY), TEXTS, b"<sst ", LAUGHS + b"<sst "), "students.xlsx is damaged"),
    "an XML bomb in the rows": (lambda: replaced(HEALTHY, SHEET, b"<worksheet ", LAUGHS + b"<worksheet "), "students.xlsx is damaged"),
    "another kind's": (lambda: sheet_of(full(USERS)), "there is no column StudentNumber"),
    "the same column twice": (lambda: sheet_of(full(STUDENTS), B2="LastName"), "column 3 means the same as column 2"),
}  # fmt: skip


@pytest.mark.fault("S9", "S10")
@pytest.mark.parametrize("packed", [True, False], ids=["zip", "folder"])
@pytest.mark.parametrize("name", [*BAD, *(f"Excel: {name}" for name in BAD_SHEETS)])
def test_what_would_have_to_be_guessed_is_refused_with_a_sentence_and_nobodys_name(name: str, packed: bool, tmp_path: Path) -> None:
    if name in BAD:
        changed, told = BAD[name]
        files = whole(**changed())
    else:
        make, told = BAD_SHEETS[name.removeprefix("Excel: ")]
        files = whole(students_xlsx=make())
    path = bundle(tmp_path, files, packed=packed)
    with pytest.raises(BadFile) as refused:
        Came(path)
    assert told in str(refused.value) and str(refused.value).startswith("springfield: ")
    assert refused.value.advice and not {"Furch", "Cado", "Vera"} & set(str(refused.value).replace(",", " ").split())


NAMED: dict[str, tuple[dict[str, str | bytes], str]] = {
    "two kinds in one name": ({"student groups.csv": STUDENTS}, "nobody can tell what it lists: groups or students"),
    "two files of one kind": ({"students.csv": STUDENTS, "students 2.xlsx": HEALTHY}, "has two files of students in it"),
    "names that say nothing": ({"lunches.csv": "a,b\n", "roster.xlsx": HEALTHY}, "has no file in it whose name says what it lists"),
    "nothing": ({}, "has no files in it"),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_a_file_lists_is_told_by_its_name_and_never_guessed(name: str, tmp_path: Path) -> None:
    files, told = NAMED[name]
    with pytest.raises(BadFile, match=told):
        Came(bundle(tmp_path, files))


def test_a_path_that_is_no_set_of_files_is_told_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "students.xlsx").write_bytes(HEALTHY)
    with pytest.raises(BadFile, match="is one file, and a roster is several"):
        Came(tmp_path / "students.xlsx")
    (tmp_path / "none").mkdir()
    with pytest.raises(BadFile, match="neither a zip nor a CSV or Excel file in none"):
        Came(tmp_path / "none")
    with pytest.raises(BadFile, match="there is nothing at"):
        Came(tmp_path / "elsewhere")


def test_a_large_sheet_is_read_as_it_comes(tmp_path: Path) -> None:
    """More rows than a batch, with gaps between them."""
    table = "StudentNumber,FirstName,LastName,Username,Grade,OrganizationNumber\n"
    rows = "".join(f"{10_000 + number},A,B,u{number},{number % 12 + 1},0012\n{',' * 5}\n" for number in range(2_000))
    came = Came(bundle(tmp_path, whole(students_xlsx=sheet_of(full(table + rows)), groups=None)))
    assert sum(kind == "user" for kind, _ in came.records) == 2_002 and not came.told and came.doubts["students"] is None
    assert sheet._BATCH < 2_000
