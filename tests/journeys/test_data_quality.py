"""What a source sends wrong is told by id and never by value, and the roster stays as good as it was."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from syncd.report import Mode, RunReport
from syncd.sandbox import District, Sandbox, running
from syncd.store import roster, runs
from syncd.words import OF_FILES, REASONS
from tests.commands import Commands
from tests.journeys.synced import Synced

CLEVER, TWO = "clever-3.1", "oneroster-1.2-oauth2"
# Stands for a number that no reader takes.
VAST = "vast"


def lists(sandbox: Sandbox, resource: str) -> list[dict[str, Any]]:
    """What the sandbox's Clever lists now."""
    answer = requests.get(
        f"{sandbox.clever_url}/v3.1/{resource}?limit=10000", headers={"Authorization": f"Bearer {sandbox.token}"}, timeout=10
    )
    return [item["data"] for item in answer.json()["data"]]


def serve(sandbox: Sandbox, resource: str, documents: list[Any]) -> None:
    """From now on Clever lists these instead. As bytes of our own making, since they may be no decent JSON."""
    body = json.dumps({"data": [{"data": document} for document in documents], "links": []}).replace(f'"{VAST}"', "1e999")
    sandbox.fault("shape", path=f"/{resource}?", body=body)


@dataclass
class Wrong:
    """A district of which much is wrong, as it was first pulled and as it then came."""

    report: RunReport
    rows: dict[tuple[str, str | None], dict[str, Any]]
    before: dict[str, dict[str, Any]]
    after: dict[str, dict[str, Any]]
    ids: dict[str, str]
    sandbox: Sandbox
    folder: Path


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wrong]:
    """One of each rule, in one pull."""
    folder, monkeypatch = tmp_path_factory.mktemp("wrong"), pytest.MonkeyPatch()
    with running(District.generate(students=40, seed=81)) as sandbox:
        source = Synced(sandbox, folder, CLEVER, monkeypatch)
        source.sync()
        before = by_id(source)
        students = [user for user in lists(sandbox, "users") if "student" in user["roles"]]
        gone = students[0]
        sandbox.delete("users", next(user.id for user in sandbox.district.users.values() if user.clever_id == gone["id"]))
        ids = spoil(sandbox, gone)
        report = source.sync()
        rows = {(row["rule"], row["document_id"]): row for row in runs.quarantined(source.store, "springfield")}
        yield Wrong(report, rows, before, by_id(source), ids, sandbox, folder)
    monkeypatch.undo()


def by_id(source: Synced) -> dict[str, dict[str, Any]]:
    return {
        record["id"]: record
        for plural in ("users", "sections", "enrollments", "terms", "courses")
        for record in source.everything()[plural]
    }


def spoil(sandbox: Sandbox, gone: dict[str, Any]) -> dict[str, str]:
    """Serve lists with one of each fault in them; the ids of those that are wrong, by rule."""
    users, sections = lists(sandbox, "users"), lists(sandbox, "sections")
    students = [user for user in users if "student" in user["roles"] and not user["roles"]["student"].get("ext")]
    broken, nameless, homeless, born, first, second, double, wizard, endless, vast = students[1:11]
    broken["name"]["first"] = VAST
    nameless["name"] = {"first": " ", "last": None}
    homeless["roles"]["student"] |= {"school": None, "schools": []}
    born["roles"]["student"]["dob"] = "2015-02-30"
    first["email"], second["email"] = "shared@example.org", "Shared@Example.org"
    wizard["roles"]["wizard"] = {}
    endless["name"]["first"] = "x" * 10_001
    vast["name"]["first"] = "x" * 2_000_000
    unseen = {**json.loads(json.dumps(double)), "id": "fffffffffffffffffffff\u200b03"}
    other = json.loads(json.dumps(double))
    other["name"]["first"] = "Other"
    # Who left comes back twice.
    twins = [{**json.loads(json.dumps(gone)), "id": f"ffffffffffffffffffffff0{number}"} for number in (1, 2)]
    serve(sandbox, "users", [*users, other, *twins, unseen])
    placeless, untaught, ghostly, deserted = sections[:4]
    placeless["school"] = None
    placeless["students"] = []
    untaught["teacher"], untaught["teachers"] = None, []
    deserted["students"] = []
    ghostly["students"].append("ffffffffffffffffffffffaa")
    serve(sandbox, "sections", sections)
    schools = lists(sandbox, "schools")
    schools[0]["district"] = schools[0]["id"]
    serve(sandbox, "schools", schools)
    serve(sandbox, "terms", [*lists(sandbox, "terms"), {"id": None, "name": "No term"}])
    serve(sandbox, "courses", [*lists(sandbox, "courses"), 7])
    return {
        "not-json": broken["id"],
        "no-name": nameless["id"],
        "no-school": homeless["id"],
        "not-a-date": born["id"],
        "two-users-one-email": first["id"],
        "two-versions": double["id"],
        "same-person": twins[0]["id"],
        "missing": placeless["id"],
        "no-teacher": untaught["id"],
        "no-student": deserted["id"],
        "unknown-word": wizard["id"],
        "too-long": endless["id"],
        "too-large": vast["id"],
        "parent-circle": schools[0]["id"],
        "no-such-record": f"{ghostly['id']}:ffffffffffffffffffffffaa:student",
    }


def test_every_rule_that_can_be_told_happened_here(wrong: Wrong) -> None:
    assert {rule for rule, _ in wrong.rows} == set(REASONS) - set(OF_FILES) == set(wrong.report.quality)


def test_every_rule_of_files_is_tried_where_files_are_read() -> None:
    tried = "".join(file.read_text(encoding="utf-8") for folder in ("connectors", "files") for file in Path("tests", folder).glob("*.py"))
    assert [rule for rule in OF_FILES if f'"{rule}"' not in tried and rule != "not-a-record"] == []


USED = ["no-name", "no-school", "not-a-date", "two-users-one-email", "no-teacher", "no-student", "same-person", "unknown-word"]


@pytest.mark.fault("D1", "D8", "D12")
@pytest.mark.parametrize("rule", USED)
def test_what_is_odd_is_used_all_the_same_and_told(rule: str, wrong: Wrong) -> None:
    record_id = wrong.ids[rule]
    assert wrong.rows[rule, record_id]["used"]
    if rule != "same-person":
        assert wrong.after[record_id] != wrong.before[record_id] or rule in ("no-teacher", "no-student")
        assert wrong.after[record_id]["status"] == "active"


@pytest.mark.parametrize("rule", ["not-json", "missing", "two-versions", "too-long", "too-large"])
def test_what_can_not_be_used_leaves_the_record_as_it_was(rule: str, wrong: Wrong) -> None:
    record_id = wrong.ids[rule]
    assert not wrong.rows[rule, record_id]["used"]
    assert wrong.after[record_id] == wrong.before[record_id]


def test_the_people_of_a_section_that_can_not_be_used_stay_in_it(wrong: Wrong) -> None:
    of_it = {key: record for key, record in wrong.before.items() if record.get("section_id") == wrong.ids["missing"]}
    assert of_it and all(wrong.after[key] == record for key, record in of_it.items())


def test_a_record_without_an_id_takes_nobody_away(wrong: Wrong) -> None:
    assert wrong.rows["no-id", None]["resource"] == "terms"
    assert wrong.rows["not-an-object", None]["resource"] == "courses"
    assert {"terms", "courses"} <= {doubt.split()[0] for doubt in wrong.report.doubts}
    assert not wrong.report.counts["terms"].deactivated and not wrong.report.counts["courses"].deactivated


def test_the_report_counts_them(wrong: Wrong) -> None:
    for rule, count in wrong.report.quality.items():
        assert count == sum(told == rule for told, _ in wrong.rows) or rule in ("no-teacher", "no-school"), rule
    counts = wrong.report.counts
    assert (counts["users"].quarantined, counts["sections"].quarantined, counts["enrollments"].quarantined) == (5, 1, 1)
    assert (counts["terms"].quarantined, counts["courses"].quarantined) == (1, 1)


def test_it_is_printed_by_id_and_reason_and_without_anybodys_name(wrong: Wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    syncd = Commands(wrong.sandbox, wrong.folder, monkeypatch)
    table, listed = (syncd("quarantine", "springfield", *option).out for option in ((), ("--csv",)))
    names = {record["family_name"] for record in wrong.before.values() if record.get("family_name")}
    for printed in (table, listed):
        assert not [name for name in names if name in printed] and "@" not in printed
        for rule, record_id in wrong.ids.items():
            assert record_id in printed and REASONS[rule] in printed, rule
    assert "waits until the missing one comes" in table and "is left as it was" in table and "is used all the same" in table
    header, *rows = csv.reader(io.StringIO(listed))
    assert header == ["list", "id", "field", "rule", "what is wrong"]
    assert sorted((row[3], row[1]) for row in rows) == sorted((rule, record_id or "") for rule, record_id in wrong.rows)


# ── enrollments of somebody who is not there yet ─────────────────────────────────────────────────────


def enroll_newcomer(sandbox: Sandbox) -> tuple[Any, Any]:
    """A new student in a section: the user and the enrollment."""
    old = next(user for user in sandbox.district.users.values() if not user.gone and user.grades)
    section = next(section for section in sandbox.district.sections.values() if section.school == old.primary_org)
    roles = [{"role": "student", "org": old.primary_org}]
    user = sandbox.put("users", given_name="Newcomer", family_name="Vega", roles=roles, primary_org=old.primary_org)
    return user, sandbox.put("enrollments", section=section.id, user=user.id, role="student")


@pytest.mark.fault("D10")
@pytest.mark.parametrize("mode", list(Mode))
def test_an_enrollment_of_nobody_waits_for_the_one_it_names_at_clever(mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=25, seed=82)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
        sandbox.day(1)
        source.sync()
        without = lists(sandbox, "users")
        user, _ = enroll_newcomer(sandbox)
        serve(sandbox, "users", without)
        report = source.sync()
        assert (report.state, report.quality["no-such-record"], report.counts["enrollments"].quarantined) == ("applied", 1, 1)
        on = source.sync(mode=Mode.INCREMENTAL)
        assert on.quality["no-such-record"] == 1, "it waits on"
        assert [row["rule"] for row in runs.quarantined(source.store, "springfield", on.run)] == ["no-such-record"]
        sandbox.clear_faults()
        sandbox.put("users", id=user.id, middle_name="Arrived")
        report = source.sync(mode=mode)
        assert (report.mode, report.quality.get("no-such-record")) == (mode, None)
        assert report.counts["enrollments"].created == 1
        assert source.differences() == []


def test_an_enrollment_of_nobody_waits_for_the_one_it_names_at_oneroster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=25, seed=83)) as sandbox:
        source = Synced(sandbox, tmp_path, TWO, monkeypatch, overlap_hours=0)
        source.sync()
        (user, enrollment), (_, other) = sorted((enroll_newcomer(sandbox) for _ in range(2)), key=lambda made: str(made[1].id))
        # The one that is taken up second lacks what the first has.
        enrollment.first_day, other.first_day = "2026-08-20", None
        sandbox.district.clock += 3_600_000
        sandbox.put("orgs", id=next(iter(sandbox.district.orgs)), name="Moved on")
        sandbox.fault("shape", path="/users?", body={"users": []})
        report = source.sync(mode=Mode.INCREMENTAL)
        assert report.mode == "incremental" and report.counts["enrollments"].quarantined == 2
        sandbox.clear_faults()
        sandbox.put("users", id=user.id, middle_name="Arrived")
        report = source.sync(mode=Mode.INCREMENTAL)
        assert report.counts["users"].created == report.counts["enrollments"].created == 1
        assert report.counts["enrollments"].quarantined == 1
        (record,) = roster.record(source.store, "enrollment", enrollment.id)
        assert record["user_id"] == user.id and record["status"] == "active"
        source.sync()
        assert source.differences() == []


def test_a_section_may_take_in_a_student_whose_own_record_can_not_be_read_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=25, seed=84)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
        source.sync()
        user = next(user for user in sandbox.district.users.values() if not user.gone and user.grades)
        mine = {found.section for found in sandbox.district.enrollments.values() if found.user == user.id}
        section = next(one for one in sandbox.district.sections.values() if one.id not in mine)
        sandbox.put("enrollments", section=section.id, user=user.id, role="student")
        users = lists(sandbox, "users")
        next(one for one in users if one["id"] == user.clever_id)["name"]["first"] = VAST
        serve(sandbox, "users", users)
        report = source.sync()
        assert report.quality["not-json"] == 1 and "no-such-record" not in report.quality
        assert report.counts["enrollments"].created == 1


def test_a_source_that_sends_all_well_has_nothing_in_quarantine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=25, seed=85)) as sandbox:
        syncd = Commands(sandbox, tmp_path, monkeypatch)
        assert syncd("sync", "springfield").code == 0
        rows: list[Any] = json.loads(syncd("quarantine", "springfield", "--json").out)["quarantine"]
        assert [row for row in rows if not row["used"]] == []
        unknown = syncd("quarantine", "springfield", "--run", 7)
        assert unknown.code == 1 and "there is no run 7" in unknown.err
