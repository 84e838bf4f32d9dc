"""Import templates as schools really fill them in: what is wrong is told, and nobody is lost by it, or gone unless the file says so."""

import json
from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.templates import TemplatesConnector
from connectors.templates.settings import TemplatesSettings
from syncd.contract.conformance import ODD_VALUES
from syncd.contract.connector import Context
from syncd.contract.document import Cursor, Document, Page
from syncd.contract.passwords import FIELD
from syncd.errors import FullPullNeeded
from syncd.files.templates import DIRECTIVE
from syncd.secret import Secret
from tests.connectors.came import Came as CameFrom
from tests.connectors.came import bundle
from tests.files.sheets import SHEET, as_excel_writes, replaced, sheet_of

Came = partial(CameFrom, TemplatesConnector)


ORGANIZATIONS = (
    "OrganizationNumber,OrganizationName,OrganizationType,ParentOrganizationNumber\n"
    "d1,District,district,\n0012,Lincoln,,d1\n0013,Washington,School,d1\n"
)


GROUPS = "GroupNumber,GroupName,OrganizationNumber\ng1,Algebra,0012\ng2,Biology,0012\n"


USERS = (
    "UserNumber,FirstName,LastName,Email,Username,Role,OrganizationNumber,GroupNumber\n"
    '7,Otto,"Cado, Jr.",otto@school.example,ocado,Teacher,0012,g1;g2\n8,Ada,Noble,,anoble,Administrator,d1; 0012,\n'
)


STUDENTS = (
    "StudentNumber,FirstName,LastName,Username,Password,Grade,OrganizationNumber,GroupNumber,StateStudentNumber,Birthdate,Language\n"
    "00007,Vera,Furch,vfurch,secret-word,K,0012,g1,77,9/5/2019,Spanish\n00008,Philipp,Furch,pfurch,,12,0012;0013,g1; g2,,,\n"
)


TABLES = {"organizations": ORGANIZATIONS, "groups": GROUPS, "users": USERS, "students": STUDENTS}


WHOLE = {
    ("org", "d1"), ("org", "0012"), ("org", "0013"), ("section", "g1"), ("section", "g2"), ("user", "user:7"), ("user", "user:8"),
    ("user", "student:00007"), ("user", "student:00008"), ("enrollment", "g1/user:7"), ("enrollment", "g2/user:7"),
    ("enrollment", "g1/student:00007"), ("enrollment", "g1/student:00008"), ("enrollment", "g2/student:00008"),
}  # fmt: skip


def full(table: str) -> str:
    return f"{DIRECTIVE}\n{table}"


def whole(**changed: str | bytes | None) -> dict[str, str | bytes]:
    """A healthy set of files that list everything, some changed or (None) left out. Names: `students`, or with another ending."""
    given: dict[str, str | bytes] = {}
    for kind, table in TABLES.items():
        own = {name: content for name, content in changed.items() if name.partition("_")[0] == kind}
        for name, content in own.items():
            if content is not None:
                given[name.replace("_", ".") if "_" in name else f"{name}.csv"] = content
        if not own:
            given[f"{kind}.csv"] = full(table)
    return given


def in_excel(**cells: Any) -> dict[str, bytes]:
    """The students as an Excel file, some cells changed."""
    return {"students_xlsx": sheet_of(full(STUDENTS), **cells)}


@pytest.mark.parametrize("how", ["zip", "folder", "excel", "excel, texts apart"])
def test_a_healthy_set_is_read_whole_and_nothing_is_told(how: str, tmp_path: Path) -> None:
    files = whole()
    if how.startswith("excel"):
        sheets = {f"{kind}.xlsx": sheet_of(full(table)) for kind, table in TABLES.items()}
        files = {name: as_excel_writes(content) if "apart" in how else content for name, content in sheets.items()}
    came = Came(bundle(tmp_path, files, packed=how != "folder"), demographics=True)
    assert set(came.records) == WHOLE and came.told == {} and set(came.doubts.values()) == {None}
    vera, philipp = came.records["user", "student:00007"], came.records["user", "student:00008"]
    assert (vera.student_number, vera.state_id, vera.grades, vera.extra["Language"]) == ("00007", "77", ("KG",), "Spanish")
    assert [(role.role, role.org_id, role.primary) for role in vera.roles] == [("student", "0012", True)]
    assert philipp.grades == ("12",) and {role.org_id for role in philipp.roles} == {"0012", "0013"}
    assert [(part.user_id, part.birth_date) for part in came.parts] == [("student:00007", "2019-09-05")]
    otto, ada = came.records["user", "user:7"], came.records["user", "user:8"]
    assert (otto.family_name, otto.email, otto.username) == ("Cado, Jr.", "otto@school.example", "ocado")
    assert {(role.role, role.org_id) for role in ada.roles} == {("district_admin", "d1"), ("staff", "0012")}
    assert [(one.type, one.value) for one in otto.identifiers] == [("identifier", "7")]
    org = came.records["org", "0012"]
    assert (org.name, org.type, org.parent_id) == ("Lincoln", "school", "d1")
    taught, learned = came.records["enrollment", "g1/user:7"], came.records["enrollment", "g1/student:00007"]
    assert (taught.role, taught.section_id, taught.user_id, taught.school_id) == ("teacher", "g1", "user:7", "0012")
    assert (learned.role, learned.document_id) == ("student", "student:00007")
    assert came.records["section", "g1"].school_id == "0012"


def test_a_password_that_is_to_be_kept_gets_into_no_document_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bundle(tmp_path, whole(students=full(STUDENTS).replace("00008,Philipp,Furch,pfurch,", "00008,Philipp,Furch,pfurch,secret-word")))

    def raw(key: str) -> dict[str | None, bytes]:
        monkeypatch.setenv("PASSWORD_KEY", key)
        settings = TemplatesSettings(path=path, still=0, password_key=Secret(env="PASSWORD_KEY"))
        pages = TemplatesConnector(settings, Context("springfield")).pull()
        return {one.id: one.raw for page in pages if isinstance(page, Page) for one in page.documents if one.resource == "students"}

    once, again, other = raw("one key, of which there are many others"), raw("one key, of which there are many others"), raw("x" * 32)
    assert once == again and not any(once[student] == other[student] for student in once)
    assert not any(b"secret-word" in one for one in once.values())
    sealed = [msgspec.json.decode(one)[FIELD] for one in once.values()]
    assert len(sealed) == len(set(sealed)) == 2, "the same word of two children does not look the same"


def test_birth_dates_are_not_even_read_unless_they_were_asked_for(tmp_path: Path) -> None:
    path = bundle(tmp_path, whole(students=full(STUDENTS).replace("Language", "Gender").replace("Spanish", "unicorn")))
    connector = TemplatesConnector(TemplatesSettings(path=path, still=0), Context("springfield"))
    raw = b"".join(document.raw for page in connector.pull() if hasattr(page, "documents") for document in page.documents)
    assert b"2019" not in raw and b"unicorn" not in raw and b"secret-word" not in raw and b"vfurch" in raw
    came = Came(path, demographics=True)
    assert [(part.birth_date, part.gender) for part in came.parts] == [("2019-09-05", "unicorn")]


def test_two_people_with_one_number_in_two_files_stay_two(tmp_path: Path) -> None:
    came = Came(bundle(tmp_path, whole(students=full(STUDENTS).replace("00007", "7"))))
    assert {("user", "user:7"), ("user", "student:7"), ("enrollment", "g1/user:7"), ("enrollment", "g1/student:7")} <= set(came.records)


def row(kind: str, old: str, new: str) -> dict[str, str]:
    assert old in TABLES[kind]
    return {kind: full(TABLES[kind].replace(old, new))}


def with_sheet(title: str, state: str, first: bool, text: str = "x") -> Callable[[Any], None]:
    def change(book: Any) -> None:
        more = book.create_sheet(title, 0 if first else None)
        more["A1"], more.sheet_state = text, state
        book.active = 1 if first else 0

    return change


def merged(book: Any) -> None:
    book.worksheets[0].merge_cells("G3:G4")
    book.worksheets[0]["G3"] = "0012"


def numbers(book: Any) -> None:
    """Numbers in cells whose format shows zeros in front."""
    for at, value, zeros in (("A3", 7, "00000"), ("A4", 8, "00000"), ("G3", 12, "0000")):
        cell = book.worksheets[0][at]
        cell.value, cell.number_format = value, zeros


FORMULA = replaced(
    sheet_of(full(STUDENTS), D3='=LOWER("VFURCH")'), SHEET, b'<c r="D3"><f>LOWER("VFURCH")</f><v />',
    b'<c r="D3" t="str"><f>LOWER("VFURCH")</f><v>vfurch</v>',
)  # fmt: skip


COLUMNS_OTHERWISE = ",".join(reversed(GROUPS.splitlines()[0].upper().split(",")))


OTHER_ORDER = "\n".join([COLUMNS_OTHERWISE, *(",".join(reversed(line.split(","))) for line in GROUPS.splitlines()[1:])])


MIXED = ORGANIZATIONS.replace("District", "Größe").encode() + "s9,Señor,school,d1\n".encode("latin-1")


ROOM = "\n".join(f"{line},{room}" for line, room in zip(GROUPS.splitlines(), ("Room", "7", "8"), strict=True))


FEW = "\n".join(",".join(line.split(",")[:4] + line.split(",")[5:8]) for line in STUDENTS.splitlines())


BARE = "\n".join(",".join((*line.split(",")[:4], *line.split(",")[6:8])) for line in STUDENTS.splitlines())


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "byte order mark": ({"groups": b"\xef\xbb\xbf" + full(GROUPS).encode()}, ""),
    "CRLF and no end": ({"groups": full(GROUPS).strip().replace("\n", "\r\n")}, ""),
    "blank lines": ({"groups": f"\n\n{full(GROUPS)}\n\n,,\n"}, ""),
    "commas at the end": ({"groups": full("\n".join(f"{line},," for line in GROUPS.splitlines()))}, ""),
    "commas at the end of rows": ({"groups": full(GROUPS).replace("0012\n", "0012,\n")}, ""),
    "Windows-1252": ({"groups": full(GROUPS).replace("Biology", "Français").encode("windows-1252")}, "encoding"),
    "two encodings in one": ({"organizations": DIRECTIVE.encode() + b"\n" + MIXED}, "encoding"),
    "UTF-16": ({"groups": full(GROUPS).encode("utf-16")}, "encoding"),
    "semicolons": ({"groups": full(GROUPS).replace(",", ";")}, "delimiter"),
    "tabs": ({"students": full(STUDENTS).replace(",", "\t")}, "delimiter"),
    "another order, capitals": ({"groups": full(OTHER_ORDER)}, ""),
    "blanks and signs in names": ({"students": full(STUDENTS).replace("StudentNumber", "Student Number *", 1)}, "column-name"),
    "classes, not groups": ({"groups": full(GROUPS).replace("Group", "Class")}, ""),
    "AccountType": (row("users", ",Role,", ",AccountType,"), ""),
    "optional columns left out": ({"students": full(FEW)}, ""),
    "a column left out that is needed": ({"students": full(BARE)}, "column-missing"),
    "a column of its own": ({"groups": full(ROOM)}, "unknown-column"),
    "a row that lacks cells": (row("organizations", "0013,Washington,School,d1", "0013,Washington"), "short-row"),
    "a title above": ({"groups": f"Our classes this year\n{full(GROUPS)}"}, "before-header"),
    "a word that nobody knows": (row("users", "Teacher", "Wizard"), "unknown-word"),
    "a grade that nobody knows": (row("students", ",12,", ",Hufflepuff,"), "unknown-word"),
    "a type that nobody knows": (row("organizations", ",School,", ",Castle,"), "unknown-word"),
    "an Excel file called CSV": ({"groups": sheet_of(full(GROUPS))}, "wrong-ending"),
    "a CSV file called Excel": ({"groups_xlsx": full(GROUPS)}, "wrong-ending"),
    "an Excel file called .xls": ({"groups_xls": sheet_of(full(GROUPS))}, ""),
    "formulas": ({"students_xlsx": FORMULA}, "formula"),
    "formulas without a result": (in_excel(K3='=LOWER("SPANISH")'), "formula-empty"),
    "an error in a cell": (in_excel(K3="#N/A"), "cell-error"),
    "merged cells": ({"students_xlsx": sheet_of(full(STUDENTS), merged)}, "merged-cells"),
    "a hidden sheet before": ({"students_xlsx": sheet_of(full(STUDENTS), with_sheet("old", "hidden", True))}, ""),
    "a very hidden sheet behind": ({"students_xlsx": sheet_of(full(STUDENTS), with_sheet("old", "veryHidden", False))}, ""),
    "an empty sheet behind": ({"students_xlsx": sheet_of(full(STUDENTS), with_sheet("Sheet2", "visible", False, ""))}, ""),
    "another sheet": ({"students_xlsx": sheet_of(full(STUDENTS), with_sheet("Sheet2", "visible", False))}, "other-sheets"),
    "zeros that only the format shows": ({"students_xlsx": sheet_of(full(STUDENTS), numbers)}, ""),
    "something beside the table": (in_excel(M3="check this"), "cells-beside"),
    "numbers and not texts": (in_excel(I3=77, F4=12.0), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_can_be_lived_with_is_told_and_loses_nobody(name: str, tmp_path: Path) -> None:
    changed, rule = ODD[name]
    came = Came(bundle(tmp_path, whole(**changed)))
    assert set(came.records) - {("org", "s9")} == WHOLE
    assert set(came.told) == ({rule} if rule else set())
    assert all(doubt is None for doubt in came.doubts.values()), came.doubts


def test_an_excel_file_says_what_it_shows(tmp_path: Path) -> None:
    cells = {"J3": date(2019, 9, 5), "J4": datetime(2018, 1, 31), "I3": 77.0, "I4": 1.5, "K4": True, "K3": datetime(2018, 1, 31)}  # noqa: DTZ001
    came = Came(bundle(tmp_path, whole(**in_excel(**cells))), demographics=True)
    vera, philipp = came.records["user", "student:00007"], came.records["user", "student:00008"]
    assert {part.user_id: part.birth_date for part in came.parts} == {"student:00007": "2019-09-05", "student:00008": "2018-01-31"}
    assert (vera.state_id, philipp.state_id, philipp.extra["Language"]) == ("77", "1.5", "TRUE")
    assert vera.extra["Language"] == "2018-01-31", "a day has no time"
    came = Came(bundle(tmp_path, whole(students_xlsx=FORMULA), "2.zip"))
    assert came.records["user", "student:00007"].username == "vfurch" and came.told["formula"] == ["students.xlsx, cell D3"]
    came = Came(bundle(tmp_path, whole(students_xlsx=sheet_of(full(STUDENTS), numbers)), "3.zip"))
    assert came.records["user", "student:00007"].roles[0].org_id == "0012"


@pytest.mark.parametrize(
    ("sent", "read"),
    [("2019-09-05", "2019-09-05"), ("9/5/2019", "2019-09-05"), ("12/31/2018", "2018-12-31"), ("2019-09-05 00:00", "2019-09-05"),
     ("31/12/2018", None), ("5.9.2019", None), ("2/30/2019", None), ("43713", None)],
)  # fmt: skip
def test_a_birth_date_is_read_as_people_write_it_there_and_never_guessed(sent: str, read: str | None, tmp_path: Path) -> None:
    came = Came(bundle(tmp_path, whole(**row("students", "9/5/2019", sent))), demographics=True)
    assert [part.birth_date for part in came.parts] == [read]
    assert came.told == ({} if read else {"not-a-date": ["Birthdate"]})


@pytest.mark.parametrize(
    ("word", "roles"),
    [("administrator", {("district_admin", "d1"), ("staff", "0012")}), ("Teacher", {("teacher", "d1"), ("teacher", "0012")}),
     ("Staff", {("staff", "d1"), ("staff", "0012")}), ("District Administrator", {("district_admin", "d1"), ("district_admin", "0012")}),
     ("Teacher; Administrator", {("teacher", "d1"), ("teacher", "0012"), ("district_admin", "d1"), ("staff", "0012")})],
)  # fmt: skip
def test_what_somebody_may_is_told_by_the_word_and_the_place(word: str, roles: set[tuple[str, str]], tmp_path: Path) -> None:
    came = Came(bundle(tmp_path, whole(**row("users", "Administrator", word))))
    assert {(role.role, role.org_id) for role in came.records["user", "user:8"].roles} == roles and not came.told


def test_nobody_is_taken_for_a_districts_administrator_when_nobody_says_what_is_a_district(tmp_path: Path) -> None:
    came = Came(bundle(tmp_path, whole(organizations=None)))
    assert {role.role for role in came.records["user", "user:8"].roles} == {"staff"}
    assert came.told == {"no-organizations": ["users.csv"]}


GRADES = [("PK", "PK"), ("pre-k", "PK"), ("K", "KG"), ("Kindergarten", "KG"), ("1", "01"), ("09", "09"), ("12", "12"), ("UG", "UG")]


@pytest.mark.parametrize(("sent", "code"), GRADES)
def test_grades_become_the_codes_that_all_sources_have(sent: str, code: str, tmp_path: Path) -> None:
    came = Came(bundle(tmp_path, whole(**row("students", ",12,", f",{sent},"))))
    found = came.records["user", "student:00008"]
    assert found.grades == (code,) and found.extra.get("grades") == (None if sent == code else [sent]) and not came.told


ROUNDED, LARGE = "student:1.23457E+11", "student:1.234567890123457e+17"


UNUSABLE: dict[str, tuple[dict[str, Any], str, str, str | None]] = {
    "a comma in a name without quotes": (row("users", '"Cado, Jr."', "Cado, Jr."), "extra-cells", "line 3", "user:7"),
    "a row without a number": (row("students", "00007", ""), "no-id", "line 3", None),
    "a user without a role": (row("users", "Teacher", ""), "missing", "Role", "user:7"),
    "a group of no school": (row("groups", "Algebra,0012", "Algebra,"), "", "", None),
    "the directive far below": ({"students": STUDENTS + "3,A,B,c,,1,0012\n" * 30 + DIRECTIVE + "\n"}, "late-directive", "line 34", None),
    "a number with a character that nobody sees": (row("students", "00007", "00\u200b007"), "unusable-id", "id", "student:00\u200b007"),
    "a number that was rounded": (row("students", "00007", "1.23457E+11"), "rounded-number", "line 3, column StudentNumber", ROUNDED),
    "a number too long for Excel": (in_excel(A3=1.2345678901234568e17), "rounded-number", "line 3, column StudentNumber", LARGE),
    "a group rounded": (row("students", ",g1,", ",1E+17,"), "rounded-number", "line 3, column GroupNumber", "student:00007"),
    "a row longer than any": (row("students", "Spanish", "x" * 11_000), "too-long", "extra", "student:00007"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_row_that_can_not_be_used_is_told_with_its_line_and_the_others_are_used(name: str, tmp_path: Path) -> None:
    changed, rule, place, lost = UNUSABLE[name]
    came = Came(bundle(tmp_path, whole(**changed)))
    lacking = {record for record in WHOLE if record not in came.records}
    assert {record[1].partition("/")[2] or record[1] for record in lacking} <= {lost, "student:00007", "user:7"}
    assert {("user", "user:8"), ("user", "student:00008"), ("org", "0012"), ("section", "g2")} <= set(came.records)
    if rule:
        assert came.told[rule] == [place] and list(came.unusable) == [lost]


SAMPLES: dict[str, dict[str, Any]] = {
    "organizations": {"OrganizationNumber": "1", "OrganizationName": "a", "OrganizationType": "school", "ParentOrganizationNumber": "2"},
    "groups": {"GroupNumber": "1", "GroupName": "a", "OrganizationNumber": "2"},
    "users": {"UserNumber": "1", "FirstName": "a", "Role": ["Teacher"], "OrganizationNumber": ["1"], "GroupNumber": ["g"], "districts": []},
    "students": {"StudentNumber": "1", "LastName": "a", "Grade": "K", "demographics": {"Birthdate": "1/2/2019"}, "extra": {"Room": "7"}},
}  # fmt: skip


@pytest.mark.parametrize("kind", SAMPLES)
def test_reading_never_fails_whatever_stands_in_a_field(kind: str, tmp_path: Path) -> None:
    connector = TemplatesConnector(TemplatesSettings(path=tmp_path), Context("springfield"))
    sample = {"id": "x"} | SAMPLES[kind]
    assert connector.read(Document(kind, "x", msgspec.json.encode(sample))).records
    for field in sample:
        for odd in ODD_VALUES:
            found = connector.read(Document(kind, "x", json.dumps(sample | {field: odd}).encode()))
            assert found.records or found.problems, field
    assert [one.rule for one in connector.read(Document(kind, "x", b"{")).problems] == ["not-json"]


# Where the directive may stand.
DIRECTED = {
    "above the header": (f"{DIRECTIVE}\n{GROUPS}", True),
    "above, with commas": (f"{DIRECTIVE},,\n{GROUPS}", True),
    "above, in quotes and capitals": (f'"{DIRECTIVE.upper()}"\n{GROUPS}', True),
    "above, with blanks": (f"  < deleteunlistedrecords >\n\n{GROUPS}", True),
    "as a column": (GROUPS.replace("OrganizationNumber\n", f"OrganizationNumber,{DIRECTIVE}\n").replace("0012\n", "0012,\n"), True),
    "below the header": (GROUPS.replace("\ng1", f"\n{DIRECTIVE}\ng1"), True),
    "in a row's cell": (GROUPS.replace("OrganizationNumber\n", "OrganizationNumber,Note\n").replace("0012\ng2", f"0012,{DIRECTIVE}\ng2")
                        .replace("Biology,0012", "Biology,0012,"), True),
    "nowhere": (GROUPS, False),
    "another word": (f"<DeleteRecords>\n{GROUPS}", False),
    "within a name": (GROUPS.replace("Algebra", f"Algebra {DIRECTIVE}"), False),
    "above, in semicolons": (f"{DIRECTIVE}\n{GROUPS.replace(',', ';')}", True),
}  # fmt: skip


@pytest.mark.parametrize("where", DIRECTED)
@pytest.mark.parametrize("excel", [False, True], ids=["csv", "xlsx"])
def test_a_file_lists_everything_only_if_it_says_so(where: str, excel: bool, tmp_path: Path) -> None:
    table, lists_all = DIRECTED[where]
    if excel:
        table = table.replace(";", ",")
    files = whole(groups_xlsx=sheet_of(table)) if excel else whole(groups=table)
    came = Came(bundle(tmp_path, files))
    assert set(came.records) == WHOLE, "it is no record itself, and takes none away"
    doubt = came.doubts["groups"]
    assert doubt is None if lists_all else doubt is not None and DIRECTIVE in doubt


def test_a_directive_below_the_first_rows_is_told_and_not_obeyed(tmp_path: Path) -> None:
    """It may have come with rows of another file that somebody put behind these."""
    more = "".join(f"h{number},A,0012\n" for number in range(8))
    came = Came(bundle(tmp_path, whole(groups=f"{GROUPS}{more}{DIRECTIVE},,\n")))
    assert DIRECTIVE in str(came.doubts["groups"]) and came.told == {"late-directive": ["line 12"]}


def test_who_is_not_in_a_file_that_may_not_be_all_is_not_gone(tmp_path: Path) -> None:
    def doubt(kind: str, number: int, **changed: Any) -> str | None:
        return Came(bundle(tmp_path, whole(**changed), f"{number}.zip")).doubts[kind]

    assert doubt("students", 0) is None
    assert "no file of students" in str(doubt("students", 1, students=None))
    assert "no rows" in str(doubt("students", 2, students=full(STUDENTS.splitlines()[0] + "\n")))
    assert "ends in the middle of a row" in str(doubt("students", 3, students=full(STUDENTS)[:-30]))
    without = "\n".join(",".join(line.split(",")[:7]) for line in STUDENTS.splitlines())
    assert "no column GroupNumber" in str(doubt("students", 4, students=full(without)))
    assert doubt("students", 5, students=full(without), groups=None) is None, "a district that has no groups at all"
    assert doubt("users", 6, students=None) is None


def test_lost_zeros_are_suspected_and_never_put_back(tmp_path: Path) -> None:
    def table(*given: str) -> str:
        return full(
            "StudentNumber,FirstName,LastName,Username,Grade,OrganizationNumber\n" + "".join(f"{one},A,B,u{one},1,0012\n" for one in given)
        )

    def told(number: int, *given: str) -> Any:
        came = Came(bundle(tmp_path, whole(students=table(*given)), f"{number}.zip"))
        assert {("user", f"student:{one}") for one in given} <= set(came.records), "each under the number that came"
        return came.told.get("lost-zeros")

    wide = [f"{number:05}" for number in range(10_001, 10_021)]
    assert told(1, *wide[:12], "123", *wide[12:]) == ["students.csv, column StudentNumber, line 15"]
    assert told(2, *wide) is None
    assert told(3, *(str(number) for number in range(80, 130))) is None, "numbers that just grow"
    assert told(4, *wide, "123", "A12") is None, "no column of numbers"
    table_of_texts = table("00123", "00124", "00125", "126")
    came = Came(bundle(tmp_path, whole(students_xlsx=sheet_of(table_of_texts, A6=126)), "5.zip"))
    assert came.told == {"lost-zeros": ["students.xlsx, column StudentNumber, line 6"]} and ("user", "student:126") in came.records
    came = Came(bundle(tmp_path, whole(students_xlsx=sheet_of(table_of_texts)), "6.zip"))
    assert not came.told, "a text that somebody wrote just so"


def test_the_same_files_say_nothing_new_and_what_is_not_all_is_read_as_changes(tmp_path: Path) -> None:
    path = bundle(tmp_path, whole())
    cursor = Came(path).cursor
    connector = TemplatesConnector(TemplatesSettings(path=path, still=0), Context("springfield"))

    def changes() -> list[Any]:
        return list(connector.changes(cursor))

    assert changes() == [Cursor(cursor)]
    bundle(tmp_path, {"students_2.csv": STUDENTS.replace("Vera", "Vee")})
    page, end = changes()
    assert [document.id for document in page.documents] == ["student:00007", "student:00008"] and end.value != cursor
    reading = connector.read(page.documents[0])
    assert [record.kind for record in reading.records] == ["user", "enrollment"] and reading.records[0].given_name == "Vee"
    bundle(tmp_path, {"students.csv": STUDENTS, "users.xlsx": sheet_of(full(USERS))})
    with pytest.raises(FullPullNeeded):
        changes()


def test_check_says_what_is_there_and_what_lists_everything(tmp_path: Path) -> None:
    path = bundle(tmp_path, whole(groups=GROUPS))
    told = TemplatesConnector(TemplatesSettings(path=path, still=0), Context("springfield")).probe()
    assert told == "import templates: 3 organizations (all of them), 2 groups, 2 users (all of them), 2 students (all of them)"


def test_what_lies_beside_the_files_is_told_and_not_read(tmp_path: Path) -> None:
    came = Came(bundle(tmp_path, whole() | {"lunches.csv": "a,b\n1,2\n", "readme.txt": "hello", "~$students.xlsx": b"open"}))
    assert came.told == {"unknown-file": ["lunches.csv", "readme.txt"]} and set(came.records) == WHOLE


def test_the_newest_zip_of_a_folder_counts(tmp_path: Path) -> None:
    import os

    (drop := tmp_path / "drop").mkdir()
    for age, name in ((100, "b.zip"), (50, "a.zip")):
        path = bundle(drop, whole(**row("groups", "Algebra", name)), name)
        os.utime(path, (1_790_000_000 - age,) * 2)
    assert Came(drop).records["section", "g1"].name == "a.zip"
