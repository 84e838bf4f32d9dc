"""One student is entered by a form, and a school's by a spreadsheet, in the browser."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from syncd.store import roster
from tests.console.axe import violations
from tests.console.conftest import Visitor
from tests.console.console import SOURCE, Served, served, until

OFFICE = SOURCE + '\n[sources.office]\nconnector = "by-hand"\n'
WRONG = "Vorname,Last Name,Username,Grade,Student ID\nVera,Ashdown,vash,9,00123\nRowan,Ashdown,vash,14,00124\n"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("entering"), sources=OFFICE, synced=True) as found:
        yield found


def people(console: Served, status: str = "active") -> dict[str, dict[str, object]]:
    return {one["id"]: one for one in roster.records(console.store, "user", "office", status=status)}


def fill(page: Page, **values: str) -> None:
    for label, value in values.items():
        page.get_by_label(label.replace("_", " "), exact=False).first.fill(value)


def test_one_student_is_added_found_edited_and_deactivated(visit: Callable[..., Visitor], console: Served) -> None:
    page = visit(console, "otto").at("/sources/office")
    expect(page.get_by_role("button", name="Sync now")).to_have_count(0)
    page.get_by_role("button", name="Enter somebody").click()
    assert violations(page) == []
    fill(page, First_name="Linden", Last_name="Ashdown", Grade="fifteen")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("alert")).to_contain_text("Grade is no grade")
    expect(page.get_by_label("First name")).to_have_value("Linden")
    fill(page, Grade="9", Student_ID="900002")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("status")).to_contain_text("Entered")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Ashdown")

    page.goto(console.url + "/roster?q=900002")
    page.get_by_role("link", name="Linden Ashdown").click()
    page.get_by_role("button", name="Change").click()
    assert violations(page) == []
    fill(page, Grade="10")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    assert people(console)["student:900002"]["grades"] == ["10"]
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_role("status")).to_contain_text("Deactivated")
    assert "student:900002" in people(console, "inactive")


def test_a_section_is_entered_with_who_is_in_it_changed_and_deactivated(visit: Callable[..., Visitor], console: Served) -> None:
    page = visit(console, "otto").at("/people/new?source=office")
    fill(page, First_name="Tilly", Last_name="Ashdown", Grade="9", Student_ID="900010")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("status")).to_contain_text("Entered")
    page.goto(console.url + "/sources/office")
    page.get_by_role("button", name="Enter a section").click()
    assert violations(page) == []
    fill(page, Name="Algebra 1", Number="A1", Who_is_in_it="900010\n 777")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("alert")).to_contain_text("Who is in it line 2: nobody who was entered here has this ID")
    expect(page.get_by_label("Name", exact=False).first).to_have_value("Algebra 1")
    assert violations(page) == []
    fill(page, Who_is_in_it="900010")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("status")).to_contain_text("Entered")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Algebra 1")
    expect(page.get_by_role("row", name="Tilly Ashdown")).to_contain_text("student")
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_label("Who is in it")).to_have_value("student:900010")
    assert violations(page) == []
    fill(page, Name="Algebra 2", Who_is_in_it="")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Algebra 2")
    expect(page.get_by_role("row", name="Tilly Ashdown")).to_contain_text("inactive")
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_role("status")).to_contain_text("Deactivated")
    assert [one["id"] for one in roster.records(console.store, "section", "office", status="inactive")] == ["section:A1"]
    assert "student:900010" in people(console), "who was in it stays"


def test_who_is_like_somebody_is_told_before(visit: Callable[..., Visitor], console: Served) -> None:
    other = next(one for one in roster.records(console.store, "user", "springfield") if one["student_number"])
    page = visit(console, "otto").at("/people/new?source=office")
    fill(page, First_name=other["given_name"], Last_name=other["family_name"], Grade="9", Student_ID=other["student_number"])
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("alert")).to_contain_text(f"{other['id']} of springfield: the same number, name")
    assert violations(page) == []
    assert f"student:{other['student_number']}" not in people(console)
    page.get_by_label("enter them all the same").check()
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("status")).to_contain_text("Entered")


def test_a_spreadsheet_is_matched_corrected_looked_at_and_taken_in(visit: Callable[..., Visitor], console: Served, tmp_path: Path) -> None:
    page = visit(console, "otto").at("/sources/office")
    page.get_by_role("button", name="A school's spreadsheet").click()
    assert violations(page) == []
    (file := tmp_path / "students.csv").write_text(WRONG)
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("row", name="Student ID")).to_contain_text("00123")
    assert violations(page) == []
    page.get_by_role("button", name="Check every row").click()
    expect(page.get_by_role("alert")).to_contain_text("First name: there is no such column")
    page.get_by_label("Vorname").select_option("First name")
    page.get_by_role("button", name="Check every row").click()
    wrong = page.get_by_role("alert")
    expect(wrong).to_contain_text("row 3, Grade: is no grade: write PK, K, or 1 to 12")
    assert violations(page) == []
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the list").click()
    rows = list(csv.reader(download.value.path().read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["row", "column", "what is wrong"] and {row[0] for row in rows[1:]} == {"3"}
    assert not {"student:00123", "student:00124"} & set(people(console, "all")), "nothing was taken in"

    file.write_text(WRONG.replace("Rowan,Ashdown,vash,14", "Rowan,Ashdown,rash,12"))
    page.get_by_role("button", name="Upload another file").click()
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    page.get_by_label("Vorname").select_option("First name")
    page.get_by_role("button", name="Check every row").click()
    expect(page.get_by_role("status")).to_contain_text("what taking them in would change")
    expect(page.get_by_role("row", name="users").get_by_role("cell").nth(1)).to_have_text("2")
    assert violations(page) == []
    assert not {"student:00123", "student:00124"} & set(people(console, "all"))
    page.get_by_role("button", name="Take them in").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run")
    until(lambda: {"student:00123", "student:00124"} <= set(people(console)))
    page.goto(console.url + "/import?source=office")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_label("Vorname")).to_have_value("given_name")


def test_an_upload_is_its_owners_alone_and_no_viewers(console: Served) -> None:
    files = {"file": ("students.csv", WRONG)}
    school = next(one["id"] for one in roster.records(console.store, "org") if one["type"] == "school")
    otto, ada = console.browse("otto"), console.browse("ada")
    fields = {"csrf": otto.csrf, "school": school}
    answer = otto.post(f"{console.url}/import?source=office", data=fields, files=files, allow_redirects=False)
    assert answer.status_code == 303
    where = answer.headers["Location"]
    assert otto.at(where).status_code == 200 and ada.at(where).status_code == 404
    assert console.browse("vera").at(where).status_code == 403
    fields["csrf"] = "0" * 48
    assert otto.post(f"{console.url}/import?source=office", data=fields, files=files).status_code == 403
    for path in ("/people/new?source=springfield", "/import?source=springfield"):
        assert otto.at(path).status_code == 422, "its records come from a SIS"


def test_garbage_is_told_in_a_sentence(console: Served) -> None:
    otto = console.browse("otto")
    school = next(one["id"] for one in roster.records(console.store, "org") if one["type"] == "school")
    for content in (b"", b"\x00" * 100, b"PK\x03\x04" + b"x" * 300, b'a,b\n"open', b"x" * 2_000_000):
        files = {"file": ("students.csv", content)}
        answer = otto.post(f"{console.url}/import?source=office", data={"csrf": otto.csrf, "school": school}, files=files)
        assert answer.status_code == 422 and 'role="alert"' in answer.text
    assert (
        otto.post(f"{console.url}/import?source=office", data={"csrf": otto.csrf}, files={"file": ("x", b"x" * 21_000_000)}).status_code
        == 413
    )
