"""`syncd template`, as who sends it to a school meets it: what it writes is what comes in."""

import csv
import io
from pathlib import Path

import pytest
from openpyxl import load_workbook

from connectors.templates import TemplatesConnector
from syncd.files.sheet import opened
from syncd.files.templates import KINDS, is_header
from tests.commands import syncd
from tests.connectors.came import Came

VALUES = {
    "Role": "Teacher", "Grade": "3", "OrganizationType": "school", "Birthdate": "2017-01-31", "Email": "v@school.example",
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_empty_template_has_its_columns_and_nothing_is_written_over(here: Path) -> None:
    ended = syncd(here / "none.toml", "template", "students")
    assert (ended.code, ended.err) == (0, "") and "students.csv" in ended.out
    assert (here / "students.csv").read_text() == (
        "StudentNumber,FirstName,LastName,Username,Grade,OrganizationNumber,GroupNumber,StateStudentNumber,Birthdate,Language\n"
    ), "no column for a password"
    again = syncd(here / "none.toml", "template", "students")
    assert again.code == 2 and "is there already" in again.err
    assert syncd(here / "none.toml", "template", "lunches").code == 2


@pytest.mark.parametrize("kind", KINDS)
def test_an_excel_template_explains_each_column_and_gives_the_words_to_choose_from(kind: str, here: Path) -> None:
    assert syncd(here / "none.toml", "template", kind, "--xlsx").code == 0
    sheet = load_workbook(here / f"{kind}.xlsx").worksheets[0]
    assert [cell.value for cell in sheet[1]] == [column.name for column in KINDS[kind]]
    assert all(column.told in cell.comment.text for cell, column in zip(sheet[1], KINDS[kind], strict=True))
    assert "<DeleteUnlistedRecords>" in sheet["A1"].comment.text
    lists = {rule.formula1 for rule in sheet.data_validations.dataValidation}
    assert lists == {f'"{",".join(column.choices)}"' for column in KINDS[kind] if column.choices}
    assert all(sheet.column_dimensions[cell.column_letter].number_format == "@" for cell in sheet[1]), "texts, that zeros stay"


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_what_is_filled_in_comes_in(ending: str, here: Path) -> None:
    for kind in KINDS:
        path = here / "filled" / f"{kind}.{ending}"
        path.parent.mkdir(exist_ok=True)
        assert syncd(here / "none.toml", "template", kind, path).code == 0
        values = [VALUES.get(column.name, f"0{len(column.name)}") for column in KINDS[kind]]
        if ending == "csv":
            held = io.StringIO()
            csv.writer(held).writerow(values)
            path.write_text(path.read_text() + held.getvalue())
        else:
            book = load_workbook(path)
            for place, value in enumerate(values, start=1):
                book.worksheets[0].cell(2, place, value)
            book.save(path)
        with path.open("rb") as file:
            rows = opened(path.name, "springfield", file, lambda cells, kind=kind: is_header(kind, cells))
            assert [row.cells for row in rows.rows()] == [values] and rows.told == []
    came = Came(TemplatesConnector, here / "filled", demographics=True)
    assert {kind for kind, _ in came.records} == {"org", "section", "user", "enrollment"} and came.told == {}
    student = came.records["user", "student:013"]
    assert (student.student_number, student.grades, student.roles[0].org_id) == ("013", ("03",), "018")
