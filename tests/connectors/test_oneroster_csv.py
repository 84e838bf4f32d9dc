"""OneRoster CSV as vendors really send it: what is wrong is told, and nothing else is lost by it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connectors.oneroster_csv import OneRosterCsvConnector
from connectors.oneroster_csv.settings import OneRosterCsvSettings
from syncd.contract.connector import Context
from syncd.contract.document import Cursor
from syncd.errors import BadFile, FullPullNeeded
from tests.connectors.came import Came as CameFrom
from tests.connectors.came import bundle
from tests.files.sheets import zipped

ORGS = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\nd1,,,District,district,,\ns1,,,Lincoln,school,12,d1\n"
TERMS = (
    "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear\n"
    "t1,,,2026,schoolYear,2026-08-01,2027-06-30,,2027\n"
)
COURSES = (
    "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes\n"
    "c1,,,t1,Algebra,ALG,09,s1,Mathematics,\n"
)
USERS = (
    "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,"
    "phone,agentSourcedIds,grades,password\n"
    'u1,,,true,s1,student,vfurch,"{LDAP:v1},{State:77}",Vera,Furch,,00123,,,,u3,09,secret-word\n'
    'u2,,,true,"s1,d1",teacher,ocado,,Otto,"Cado, Jr.",,T9,otto@school.example,,+1 555 010,,,\n'
    "u3,,,true,s1,parent,pfurch,,Philipp,Furch,,,,,,u1,,\n"
)
CLASSES = (
    "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,"
    "subjectCodes,periods\nk1,,,Algebra 1,09,c1,A1,scheduled,12,s1,t1,,,3\n"
)
ENROLLMENTS = (
    "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
    "e1,,,k1,s1,u1,student,,2026-08-01,2027-06-30\ne2,,,k1,s1,u2,teacher,true,,\n"
)
USERS_1_2 = (
    "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,"
    "agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,"
    "pronouns\nu1,,,true,v,,Vera,Furch,,00123,,,,u3,09,secret-word,,Vee,,,s1,\nu3,,,true,,,Philipp,Furch,,,,,,,,,,,,,,\n"
    "u4,,,true,,,Ada,Noble,,X1,,,,,,,,,,,,\n"
)
ROLES = (
    "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId\n"
    "r1,,,u1,primary,student,,,s1,\nr2,,,u3,primary,parent,,,s1,\nr3,,,u4,primary,principal,,,s1,\nr4,,,u4,primary,teacher,,,d1,\n"
)
FILES = {
    "orgs": ORGS, "academicSessions": TERMS, "courses": COURSES, "users": USERS, "classes": CLASSES, "enrollments": ENROLLMENTS,
}  # fmt: skip


def manifest(version: str = "1.1", **modes: str) -> str:
    lines = ["propertyName,value", "manifest.version,1.0", f"oneroster.version,{version}"]
    return "\n".join([*lines, *(f"file.{name},{mode}" for name, mode in (dict.fromkeys(FILES, "bulk") | modes).items()), ""])


def whole(**changed: str | bytes | None) -> dict[str, str | bytes]:
    """A healthy bundle, some files of it changed or (None) left out."""
    given = {"manifest": manifest()} | FILES | changed
    return {f"{name}.csv": content for name, content in given.items() if content is not None}


Came = partial(CameFrom, OneRosterCsvConnector)
WHOLE = {("org", "d1"), ("org", "s1"), ("term", "t1"), ("course", "c1"), ("user", "u1"), ("user", "u2"), ("user", "u3"), ("section", "k1"),
         ("enrollment", "e1"), ("enrollment", "e2")}  # fmt: skip


@pytest.mark.parametrize("packed", [True, False], ids=["zip", "folder"])
def test_a_healthy_bundle_is_read_whole_and_nothing_is_told(packed: bool, tmp_path: Path) -> None:
    came = Came(bundle(tmp_path, whole(), packed=packed))
    assert set(came.records) == WHOLE and came.told == {} and set(came.doubts.values()) == {None}
    student, teacher = came.records["user", "u1"], came.records["user", "u2"]
    assert (student.student_number, student.state_id, student.grades) == ("00123", "77", ("09",)), "zeros in front stay"
    assert (teacher.family_name, teacher.phone) == ("Cado, Jr.", "+1 555 010")
    assert {(role.role, role.org_id) for role in teacher.roles} == {("teacher", "s1"), ("teacher", "d1")}
    assert came.records["enrollment", "e1"].end_date == "2027-06-29", "the last day, which the binding's is not"
    assert [(part.user_id, part.guardian_id) for part in came.parts] == [("u1", "u3"), ("u1", "u3")]


def test_in_1_2_the_roles_of_another_file_are_the_users(tmp_path: Path) -> None:
    roles = ROLES + "r5,,,,primary,teacher,,,d1,\n"
    came = Came(bundle(tmp_path, whole(manifest=manifest("1.2", roles="bulk"), users=USERS_1_2, roles=roles)))
    vera, ada = came.records["user", "u1"], came.records["user", "u4"]
    assert (vera.student_number, vera.preferred_given_name) == ("00123", "Vee")
    assert [(role.role, role.org_id, role.primary) for role in vera.roles] == [("student", "s1", True)]
    assert {(role.role, role.org_id) for role in ada.roles} == {("staff", "s1"), ("teacher", "d1")} and ada.extra["roles"] == [
        "principal",
        "teacher",
    ]
    assert [(part.user_id, part.guardian_id) for part in came.parts] == [("u1", "u3")]
    assert came.told == {"missing": ["roles.csv: userSourcedId"]} and not came.unusable, "a role of nobody"
    lacking = roles.replace("r3,,,u4,primary,principal", "r3,,,u4,primary,")
    came = Came(bundle(tmp_path, whole(manifest=manifest("1.2", roles="bulk"), users=USERS_1_2, roles=lacking)))
    assert came.unusable == {"u4": ["role-row"]} and ("user", "u1") in came.records, "with a role less they would be somebody else"


def row(file: str, old: str, new: str) -> dict[str, str]:
    content = FILES[file]
    assert old in content
    return {file: content.replace(old, new)}


OTHER_ORDER = "\n".join(",".join((line.split(",")[1], line.split(",")[0], *line.split(",")[2:])) for line in ORGS.splitlines())
ORGS_AND_ROOM = "\n".join(f"{line},{room}" for line, room in zip(ORGS.splitlines(), ("ext_room", "7", "8"), strict=True))
FEW_COLUMNS = "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role\ne1,k1,s1,u1,student\ne2,k1,s1,u2,teacher\n"
MIXED = ORGS.replace("District", "Größe").encode() + "s9,,,Señor,school,,d1\n".encode("latin-1")
SOME_STATUS = ORGS.replace("s1,,,", "s1,active,2026-01-01T00:00:00.000Z,")
ODD: dict[str, tuple[dict[str, Any], str]] = {
    "byte order mark": ({"orgs": b"\xef\xbb\xbf" + ORGS.encode()}, ""),
    "CRLF and no end": ({"orgs": ORGS.strip().replace("\n", "\r\n")}, ""),
    "capital TRUE": (row("users", "u3,,,true", "u3,,,TRUE"), ""),
    "blank lines": ({"orgs": ORGS.replace("\ns1", "\n\n,,,,,,\ns1")}, ""),
    "empty columns at the end": ({"orgs": "\n".join(f"{line},," for line in ORGS.splitlines())}, ""),
    "Windows-1252": ({"orgs": ORGS.replace("Lincoln", "Señor Lincoln").encode("windows-1252")}, "encoding"),
    "two encodings in one": ({"orgs": MIXED}, "encoding"),
    "UTF-16": ({"orgs": ORGS.encode("utf-16")}, "encoding"),
    "UTF-16 big end first": ({"orgs": b"\xfe\xff" + ORGS.encode("utf-16-be")}, "encoding"),
    "semicolons": ({"orgs": ORGS.replace(",", ";")}, "delimiter"),
    "tabs": ({"orgs": ORGS.replace(",", "\t")}, "delimiter"),
    "names in small letters": ({"orgs": ORGS.replace("sourcedId,", "sourcedid,", 1)}, "column-name"),
    "a name misspelt": ({"orgs": ORGS.replace("dateLastModified", "dataLastModified")}, "column-name"),
    "blanks around names": ({"orgs": ORGS.replace(",name,", ", name ,")}, ""),
    "another order": ({"orgs": OTHER_ORDER}, "column-order"),
    "columns left out": ({"enrollments": FEW_COLUMNS}, "column-missing"),
    "a column of its own": ({"orgs": ORGS_AND_ROOM}, "unknown-column"),
    "no manifest": ({"manifest": None}, "no-manifest"),
    "a manifest without a version": ({"manifest": manifest().replace("1.1", "")}, "manifest-version"),
    "a manifest that forgot a file": ({"manifest": manifest().replace("file.orgs,bulk\n", "")}, "not-in-manifest"),
    "a word nobody knows in the manifest": ({"manifest": manifest(orgs="all")}, "manifest-mode"),
    "a file nobody knows": ({"lunches": "a,b\n1,2\n"}, "unknown-file"),
    "rows that lack cells": ({"orgs": ORGS.replace("District,district,,", "District,district")}, "short-row"),
    "dates of another country": (row("academicSessions", "2026-08-01", "1/08/2026"), "not-a-date"),
    "a word that nobody knows": (row("users", "parent", "stepfather"), "unknown-word"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_can_be_lived_with_is_told_and_loses_nobody(name: str, tmp_path: Path) -> None:
    changed, rule = ODD[name]
    came = Came(bundle(tmp_path, whole(**changed)))
    assert set(came.records) - {("org", "s9")} == WHOLE
    assert set(came.told) == ({rule} if rule else set())
    assert all(doubt is None for doubt in came.doubts.values())


UNUSABLE: dict[str, tuple[dict[str, Any], str, str, str | None]] = {
    "a comma in a name without quotes": (row("users", '"Cado, Jr."', "Cado, Jr."), "extra-cells", "line 3", "u2"),
    "a row without an id": (row("enrollments", "e2,", ","), "no-id", "line 3", None),
    "a status without a date": (row("orgs", "s1,,,", "s1,active,,"), "status-and-date", "line 3", "s1"),
    "a date without a status": (row("orgs", "s1,,,", "s1,,2026-01-01T00:00:00.000Z,"), "status-and-date", "line 3", "s1"),
    "an enrollment of nobody": (row("enrollments", "s1,u1,student", "s1,,student"), "", "", "e1"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_row_that_can_not_be_used_is_told_with_its_line_and_the_others_are_used(name: str, tmp_path: Path) -> None:
    changed, rule, place, lost = UNUSABLE[name]
    came = Came(bundle(tmp_path, whole(**changed)))
    left = {("user", "u2"), ("enrollment", "e2"), ("org", "s1"), ("enrollment", "e1")}
    assert WHOLE - set(came.records) <= left and len(came.records) >= len(WHOLE) - 1
    if rule:
        assert came.told[rule] == [place] and list(came.unusable) == [lost]
    assert all(doubt is None for doubt in came.doubts.values()), "its row came: nobody else is doubted"


def damaged() -> bytes:
    content = zipped(*((name, str(text).encode()) for name, text in whole().items()))
    at = content.index(b"PK\x03\x04", 10) - 20
    return content[:at] + bytes(byte ^ 0xFF for byte in content[at : at + 12]) + content[at + 12 :]


BAD: dict[str, tuple[Callable[[], dict[str, Any] | bytes], str]] = {
    "empty file": (lambda: {"orgs": ""}, "orgs.csv, line 1: the file is empty"),
    "only a mark": (lambda: {"orgs": b"\xef\xbb\xbf"}, "orgs.csv, line 1: the file is empty"),
    "no id column": (lambda: {"orgs": ORGS.replace("sourcedId,", "key,", 1)}, "orgs.csv, line 1: there is no column sourcedId"),
    "no header": (lambda: {"orgs": ORGS.split("\n", 1)[1]}, "there is no column sourcedId"),
    "the same column twice": (lambda: {"orgs": ORGS.replace("identifier", "name")}, "column 6 has the same name as column 4"),
    "a quotation mark that stays open": (lambda: row("users", '"Cado, Jr."', '"Cado, Jr.'), "users.csv, line 3: the quotation marks"),
    "a quotation mark in quotes": (lambda: row("users", '"Cado, Jr."', '"Cado "Jr" x"'), "users.csv, line 3: the quotation marks"),
    "zero bytes": (lambda: {"orgs": ORGS.encode().replace(b"Lincoln", b"Lin\x00coln")}, "orgs.csv, line 3: there are zero bytes"),
    "a spreadsheet called CSV": (lambda: {"orgs": b"PK\x03\x04" + b"x" * 50}, "orgs.csv, line 1: this is a spreadsheet"),
    "an endless line": (lambda: {"orgs": ORGS + "x" * 1_200_000}, "orgs.csv, line 4: a line is longer than any row can be"),
    "some rows with a status": (lambda: {"orgs": SOME_STATUS}, "orgs.csv, line 3: some rows have a status"),
    "a file that the manifest has": (lambda: {"courses": None}, "says in its manifest that courses.csv is there"),
    "a manifest of something else": (lambda: {"manifest": "name,value\na,b\n"}, "manifest.csv, line 1: the manifest begins with"),
    "1.2 without roles": (lambda: {"manifest": manifest("1.2")}, "has users.csv without roles.csv"),
    "no zip": (lambda: b"nothing of the kind", "bundle.zip is no zip, or not all of it is there"),
    "half a zip": (lambda: zipped(("orgs.csv", ORGS.encode()))[:-30], "bundle.zip is no zip, or not all of it is there"),
    "an empty zip": (lambda: zipped(), "bundle.zip has no files in it"),
    "a damaged zip": (damaged, "is damaged"),
    "out of the archive": (lambda: zipped(("../orgs.csv", ORGS.encode())), "names files that lie outside of it"),
    "an absolute path": (lambda: zipped(("/etc/orgs.csv", ORGS.encode())), "names files that lie outside of it"),
    "a drive": (lambda: zipped(("C:\\orgs.csv", ORGS.encode())), "names files that lie outside of it"),
    "a bomb": (lambda: zipped(("orgs.csv", b"0" * 80_000_000)), "hundreds of times as large as it is packed"),
    "a thousand files": (lambda: zipped(*((f"{n}.csv", b"a") for n in range(1100))), "has 1100 files in it"),
    "several folders": (lambda: zipped(("a/orgs.csv", b"x"), ("b/users.csv", b"x")), "has files in several folders"),
    "one file twice": (lambda: zipped(("orgs.csv", ORGS.encode()), ("ORGS.CSV", ORGS.encode())), "has ORGS.CSV twice"),
}  # fmt: skip


@pytest.mark.fault("S9")
@pytest.mark.parametrize("name", BAD)
def test_what_would_have_to_be_guessed_is_refused_with_a_sentence_and_nobodys_name(name: str, tmp_path: Path) -> None:
    make, told = BAD[name]
    made = make()
    if isinstance(made, bytes):
        (path := tmp_path / "bundle.zip").write_bytes(made)
    else:
        path = bundle(tmp_path, whole(**made))
    with pytest.raises(BadFile) as refused:
        Came(path)
    assert told in str(refused.value) and str(refused.value).startswith("springfield: ")
    assert refused.value.advice and not {"Furch", "Cado", "Vera"} & set(str(refused.value).replace(",", " ").split())


def test_who_is_not_in_a_file_that_may_not_be_all_is_not_gone(tmp_path: Path) -> None:
    def doubt(name: str, number: int, **changed: Any) -> str | None:
        return Came(bundle(tmp_path, whole(**changed), f"{number}.zip")).doubts[name]

    dated = ENROLLMENTS.replace(",,,", ",active,2026-11-01T00:00:00.000Z,")
    assert "absent" in str(doubt("courses", 1, courses=None, manifest=manifest(courses="absent")))
    assert "only what changed" in str(doubt("enrollments", 2, enrollments=dated, manifest=manifest(enrollments="delta")))
    assert "has a status in its rows" in str(doubt("enrollments", 3, enrollments=dated))
    assert "said to be a delta" in str(doubt("enrollments", 4, manifest=manifest(enrollments="delta")))
    assert "no rows" in str(doubt("courses", 5, courses=COURSES.splitlines()[0] + "\n"))
    assert "ends in the middle of a row" in str(doubt("enrollments", 6, enrollments=ENROLLMENTS[:-12]))


def test_the_same_files_say_nothing_new_and_a_delta_says_what_changed(tmp_path: Path) -> None:
    path = bundle(tmp_path, whole())
    cursor = Came(path).cursor
    settings = OneRosterCsvSettings(path=path, still=0)

    def changes() -> list[Any]:
        return list(OneRosterCsvConnector(settings, Context("springfield")).changes(cursor))

    assert changes() == [Cursor(cursor)]
    dated = "2026-11-20T08:00:00.000Z"
    gone = f"sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role\ne1,tobedeleted,{dated},k1,s1,u1,student\n"
    absent = dict.fromkeys(FILES, "absent")
    bundle(tmp_path, {"manifest.csv": manifest(**absent | {"enrollments": "delta"}), "enrollments.csv": gone})
    page, *rest = changes()
    assert [document.id for document in page.documents] == ["e1"]
    reading = OneRosterCsvConnector(settings, Context("springfield")).read(page.documents[0])
    assert reading.records[0].gone and isinstance(rest[-1], Cursor) and rest[-1].value != cursor
    bundle(tmp_path, whole(orgs=ORGS.replace("Lincoln", "Washington")))
    with pytest.raises(FullPullNeeded):
        changes()


def test_the_newest_zip_of_a_folder_counts(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    import os

    for age, name in ((100, "b.zip"), (50, "a.zip")):
        path = bundle(drop, whole(orgs=ORGS.replace("Lincoln", name)), name)
        os.utime(path, (1_790_000_000 - age,) * 2)
    assert Came(drop).records["org", "s1"].name == "a.zip"


def test_files_in_one_folder_of_the_zip_are_read_and_that_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(zipped(*((f"roster 2026/{name}", str(content).encode()) for name, content in whole().items())))
    came = Came(path)
    assert set(came.records) == WHOLE and came.told == {"in-a-folder": ["bundle.zip"]}


def test_what_opens_an_account_is_not_read_whatever_its_column_is_called(tmp_path: Path) -> None:
    header, *rows = USERS.splitlines()
    more = ["PIN", "Initial password", "metadata.passphrase", "metadata._password", "metadata.bus"]
    users = "\n".join([",".join([header, *more]), *(f"{row},secret-word,secret-word,secret-word,secret-word,7" for row in rows), ""])
    came = Came(bundle(tmp_path, whole(users=users)))
    assert came.records["user", "u1"].extra["metadata"] == {"bus": "7"}
    assert "secret-word" not in repr(came.records) and came.passwords == []
