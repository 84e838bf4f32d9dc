"""What waits for a person, what does not, and what a person's answer does: each of the sandbox's scenarios, over real sockets."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from syncd.errors import CanNotUndo, NothingHeld
from syncd.report import Mode, RunReport
from syncd.sandbox import District, Sandbox, running
from syncd.settings.guard import GuardSettings, QuietSettings
from syncd.store import roster, runs
from syncd.store.tables import ROSTER
from syncd.store.tables import runs as runs_table
from syncd.words import held_sentence
from tests.journeys.synced import Synced

CLEVER, ONEROSTER = "clever-3.1", "oneroster-1.2-oauth2"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Three schools."""
    with running(District.generate(students=150, seed=41, schools=3)) as served:
        yield served


@pytest.fixture(params=[CLEVER, ONEROSTER])
def source(sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Synced:
    found = Synced(sandbox, tmp_path, request.param, monkeypatch)
    assert found.sync().state == "applied"
    return found


def rules(report: RunReport) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for held in report.held:
        found.setdefault(held.kind, set()).add(held.rule)
    return found


def active(source: Synced, kind: str = "users") -> int:
    return roster.active_counts(source.store, "springfield")[kind]


@pytest.mark.fault("V2")
@pytest.mark.parametrize("mode", [Mode.FULL, Mode.INCREMENTAL])
def test_a_mass_removal_waits_and_the_rest_is_applied(source: Synced, mode: Mode) -> None:
    before = active(source)
    source.sandbox.rehearse("mass-removal")
    source.sandbox.day(1)
    report = source.sync(mode=mode)
    assert report.state == "held"
    assert rules(report)["users"] == {"max_deactivations"}
    assert active(source) >= before, "newcomers come, nobody goes"
    assert report.counts["users"].created > 0 and report.counts["users"].updated > 0
    [held] = [held for held in report.held if held.kind == "users"]
    sentence = held_sentence(held)
    assert "students would be deactivated" in sentence and f"{held.org_count} of them at {held.org_name}" in sentence
    approved = source.approve(report.run)
    assert (approved.state, approved.left_out, approved.requests) == ("applied", 0, 0)
    assert source.differences() == []
    settled = runs.get(source.store, report.run)
    assert (settled.state, settled.settled_by) == ("applied", approved.run)
    with pytest.raises(NothingHeld):
        source.approve(report.run)


def test_what_is_rejected_is_dropped_and_held_again_by_the_next_full_pull(source: Synced) -> None:
    source.sandbox.rehearse("mass-removal")
    first = source.sync()
    before = active(source)
    source.reject(first.run)
    assert runs.get(source.store, first.run).state == "rejected"
    with pytest.raises(NothingHeld):
        source.reject(first.run)
    again = source.sync()
    assert (again.state, active(source)) == ("held", before)


def test_a_newer_full_pull_supersedes_a_hold(source: Synced) -> None:
    source.sandbox.rehearse("mass-removal")
    first = source.sync()
    second = source.sync()
    assert runs.get(source.store, first.run).settled_by == second.run
    with pytest.raises(NothingHeld, match=f"settled by run {second.run}"):
        source.approve(first.run)
    assert source.approve(second.run).state == "applied"
    assert source.differences() == []


@pytest.mark.fault("V9")
def test_who_came_back_before_the_approval_stays(source: Synced) -> None:
    """Approved after the roster has moved on: what no longer stands is left out, and said."""
    source.sandbox.rehearse("mass-removal")
    first = source.sync()
    gone = {change["id"] for change in runs.held_changes_of(source.store, first.run) if change["kind"] == "user"}
    someone = next(
        user.id
        for user in source.sandbox.district.users.values()
        if user.gone and (user.id in gone or user.clever_id in gone) and any(role.role == "student" for role in user.roles)
    )
    source.sandbox.put("users", id=someone, given_name="Reappeared")
    moved = source.sync(mode=Mode.INCREMENTAL)
    assert moved.counts["users"].updated >= 1
    if source.expected_as.startswith("clever"):
        approved = source.approve(first.run)
        assert approved.left_out >= 1
    else:
        # The overlap brought everybody again, so that the newer run holds what is still to be held.
        assert runs.get(source.store, first.run).settled_by == moved.run
        source.approve(moved.run)
    assert source.differences() == []


@pytest.mark.fault("V1")
def test_an_empty_roster_takes_nobody_away(source: Synced) -> None:
    before = source.everything()
    source.limits = GuardSettings(confirm=0, max_deactivations="100%", max_deactivations_per_school="100%")
    source.sandbox.rehearse("empty-roster")
    report = source.sync()
    assert report.state == "held"
    assert rules(report)["users"] == rules(report)["sections"] == {"empty"}
    assert source.everything() == before
    source.sandbox.rehearse("calm")
    assert source.sync().state == "applied"
    assert source.everything() == before


@pytest.mark.fault("V3")
def test_a_vanished_school_waits_however_small_it_is(source: Synced) -> None:
    before = source.everything()
    source.limits = GuardSettings(max_deactivations="100%", max_deactivations_per_school="100%")
    source.sandbox.rehearse("vanished-school")
    report = source.sync()
    assert rules(report)["orgs"] == {"school-gone"}
    assert "school-gone" in rules(report)["users"]
    assert "school-gone" in rules(report)["sections"]
    lost = {held.org_id for held in report.held if held.kind == "orgs"}
    after = source.everything()
    for record, then in zip(after["users"], before["users"], strict=True):
        assert record["status"] == then["status"] or not lost & {role["org_id"] for role in then["roles"]}
    [told] = [held_sentence(held) for held in report.held if held.kind == "orgs"]
    assert "a whole school never goes by itself" in told
    assert source.approve(report.run).state == "applied"
    assert source.differences() == []


def test_a_token_that_lost_its_rights_takes_nobody_away(source: Synced) -> None:
    before = active(source)
    source.sandbox.rehearse("lost-rights")
    report = source.sync()
    assert report.state in ("applied", "held", "failed")
    assert report.doubts or report.error
    assert active(source) == before
    source.sandbox.rehearse("calm")
    assert source.sync().state == "applied"
    assert source.differences() == []


def test_summer_takes_nothing_down_by_itself_and_the_new_year_supersedes_the_hold(source: Synced) -> None:
    sections = active(source, "sections")
    source.sandbox.rehearse("summer-rollover")
    report = source.sync(quiet=QuietSettings.model_validate({"from": "2027-06-10", "to": "2027-08-25"}), today=date(2027, 7, 1))
    assert report.state == "held" and active(source, "sections") == sections
    source.sandbox.rehearse("new-year")
    autumn = source.sync(today=date(2027, 9, 1))
    assert runs.get(source.store, report.run).settled_by == autumn.run
    assert autumn.counts["sections"].created > 0 and autumn.counts["enrollments"].created > 0
    assert source.approve(autumn.run).state == "applied"
    assert source.differences() == []


def test_in_the_quiet_period_newcomers_come_and_nobody_goes(source: Synced) -> None:
    quiet = QuietSettings.model_validate({"from": "2027-06-10", "to": "2027-08-25"})
    source.sandbox.day(2)
    report = source.sync(quiet=quiet, today=date(2027, 7, 1))
    assert {rule for found in rules(report).values() for rule in found} <= {"quiet", "depends"}
    assert report.counts["users"].created and report.counts["users"].deactivated == 0
    assert source.sync(quiet=quiet, today=date(2027, 9, 1)).state == "applied"
    assert source.differences() == []


@pytest.mark.fault("D3")
@pytest.mark.parametrize("allowed", [False, True])
def test_a_new_sis_keeps_the_people(source: Synced, allowed: bool) -> None:
    source.limits = GuardSettings(rekey="apply" if allowed else "hold")
    before = {record["student_number"]: record["id"] for record in roster.records(source.store, "user")}
    someone = before["200050"]
    source.sandbox.rehearse("sis-migration")
    report = source.sync()
    held = {held.action for held in report.held if held.kind == "users"}
    assert ("rekey" in held) is not allowed
    approved = report
    for _ in range(3):
        if approved.state != "held":
            break
        approved = source.approve(approved.run)
        approved = approved if approved.state == "failed" else source.sync()
    assert approved.state == "applied"
    assert source.differences() == []
    [student] = [record for record in roster.records(source.store, "user") if record["student_number"] == "200050"]
    assert student["id"] != someone
    history = runs.history(source.store, "user", student["id"], "springfield")
    assert [change.action for change in history] == ["create", "rekey"]
    assert history[0].record_id == someone, "the history goes on under the new id"


def a_student(source: Synced, **fields: Any) -> str:
    """A new student of the first school; the id that the roster will have."""
    school = next(role.org for user in source.sandbox.district.users.values() for role in user.roles if role.role == "student")
    user = source.sandbox.put("users", roles=[{"role": "student", "org": school}], **fields)
    return str(user.clever_id if source.expected_as.startswith("clever") else user.id)


def remove(source: Synced, record_id: str) -> None:
    users = source.sandbox.district.users.values()
    source.sandbox.delete("users", next(user.id for user in users if record_id in (user.id, user.clever_id)))


def test_who_could_be_one_of_several_waits_until_a_person_pairs_them(source: Synced) -> None:
    born = {"birth_date": "2012-03-04", "email": "twin@students.springfield.example", "family_name": "Okafor", "given_name": "Ada"}
    old = a_student(source, number="900001", **born)
    source.sync()
    remove(source, old)
    one, two = a_student(source, number="900001", **born), a_student(source, number="900002", **born)
    report = source.sync()
    assert rules(report)["users"] == {"same-person"}
    told = [row for row in runs.quarantined(source.store, "springfield") if row["rule"] == "same-person"]
    assert {row["document_id"]: row["field"] for row in told} == {one: old, two: old}
    status = {record["id"]: record["status"] for record in source.everything()["users"]}
    assert (status[old], one in status, two in status) == ("active", False, False), "the child is still there under the old id"
    with pytest.raises(NothingHeld, match="does not hold that user"):
        source.approve(report.run, same={two: one})
    assert source.approve(report.run, same={old: two}).state == "applied"
    assert source.differences() == []
    history = runs.history(source.store, "user", two, "springfield")
    assert [(change.record_id, change.action) for change in history] == [(old, "create"), (two, "rekey")]
    inner = next(user.id for user in source.sandbox.district.users.values() if old in (user.id, user.clever_id))
    somebody = {"family_name": "Lindqvist", "given_name": "Per", "birth_date": "2013-08-09", "number": "900009", "email": None}
    source.sandbox.put("users", id=inner, **somebody)
    assert source.sync().counts["users"].created == 1
    assert runs.history(source.store, "user", two, "springfield") == history, "the old id is another child's now"


def test_guardians_and_staff_without_a_number_keep_their_rows_in_a_new_sis(source: Synced) -> None:
    """Most of them, by email and name; those of whom the source tells neither are gone and new."""
    before = {record["email"]: record["created_run"] for record in created_in(source) if record["email"] and record["role"] != "student"}
    source.sandbox.rehearse("sis-migration")
    held = source.sync()
    assert source.approve(held.run).state == "applied" and source.differences() == []
    after = {record["email"]: record["created_run"] for record in created_in(source) if record["email"] in before}
    assert len([email for email in after if after[email] == before[email]]) > len(before) * 0.8


def created_in(source: Synced) -> list[dict[str, Any]]:
    users = ROSTER["user"]
    with source.store.read() as connection:
        rows = connection.execute(select(users).where(users.c.status == "active")).all()
    return [{"email": row.email, "created_run": row.created_run, "role": row.roles[0]["role"] if row.roles else None} for row in rows]


def test_what_an_approval_applied_is_taken_back_by_its_own_number(source: Synced) -> None:
    source.sandbox.rehearse("mass-removal")
    before = source.everything()
    held = source.sync()
    approved = source.approve(held.run)
    with pytest.raises(CanNotUndo, match=f"approved, and applied by run {approved.run}"):
        source.undo(held.run)
    assert source.undo(approved.run).state == "applied"
    status = {record["id"]: record["status"] for record in before["users"]}
    assert {record["id"]: record["status"] for record in source.everything()["users"]} == status
    assert source.undo(held.run).state == "applied"


def test_a_number_that_went_to_another_child_makes_no_rekey(source: Synced) -> None:
    old = a_student(source, number="900001", family_name="Okafor", given_name="Ada", birth_date="2012-03-04")
    source.sync()
    remove(source, old)
    new = a_student(source, number="900001", family_name="Lindqvist", given_name="Per", birth_date="2013-08-09")
    assert source.sync().state == "applied"
    status = {record["id"]: record["status"] for record in source.everything()["users"]}
    assert (status[old], status[new]) == ("inactive", "active")


@pytest.mark.fault("D2")
def test_an_id_that_now_means_another_child_waits(source: Synced) -> None:
    student = a_student(source, number="900001", family_name="Okafor", given_name="Ada", birth_date="2012-03-04")
    source.sync()
    inner = next(user.id for user in source.sandbox.district.users.values() if student in (user.id, user.clever_id))
    source.sandbox.put("users", id=inner, family_name="Okafor-Berg", number="900007")
    assert source.sync().state == "applied", "a new family name and number is a change of one child"
    source.sandbox.put("users", id=inner, number="900002", family_name="Lindqvist", given_name="Per", birth_date="2013-08-09")
    report = source.sync()
    assert rules(report) == {"users": {"another-person"}}
    [kept] = [record for record in source.everything()["users"] if record["id"] == student]
    assert kept["student_number"] == "900007"
    assert source.approve(report.run).state == "applied"
    assert source.differences() == []


@pytest.mark.fault("V7")
def test_sections_that_lose_their_students_keep_them_and_the_report_says_so(source: Synced) -> None:
    before = active(source, "enrollments")
    emptied = set()
    for enrollment in list(source.sandbox.district.enrollments.values()):
        if enrollment.role == "student" and not enrollment.gone and len(emptied | {enrollment.section}) <= 70:
            emptied.add(enrollment.section)
            source.sandbox.delete("enrollments", enrollment.id)
    report = source.sync()
    assert "max_deactivations" in rules(report)["enrollments"] and active(source, "enrollments") == before
    assert report.quality["no-student"] >= 60
    assert {row["field"] for row in runs.quarantined(source.store, "springfield") if row["rule"] == "no-student"} == {"students"}


@pytest.mark.fault("V6")
def test_a_limit_counts_over_a_rolling_day(source: Synced) -> None:
    most = 40
    source.limits = GuardSettings(max_deactivations="100%", max_deactivations_per_school="100%", users={"max_deactivations": most})
    students = [user.id for user in source.sandbox.district.users.values() if not user.gone and user.roles[0].role == "student"]
    gone, report = 0, source.sync()
    while report.state == "applied":
        gone += report.counts["users"].deactivated
        for _ in range(5):
            source.sandbox.delete("users", students.pop())
        report = source.sync()
    [held] = [held for held in report.held if held.rule == "max_deactivations"]
    assert {held.rule for held in report.held} <= {"max_deactivations", "depends"}
    assert gone <= most and held.count <= most < gone + held.count, "neither was too much by itself"
    with source.store.write() as connection:
        # As if those runs had been yesterday.
        then = datetime.now(UTC) - timedelta(hours=25)
        connection.execute(update(runs_table).values(finished_at=then))
        connection.exec_driver_sql("UPDATE users SET deactivated_at = '2026-01-01 00:00:00.000000' WHERE status = 'inactive'")
    assert source.sync().state == "applied"
    assert source.differences() == []


def test_what_a_person_approved_does_not_use_up_the_day(source: Synced) -> None:
    source.sandbox.rehearse("mass-removal")
    held = source.sync()
    source.approve(held.run)
    source.sandbox.day(1)
    assert source.sync().state == "applied"


def test_hold_all_holds_everything(source: Synced) -> None:
    before = source.everything()
    source.limits = GuardSettings(when_held="hold-all")
    source.sandbox.rehearse("mass-removal")
    source.sandbox.day(1)
    report = source.sync()
    assert (report.state, source.everything()) == ("held", before)
    assert sum(counts.created + counts.updated + counts.deactivated for counts in report.counts.values()) == 0
    assert source.approve(report.run).state == "applied"
    assert source.differences() == []


@pytest.mark.fault("V4")
def test_a_wrong_district_is_not_let_in_beside_the_right_one(source: Synced, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = source.everything()
    with running(District.generate(students=150, seed=99, schools=3)) as other:
        wrong = Synced(other, tmp_path, CLEVER if source.expected_as.startswith("clever") else ONEROSTER, monkeypatch)
        report = wrong.sync()
    assert report.state == "held"
    assert rules(report)["users"] >= {"max_creations"}
    after = {record["id"]: record["status"] for record in source.everything()["users"]}
    assert after == {record["id"]: record["status"] for record in before["users"]}


@pytest.mark.fault("V5")
def test_a_field_renamed_at_the_source_waits(source: Synced) -> None:
    before = active(source)
    with source.sandbox.district.lock:
        for user in source.sandbox.district.users.values():
            user.given_name = f"Renamed {user.given_name}"
        source.sandbox.district.changed()
    report = source.sync()
    assert rules(report)["users"] == {"max_updates"}
    assert report.counts["users"].updated == 0 and active(source) == before


def test_who_is_missing_from_the_list_but_there_when_asked_for_stays(source: Synced) -> None:
    before = active(source)
    source.sandbox.fault("lose", path="/users", records=3, after=0)
    source.sandbox.habits(total_count=False)
    report = source.sync()
    assert active(source) == before
    confirmed = report.counts["users"].confirmed
    assert confirmed == 3 or report.doubts, "either all three answered, or the list was known to be short"


def test_a_dry_run_shows_what_would_be_held(source: Synced) -> None:
    before = source.everything()
    source.sandbox.rehearse("mass-removal")
    report = source.sync(dry_run=True)
    assert report.state == "planned" and report.held
    assert source.everything() == before
    with pytest.raises(NothingHeld):
        source.approve(report.run)


def test_the_log_of_a_hold_names_nobody(source: Synced, strict_logs: Any) -> None:
    source.sandbox.rehearse("vanished-school")
    report = source.sync()
    assert report.state == "held" and "held" in strict_logs.getvalue()
