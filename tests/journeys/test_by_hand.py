"""Students who are entered, one at a time or a school's by a spreadsheet: checked before anything changes, never overwritten by a sync."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from syncd.sandbox import District, Sandbox, running
from syncd.store import open_store, passwords, roster
from tests import stores
from tests.commands import CLEVER, Ended, syncd

BY_HAND = '\n[sources.office]\nconnector = "by-hand"\npeople = "springfield"\n'
HEADER = "First Name,Last Name,Username,Password,Grade,Student ID,Alternate ID,Language,Group\n"
ROWS = "Vera,Ashdown,vash,secret-word,9,00123,S77,English,Blue; Red\nRowan,Ashdown,rash,,K,00124,,,\n"


class Office:
    """A school's office, beside a district that is synced."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.config = folder / "syncd.toml"
        clever = CLEVER.format(clever=sandbox.clever_url).replace("demographics = true", 'demographics = true\npeople = "springfield"')
        self.config.write_text(f'[store]\nurl = "{stores.url(folder)}"\n{clever}{BY_HAND}')
        assert self.syncd("sync", "springfield").code == 0
        self.store = open_store(stores.url(folder))
        self.school = next(one["id"] for one in roster.records(self.store, "org", "springfield") if one["type"] == "school")

    def syncd(self, *arguments: object) -> Ended:
        return syncd(self.config, *arguments)

    def add(self, *more: str, given: str = "Vera", family: str = "Ashdown", grade: str = "9", **fields: str) -> Ended:
        options = [part for name, value in fields.items() for part in (f"--{name.replace('_', '-')}", value)]
        named = ("--given-name", given, "--family-name", family, "--grade", grade)
        return self.syncd("add", "student", "--source", "office", "--school", self.school, *named, *options, *more)

    def people(self, status: str = "active") -> dict[str, dict[str, Any]]:
        return {one["id"]: one for one in roster.records(self.store, "user", "office", status=status)}

    def sheet(self, content: str | bytes, *more: str, name: str = "students.csv") -> Ended:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self.syncd("import", path, "--source", "office", "--school", self.school, *more)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    with running(District.generate(students=20, seed=81)) as sandbox:
        monkeypatch.setenv("T", sandbox.token)
        yield Office(tmp_path, sandbox)


def test_one_student_is_added_found_edited_and_deactivated(office: Office) -> None:
    done = office.add(number="900001", username="vash")
    assert done.code == 0, done.err
    (record_id, held), *more = office.people().items()
    assert (record_id, more) == ("student:900001", [])
    assert (held["student_number"], held["grades"], held["username"]) == ("900001", ["09"], "vash")
    assert held["roles"] == [{"role": "student", "org_id": office.school, "primary": True}]
    assert roster.record(office.store, "org", office.school, "office"), "the school came along"
    found = json.loads(office.syncd("roster", "users", "--search", "Ashdown", "--json").out)["records"]
    assert [one["id"] for one in found] == [record_id]

    assert office.syncd("edit", record_id, "--source", "office", "--grade", "10", "--email", "vera@school.example").code == 0
    held = office.people()[record_id]
    assert (held["grades"], held["email"], held["given_name"], held["student_number"]) == (["10"], "vera@school.example", "Vera", "900001")
    assert office.syncd("deactivate", record_id, "--source", "office").code == 0
    assert office.people() == {} and set(office.people("inactive")) == {record_id}
    assert office.add(number="900001").code == 0 and set(office.people()) == {record_id}, "the same number: the same person comes back"
    runs = json.loads(office.syncd("runs", "--source", "office", "--json").out)["runs"]
    assert [run["trigger"] for run in runs] == ["manual", "approve", "manual", "manual", "manual"]
    assert not any(run["doubts"] for run in runs), "what is entered is never all, and nobody says that it is not complete"


def test_who_enters_somebody_needs_no_other_sources_secret(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("T")
    assert office.add(number="1", birth_date="2014-05-06").code == 0
    assert office.syncd("edit", "student:1", "--source", "office", "--grade", "10").code == 0
    assert (office.people()["student:1"]["birth_date"], office.people()["student:1"]["grades"]) == ("2014-05-06", ["10"])
    assert office.sheet(HEADER + ROWS).code == 0
    assert office.syncd("deactivate", "student:1", "--source", "office").code == 0


def test_the_same_name_is_known_in_any_letters(office: Office) -> None:
    assert office.add(given="Änne", family="Ørsted", number="1").code == 0
    refused = office.add(given="ÄNNE", family="ørsted", number="2")
    assert refused.code == 2 and "office student:1: the same name" in refused.err


def test_no_sync_ever_touches_what_was_entered(office: Office) -> None:
    assert office.add(number="900001").code == 0
    before = office.people()
    office.sandbox.day(3)
    for options in (["--full"], ["--anew"], []):
        assert office.syncd("sync", "springfield", *options).code == 0
    assert office.syncd("sync", "office", "--full").code == 0, "there is nobody to ask, and nobody is missing"
    assert office.people() == before


def test_somebody_who_is_there_already_is_told_before_and_linked_not_doubled(office: Office) -> None:
    student = next(one for one in roster.records(office.store, "user", "springfield") if one["student_number"])
    same = {"given": student["given_name"], "family": student["family_name"], "number": student["student_number"]}
    refused = office.add(**same)
    assert refused.code == 2 and f"springfield {student['id']}: the same number, name" in refused.err and office.people() == {}
    assert student["family_name"] not in refused.err
    assert office.add("--anyway", **same).code == 0
    linked = json.loads(office.syncd("links", "--json").out)["links"]
    assert len(linked) == 1 and linked[0]["state"] in ("linked", "proposed")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"given": ""}, "--given-name has to be there"),
        ({"grade": ""}, "--grade has to be there: PK, K, or 1 to 12"),
        ({"grade": "14"}, "--grade is no grade"),
        ({"number": "1", "email": "nobody"}, "--email is no email address"),
        ({"number": "1", "birth_date": "5/6/2014"}, "--birth-date is no date"),
        ({"number": "1", "birth_date": "2140-05-06"}, "--birth-date is no day on which somebody could be born"),
        ({"number": "1", "family": "x" * 300}, "--family-name is longer than 200 letters"),
        ({}, "--number has to be there"),
    ],
)
def test_what_is_wrong_is_said_by_field_and_nothing_is_changed(fields: dict[str, str], told: str, office: Office) -> None:
    refused = office.add(**fields)
    assert refused.code == 2 and told in refused.err and office.people("all") == {}


def test_a_school_that_nobody_has_is_told_and_can_be_made(office: Office) -> None:
    office.school = "annex"
    refused = office.add(number="1")
    assert refused.code == 1 and "no source has a school annex" in refused.err
    assert office.syncd("add", "school", "--source", "office", "--school", "annex", "--name", "The Annex").code == 0
    assert office.add(number="1").code == 0 and len(office.people()) == 1


def test_nothing_can_be_entered_into_a_source_that_is_synced(office: Office) -> None:
    refused = office.syncd("deactivate", "x", "--source", "springfield")
    assert refused.code == 2 and "which would take them back" in refused.err


def test_a_spreadsheet_comes_in_whole_and_once_more_updates(office: Office) -> None:
    done = office.sheet(HEADER + ROWS)
    assert done.code == 0, done.err
    held = office.people()
    assert set(held) == {"student:00123", "student:00124"} and held["student:00124"]["grades"] == ["KG"]
    assert (
        held["student:00123"]["extra"] == {"language": "English", "groups": ["Blue", "Red"]} and held["student:00123"]["state_id"] == "S77"
    )
    assert all(b"secret-word" not in file.read_bytes() for file in office.folder.glob("roster.db*")), "a password is not even read"
    assert office.sheet(HEADER + ROWS.replace(",9,", ",10,")).code == 0
    assert office.people()["student:00123"]["grades"] == ["10"] and len(office.people()) == 2
    assert office.sheet(HEADER + ROWS.splitlines()[0] + "\n").code == 0 and len(office.people()) == 2, "who is not in it stays"


def test_nothing_is_taken_in_before_every_row_is_right(office: Office) -> None:
    wrong = HEADER + ROWS + ",Kale,k,,9,3,,,\nBo,Lark,vash,,9,4,,,\nAnn,Wren,w,,15,00124,,,\n"
    errors = office.folder / "errors.csv"
    refused = office.sheet(wrong, "--errors", str(errors))
    assert refused.code == 2 and office.people("all") == {}
    assert "row 4, First Name: has to be there" in refused.err and "row 5, Username: is that of line 2 too" in refused.err
    document = errors.read_text()
    assert document.splitlines()[0] == "row,column,what is wrong" and len(document.splitlines()) == 4
    assert '6,Grade,"is no grade: write PK, K, or 1 to 12"' in document
    assert not {"Kale", "Lark", "Wren"} & set(document.replace(",", " ").split() + refused.err.split())
    corrected = wrong.replace(",Kale", "Kit,Kale").replace("Bo,Lark,vash", "Bo,Lark,lark").replace(",15,00124", ",12,00125")
    assert office.sheet(corrected).code == 0 and len(office.people()) == 5


def test_a_schools_own_columns_are_matched_once_and_remembered(office: Office) -> None:
    own = "Rufname;Surname;Klasse;Nr\nVera;Ashdown;9;7\n"
    refused = office.sheet(own)
    assert refused.code == 2 and "row 1, First name: there is no such column" in refused.err
    matched = ("--column", "Rufname=given_name", "--column", "Klasse=grade", "--column", "Nr=number")
    assert office.sheet(own, *matched).code == 0 and set(office.people()) == {"student:7"}
    assert office.sheet(own.replace("Vera;Ashdown;9;7", "Rowan;Ashdown;3;8")).code == 0 and set(office.people()) == {
        "student:7",
        "student:8",
    }
    assert "--column takes COLUMN=FIELD" in office.sheet(own, "--column", "Rufname=nothing").err


def test_a_dry_run_shows_what_would_change_and_changes_nothing(office: Office) -> None:
    done = json.loads(office.sheet(HEADER + ROWS, "--dry-run", "--json").out)
    assert (done["rows"], done["run"]["state"], done["run"]["counts"]["users"]["created"]) == (2, "planned", 2)
    assert office.people("all") == {} and done["left"] == ["Password"]


def test_a_sheet_that_slipped_by_a_row_waits_for_a_person(office: Office) -> None:
    rows = [f"Given{n},Family{n},user{n},,9,{n:05},,,\n" for n in range(100, 180)]
    assert office.sheet(HEADER + "".join(rows)).code == 0 and len(office.people()) == 80
    slipped = [f"Given{n + 1},Family{n + 1},user{n + 1},,9,{n:05},,,\n" for n in range(100, 180)]
    assert office.sheet(HEADER + "".join(slipped)).code == 3
    assert office.people()["student:00100"]["given_name"] == "Given100"


def test_ten_thousand_rows_are_the_most(office: Office) -> None:
    rows = "".join(f"Given,Family{n},user{n},,9,{n:06},,,\n" for n in range(10_001))
    refused = office.sheet(HEADER + rows)
    assert refused.code == 2 and "more than 10,000 rows" in refused.err and office.people("all") == {}


def test_an_excel_file_comes_in_as_a_csv_does(office: Office) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [HEADER.strip().split(","), ["Vera", "Ashdown", "vash", "secret-word", 9, "00123", "S77", "English", "Blue"]]:
        sheet.append(row)
    book.save(office.folder / "students.xlsx")
    assert office.sheet((office.folder / "students.xlsx").read_bytes(), name="students.xlsx").code == 0
    held = office.people()["student:00123"]
    assert (held["grades"], held["family_name"], held["extra"]["groups"]) == (["09"], "Ashdown", ["Blue"])


def test_a_section_has_just_those_in_it_who_were_said_to_be(office: Office) -> None:
    assert office.add(number="00123").code == 0 and office.add(number="00124", given="Rowan").code == 0
    teacher = (
        "add",
        "teacher",
        "--source",
        "office",
        "--school",
        office.school,
        "--given-name",
        "Otto",
        "--family-name",
        "Cado",
        "--number",
        "T1",
    )
    assert office.syncd(*teacher).code == 0

    def section(command: str, *more: str) -> Ended:
        return office.syncd(
            command, *(["section", "--school", office.school] if command == "add" else ["section:A1"]), "--source", "office", *more
        )

    def in_it() -> dict[str, str]:
        return {one["user_id"]: one["role"] for one in roster.records(office.store, "enrollment", "office")}

    wrong = section("add", "--name", "Algebra", "--number", "A1", "--person", "00123", "--person", "99999")
    assert wrong.code == 2 and "line 2: nobody who was entered here has this ID" in wrong.err and in_it() == {}
    added = section("add", "--name", "Algebra", "--number", "A1", "--person", "00123", "--person", "teacher:T1")
    assert added.code == 0, added.err
    assert in_it() == {"student:00123": "student", "teacher:T1": "teacher"}
    (found,) = roster.records(office.store, "section", "office")
    assert (found["id"], found["name"], found["number"], found["school_id"]) == ("section:A1", "Algebra", "A1", office.school)

    assert section("edit", "--name", "Algebra 2").code == 0
    assert set(in_it()) == {"student:00123", "teacher:T1"}, "what is left out stays"
    assert section("edit", "--person", "00124").code == 0
    assert in_it() == {"student:00124": "student"}
    assert next(roster.records(office.store, "section", "office"))["name"] == "Algebra 2"

    gone = office.syncd("deactivate", "student:00124", "--source", "office", "--json")
    assert in_it() == {}, "nobody is in a section who is not there"
    assert office.syncd("undo", json.loads(gone.out)["run"]["run"]).code == 0
    assert set(in_it()) == {"student:00124"}
    assert section("deactivate").code == 0
    assert in_it() == {} and {"student:00123", "student:00124", "teacher:T1"} <= set(office.people())
    assert office.syncd("edit", "section:none", "--source", "office", "--name", "x").code == 1
    assert office.syncd("sync", "springfield", "--full").code == 0
    assert [one["id"] for one in roster.records(office.store, "section", "office", status="all")] == ["section:A1"]


def test_passwords_of_a_spreadsheet_are_kept_as_hashes_where_the_source_asks(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD_KEY", "a key of thirty-two letters, or a few more")
    office.config.write_text(office.config.read_text() + 'password_key = { env = "PASSWORD_KEY" }\n')
    done = office.sheet(HEADER + ROWS)
    assert done.code == 0 and "Password" not in done.err + done.out and "secret-word" not in done.err + done.out

    def is_right(word: str, student: str = "student:00123") -> bool:
        return passwords.is_right(office.store, "office", student, word, datetime.now(UTC))

    assert is_right("secret-word") and not is_right("", "student:00124")
    assert office.syncd("edit", "student:00123", "--source", "office", "--grade", "10").code == 0
    assert office.sheet(HEADER + ROWS.replace("secret-word", "")).code == 0
    assert is_right("secret-word"), "who changes something else, or leaves it empty, leaves it as it is"
    assert office.sheet(HEADER + ROWS.replace("secret-word", "another-word")).code == 0
    assert is_right("another-word") and not is_right("secret-word")
    assert "secret-word" not in repr(list(office.people().values()))
