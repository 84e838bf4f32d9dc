"""What goes out comes in again: a roster that was exported and synced anew is the same roster."""

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from connectors.oneroster_csv import OneRosterCsvConnector
from connectors.templates import TemplatesConnector
from syncd.contract.connector import Connector, Context
from syncd.export import oneroster, templates
from syncd.report import Mode, RunReport
from syncd.sandbox import District, running
from syncd.settings.guard import GuardSettings
from syncd.store import Store, open_store
from syncd.sync.run import Order, run
from tests import stores
from tests.journeys.synced import Synced

FREE = GuardSettings(floor=1_000_000)


class Imported:
    """A second roster, of the files of the first."""

    def __init__(self, folder: Path, path: Path, connector: type[Connector] = OneRosterCsvConnector) -> None:
        folder.mkdir()
        self.store: Store = open_store(stores.url(folder))
        self.settings = connector.settings_model.model_validate({"path": path, "demographics": True, "still": 0})
        self.connector = connector
        self.name = "shelbyville"

    def sync(self, **options: Any) -> RunReport:
        order = Order(self.name, lambda context: self.connector(self.settings, context), **{"limits": FREE} | options)
        return run(self.store, order, Context(self.name))

    everything = Synced.everything


def content(everything: dict[str, list[dict[str, Any]]], *without: str) -> dict[str, dict[str, dict[str, Any]]]:
    """What is told of who is active, by kind and id; not by which source."""
    left_out = {"source", "deactivated_at", *without}
    for course in everything["courses"]:
        # Of a reference only the id says something.
        course["extra"].get("schoolYear", {}).update(href=None, type=None)
    return {
        kind: {
            one["id"]: {name: value for name, value in one.items() if name not in left_out} for one in records if one["status"] == "active"
        }
        for kind, records in everything.items()
    }


def differences(one: Any, other: Any) -> dict[str, int]:
    """{"kind field": in how many records}; nothing of what stands there."""
    found: Counter[str] = Counter()
    for kind in one:
        found.update(f"{kind} only on one side" for _ in one[kind].keys() ^ other[kind].keys())
        for record_id in one[kind].keys() & other[kind].keys():
            mine, theirs = one[kind][record_id], other[kind][record_id]
            found.update(f"{kind} {name}" for name in mine if name != "extra" and mine[name] != theirs[name])
            extras = mine["extra"].keys() | theirs["extra"].keys()
            found.update(f"{kind} extra.{name}" for name in extras if mine["extra"].get(name) != theirs["extra"].get(name))
    return dict(found)


def export(source: Synced, path: Path, version: str, **options: Any) -> Any:
    with path.open("wb") as file:
        return oneroster.write(source.store, source.name, version, file, **options)


@pytest.mark.parametrize(("dialect", "version"), [("oneroster-1.2-oauth2", "1.2"), ("oneroster-1.1-oauth2", "1.1")])
def test_an_exported_roster_comes_in_again_as_it_was(dialect: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=120, seed=61)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        source.sync()
        sandbox.day(3)
        assert source.sync().state == "applied"
        done = export(source, tmp_path / "out.zip", version)
        assert done.files["users"] and done.files["enrollments"] and not done.lost
        with zipfile.ZipFile(tmp_path / "out.zip") as bundle:
            assert bundle.testzip() is None and "manifest.csv" in bundle.namelist()
        again = Imported(tmp_path / "again", tmp_path / "out.zip")
        report = again.sync(mode=Mode.FULL)
        assert (report.state, report.error, report.doubts) == ("applied", None, [])
        assert differences(content(again.everything()), content(source.everything())) == {}
        report = again.sync(mode=Mode.FULL)
        assert report.changed == 0 and report.state == "applied"
        report = again.sync(mode=Mode.INCREMENTAL)
        assert (report.mode, report.changed) == ("incremental", 0)


def carried(everything: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """What templates have a place for of who is active, by what they know it by."""
    active = {kind: [one for one in records if one["status"] == "active"] for kind, records in everything.items()}
    written = {one["id"]: one["id"].partition(":")[2] or one["id"] for one in active["users"]}
    found: dict[str, dict[str, dict[str, Any]]] = {
        "orgs": {one["id"]: {name: one[name] for name in ("name", "type", "parent_id")} for one in active["orgs"]},
        "sections": {one["id"]: {name: one[name] for name in ("name", "school_id")} for one in active["sections"]},
        "people": {},
    }
    groups: dict[str, set[tuple[str, str]]] = {}
    for one in active["enrollments"]:
        groups.setdefault(one["user_id"], set()).add((one["section_id"], one["role"]))
    for one in active["users"]:
        roles = {role["role"] for role in one["roles"]}
        if not roles & {"student", "teacher", "staff", "district_admin"}:
            continue
        student = "student" in roles
        number = one["student_number"] if student else written[one["id"]]
        found["people"][f"{'student' if student else 'user'} {number}"] = {
            **{name: one[name] for name in ("given_name", "family_name", "username")},
            **({name: one[name] for name in ("state_id", "birth_date", "grades")} if student else {"email": one["email"]}),
            # One word for each person: who also teaches is a teacher.
            "roles": {(role["role"], role["org_id"]) for role in one["roles"] if role["role"] == "teacher" or "teacher" not in roles},
            "groups": groups.get(one["id"], set()),
        }
    return found


@pytest.mark.parametrize("dialect", ["oneroster-1.2-oauth2", "clever-3.1"])
def test_what_templates_have_a_place_for_comes_in_again_as_it_was(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=120, seed=62)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        source.sync()
        sandbox.day(3)
        assert source.sync().state == "applied"
        with (tmp_path / "out.zip").open("wb") as file:
            done = templates.write(source.store, source.name, file)
        assert set(done.files) == {"organizations", "groups", "users", "students"} and done.files["students"] > 100
        assert done.lost["a guardian"] and done.lost["a course"] and done.lost["a student's email"]
        assert done.lost["a further role of a person"]
        again = Imported(tmp_path / "again", tmp_path / "out.zip", TemplatesConnector)
        report = again.sync(mode=Mode.FULL)
        assert (report.state, report.error, report.doubts) == ("applied", None, [])
        came, was = carried(again.everything()), carried(source.everything())
        assert {kind: came[kind].keys() ^ was[kind].keys() for kind in was} == {kind: set() for kind in was}
        for kind, records in was.items():
            for record_id, record in records.items():
                assert [name for name in record if came[kind][record_id][name] != record[name]] == [], f"{kind} {record_id}"
        assert (again.sync(mode=Mode.FULL).changed, again.sync(mode=Mode.INCREMENTAL).changed) == (0, 0)
        with (tmp_path / "again.zip").open("wb") as file:
            templates.write(again.store, again.name, file)
        third = Imported(tmp_path / "third", tmp_path / "again.zip", TemplatesConnector)
        third.sync(mode=Mode.FULL)
        assert differences(content(again.everything()), content(third.everything())) == {}


def test_who_leaves_a_full_file_goes_and_who_leaves_another_stays(tmp_path: Path) -> None:
    """A daemon would do just this: a folder in which files are replaced."""
    (folder := tmp_path / "files").mkdir()

    def put(names: list[str], *, everything: bool) -> None:
        mark = "<DeleteUnlistedRecords>\n" if everything else ""
        header = "StudentNumber,FirstName,LastName,Username,Grade,OrganizationNumber,GroupNumber\n"
        rows = "".join(f"{name},A,{name},{name},3,s1,g1\n" for name in names)
        (folder / "students.csv").write_text(mark + header + rows)
        (folder / "users.csv").write_text(
            f"{mark}UserNumber,FirstName,LastName,Username,Role,OrganizationNumber,GroupNumber\n7,O,C,o,Teacher,s1,g1\n"
        )
        (folder / "groups.csv").write_text(f"{mark}GroupNumber,GroupName,OrganizationNumber\ng1,Algebra,s1\n")
        (folder / "organizations.csv").write_text(f"{mark}OrganizationNumber,OrganizationName\ns1,Lincoln\n")

    def active(kind: str) -> set[str]:
        return {one["id"] for one in district.everything()[kind] if one["status"] == "active"}

    district = Imported(tmp_path / "held", folder, TemplatesConnector)
    put(["1", "2", "3"], everything=True)
    assert district.sync().state == "applied" and active("users") == {"user:7", "student:1", "student:2", "student:3"}
    put(["3", "4"], everything=False)
    report = district.sync(mode=Mode.INCREMENTAL)
    assert (report.mode, report.state) == ("incremental", "applied")
    assert active("users") == {"user:7", "student:1", "student:2", "student:3", "student:4"}
    assert report.changed == 2, "one student, with one group"
    put(["3", "4"], everything=False)
    assert district.sync(mode=Mode.FULL).changed == 0, "also a full pull takes nobody away by such a file"
    put(["3", "4"], everything=True)
    assert district.sync().state == "applied"
    assert active("users") == {"user:7", "student:3", "student:4"} and active("enrollments") == {
        "g1/user:7",
        "g1/student:3",
        "g1/student:4",
    }
