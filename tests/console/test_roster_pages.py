"""Search, a person's page, and their history through all runs."""

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.console.conftest import Visitor
from tests.console.console import Served


def a_student(console: Served) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(console.command("roster", "users", "--json"))["records"]
    return next(one for one in found if any(role["role"] == "student" for role in one["roles"]))


def test_a_student_is_found_by_name_and_their_history_told(visit: Callable[..., Visitor], console: Served) -> None:
    student = a_student(console)
    page = visit(console, "otto").at("/roster")
    page.get_by_label("Name, number, email or id").fill(f"{student['given_name']} {student['family_name']}")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=f"{student['given_name']} {student['family_name']}").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(student["family_name"])
    expect(page.get_by_role("group", name="Enrollments").get_by_role("row").nth(1)).to_be_visible()
    history = page.get_by_role("region", name="History")
    expect(history).to_contain_text("create")
    history.get_by_role("link", name="Run 1").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run 1 of springfield")
    assert '"action":"look"' in console.command("audit", "--json"), "who looked at a person is in the audit log"


def test_a_viewer_sees_no_names(visit: Callable[..., Visitor], console: Served) -> None:
    student = a_student(console)
    page = visit(console, "vera").at("/runs/1")
    expect(page.get_by_role("region", name="Changes")).to_contain_text("users")
    assert student["family_name"] not in page.content()
    expect(page.get_by_role("link", name="Roster")).to_have_count(0)
    for path in ("/roster", f"/record?kind=users&source=springfield&id={student['id']}"):
        assert console.browse("vera").at(path).status_code == 403


def test_changes_are_filtered_and_paged(visit: Callable[..., Visitor], console: Served) -> None:
    page = visit(console, "otto").at("/runs/1?kind=sections")
    rows = page.get_by_role("region", name="Changes").get_by_role("rowheader")
    assert all(text.startswith("sections ") for text in rows.all_inner_texts())
    page.goto(console.url + "/runs/1?kind=enrollments")
    first = rows.first.inner_text()
    page.get_by_role("link", name="More").click()
    expect(rows.first).not_to_have_text(first)
    page.goto(console.url + "/runs/1?search=there-is-no-such-id")
    expect(page.get_by_text("None.", exact=True)).to_be_visible()


def test_what_is_sent_wrong_is_listed_and_downloaded(visit: Callable[..., Visitor], console: Served) -> None:
    for user in [one.id for one in console.sandbox.district.users.values() if one.grades][:2]:
        console.sandbox.put("users", id=user, email="twin@springfield.example")
    console.sync_by_hand("--full")
    page = visit(console, "vera").at("/quality")
    page.get_by_role("rowheader").get_by_role("link", name="springfield").click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("springfield")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "springfield-quality.csv"
