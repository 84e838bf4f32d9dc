"""Empty import templates in the console: to be had where a source of them is set up."""

import io

from openpyxl import load_workbook

from tests.console.console import Served


def test_empty_templates_are_there_to_download(console: Served) -> None:
    browsing = console.browse("ada")
    page = browsing.at("/sources/new").text
    assert "Import templates" in page and "/templates/students.xlsx" in page and "/templates/users.csv" in page
    assert "/templates/students.xlsx" in browsing.at("/sources/new?connector=templates").text
    assert "/templates/" not in browsing.at("/sources/new?connector=clever").text
    answer = browsing.at("/templates/students.csv")
    assert (
        answer.status_code == 200
        and answer.text.startswith("StudentNumber,FirstName")
        and "students.csv" in answer.headers["Content-Disposition"]
    )
    answer = browsing.at("/templates/groups.xlsx")
    assert load_workbook(io.BytesIO(answer.content)).worksheets[0]["A1"].value == "GroupNumber"
    assert browsing.at("/templates/lunches.csv").status_code == 422
    assert browsing.at("/templates/students.exe").status_code == 422
