"""Each list of the console is there to download, whole, as CSV and as an Excel file; nothing in it acts in a spreadsheet."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from openpyxl import load_workbook

from syncd.console.pages import lists as pages
from syncd.export import lists
from syncd.store import audit, roster
from syncd.store import runs as kept
from tests.console.console import Browsing, Served, served
from tests.who import OPERATOR

FORMULA = '=HYPERLINK("https://collector.example.com","x")'
# Every list with a row that it has to have.
LISTS = {
    "/roster": "users", "/roster?kind=orgs": "orgs", "/runs": "runs", "/quality?source=springfield": "springfield-quality",
    "/logs": "logs", "/audit": "audit",
}  # fmt: skip


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("lists"), synced=True) as found:
        one, other = [user.id for user in found.sandbox.district.users.values() if user.grades][:2]
        found.sandbox.put("users", id=one, given_name=FORMULA, email="twin@springfield.example")
        found.sandbox.put("users", id=other, email="twin@springfield.example")
        found.sync_by_hand("--full")
        yield found


@pytest.fixture
def ada(console: Served) -> Browsing:
    return console.browse("ada")


def download(browser: Browsing, address: str, format: str) -> list[list[str]]:
    path, _, query = address.partition("?")
    answer = browser.at(f"{path}.{format}?{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Disposition"].endswith(f'.{format}"')
    if format == "csv":
        assert answer.content.startswith(b"\xef\xbb\xbf"), "by which Excel knows UTF-8"
        return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    book = load_workbook(io.BytesIO(answer.content))
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)
    return [[cell or "" for cell in row] for row in book.worksheets[0].iter_rows(values_only=True)]


@pytest.mark.parametrize("address", LISTS)
def test_each_list_is_the_same_as_csv_and_as_excel(address: str, ada: Browsing) -> None:
    as_csv = download(ada, address, "csv")
    assert len(as_csv) > 1 and all(len(row) == len(as_csv[0]) for row in as_csv)
    as_xlsx = download(ada, address, "xlsx")
    # Each download stands in the audit log.
    more = 0 if address != "/audit" else len(as_xlsx) - len(as_csv)
    assert as_xlsx[1 + more :] == as_csv[1:] and as_xlsx[0] == as_csv[0]
    assert f'href="{address.partition("?")[0]}.csv' in ada.at(address).text


@pytest.mark.parametrize("batch", [7, 1_000])
def test_the_roster_comes_whole_however_many_there_are(batch: int, console: Served, ada: Browsing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "BATCH", batch)
    head, *rows = download(ada, "/roster?kind=users&source=springfield", "csv")
    held = list(roster.records(console.store, "user", "springfield"))
    assert [row[head.index("id")] for row in rows] == [one["id"] for one in held]
    assert [row[head.index("family_name")] for row in rows] == [one["family_name"] for one in held]
    assert any(" at " in row[head.index("roles")] for row in rows)


@pytest.mark.fault("D16")
def test_what_a_spreadsheet_would_run_is_shown_as_it_is(console: Served, ada: Browsing) -> None:
    for format in ("csv", "xlsx"):
        head, *rows = download(ada, "/roster?kind=users", format)
        assert f"'{FORMULA}" in [row[head.index("given_name")] for row in rows]
        assert not [cell for row in rows for cell in row if cell.strip().startswith(("=", "@"))]


def test_what_a_run_changed_is_a_row_for_each_field(console: Served, ada: Browsing) -> None:
    latest = kept.recent(console.store, "springfield", 1)[0]
    assert latest.changed
    head, *rows = download(ada, f"/runs/{latest.run}/changes", "csv")
    (row,) = [row for row in rows if row[head.index("field")] == "given_name"]
    assert row[head.index("after")] == f"'{FORMULA}" and row[head.index("action")] == "update"
    viewer = download(console.browse("vera"), f"/runs/{latest.run}/changes", "csv")
    assert FORMULA not in str(viewer) and len(viewer) == len(rows) + 1, "who may not see people learns which fields changed"


def test_who_may_not_see_a_list_may_not_download_it_and_who_does_is_noted(console: Served) -> None:
    otto, vera = console.browse("otto"), console.browse("vera")
    assert [otto.at(f"/audit.{format}").status_code for format in ("csv", "xlsx")] == [403, 403]
    assert [vera.at(f"/roster.{format}").status_code for format in ("csv", "xlsx")] == [403, 403]
    assert console.browse().at("/runs.csv").status_code in (303, 401)
    before = len([one for one in audit.listed(console.store) if one.action == "download"])
    download(otto, "/roster?kind=sections&source=springfield", "csv")
    noted = [one for one in audit.listed(console.store) if one.action == "download"]
    assert len(noted) == before + 1
    assert (noted[0].account, noted[0].source, noted[0].subject) == ("otto", "springfield", "sections")


def test_older_notes_of_the_audit_log_follow_those_of_the_first_page(console: Served, ada: Browsing) -> None:
    with console.store.write() as connection:
        for number in range(120):
            audit.note(connection, OPERATOR, "tried", subject=f"note-{number}")
    first = ada.at("/audit").text
    assert "note-119" in first and "note-5<" not in first
    older = ada.at("/audit?" + first.split('href="/audit?')[1].split('"')[0]).text
    assert "note-5<" in older and "note-119" not in older


# ── the files ────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_that_is_longer_than_a_sheet_goes_on_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "ROWS", 4)
    held = io.BytesIO()
    lists.as_xlsx("users", ("id",), ([str(number)] for number in range(7)), held)
    book = load_workbook(held)
    assert [[row[0] for row in sheet.iter_rows(values_only=True)] for sheet in book] == [["id", *"012"], ["id", *"345"], ["id", "6"]]


def test_a_list_with_nothing_in_it_has_its_head() -> None:
    held = io.BytesIO()
    lists.as_xlsx("users", ("id",), [], held)
    assert [list(row) for row in load_workbook(held).worksheets[0].iter_rows(values_only=True)] == [["id"]]
    assert "".join(lists.as_csv(("id",), [])) == "\ufeffid\r\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""), (True, "yes"), (0, "0"), ({"a": None, "b": ["x", "y"]}, "b: x; y"), ("a\x00b\x1b[1m", "a\\x00b\\x1b[1m"),
        ([{"role": "student", "org_id": "s1"}, {"role": "staff", "org_id": ""}], "student at s1; staff"),
        (["=1+1"], "'=1+1"), ("+1 555 010", "+1 555 010"),
    ],
)  # fmt: skip
def test_a_value_is_told_as_people_write_it(value: Any, shown: str) -> None:
    assert lists.shown(value) == shown
    held = io.BytesIO()
    lists.as_xlsx("x", ("a",), [[value]], held)
    assert (load_workbook(held).worksheets[0]["A2"].value or "") == shown
