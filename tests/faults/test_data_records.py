"""The data rows of docs/faults.md that are about which record is which: ids, references, and people, through the real connectors."""

from pathlib import Path

import pytest

from syncd.contract.connector import Context
from syncd.store import roster, runs
from syncd.sync.run import Order, run
from tests.faults.odd import BOTH, CLEVER, ONEROSTER, nobody_went, odd

# ── D1, D15: one id, several versions ─────────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.fault("D1")
def test_two_different_students_under_one_id_are_both_quarantined_and_the_stored_one_stands(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=41) as source:
        source.sandbox.habits(total_count=False)
        student = source.students()[0]
        record_id = source.id("users", student)
        before = source.everything()
        source.say("users", source.named(student, "Rowan"), source.named(student, "Linden"))
        report = source.sync()
        assert (report.state, report.doubts, nobody_went(report)) == ("applied", [], True)
        assert (record_id, "two-versions") in source.told() and report.counts["users"].quarantined == 1
        assert source.everything() == before


@pytest.mark.fault("D1")
def test_two_lists_of_students_for_one_section_change_no_enrollment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with odd(CLEVER, tmp_path, monkeypatch, seed=42) as source:
        section = next(iter(source.sandbox.district.sections.values()))
        before = source.everything()["enrollments"]
        sent = source.document("sections", section)
        everybody = [source.id("users", user) for user in source.students()]
        source.say("sections", {**sent, "students": everybody[:5]}, {**sent, "students": everybody[5:]})
        report = source.sync()
        assert nobody_went(report) and source.everything()["enrollments"] == before
        assert source.told() >= {(section.clever_id, "two-versions")}


@pytest.mark.fault("D1")
def test_two_birth_dates_under_one_id_leave_the_one_that_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with odd(ONEROSTER, tmp_path, monkeypatch, seed=43) as source:
        student = next(user for user in source.students() if user.birth_date)
        dates = [{"sourcedId": student.id, "birthDate": date, "sex": "female"} for date in ("2011-01-01", "2012-01-01")]
        source.say("users", *dates, path="/demographics")
        report = source.sync()
        assert nobody_went(report) and report.counts["users"].updated == 0
        assert source.held("user", student.id)["birth_date"] == student.birth_date
        assert (student.id, "two-versions") in source.told()


@pytest.mark.fault("D1", "D15")
def test_the_newest_of_dated_versions_wins_and_the_others_leave_no_guardian_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with odd(ONEROSTER, tmp_path, monkeypatch, seed=44) as source:
        student, stranger = source.students()[:2]
        guardian = source.held("user", student.id)["guardian_ids"]
        new = source.named(student, "Rowan", dateLastModified="2026-09-02T08:00:00Z", agents=[])
        old = source.named(student, "Linden", dateLastModified="2026-09-01T08:00:00Z", agents=[{"sourcedId": stranger.id, "type": "user"}])
        source.say("users", new, old)
        source.sync()
        found = source.held("user", student.id)
        assert found["given_name"] == "Rowan" and stranger.id not in found["guardian_ids"]
        assert set(found["guardian_ids"]) <= set(guardian)
        assert source.told().isdisjoint({(student.id, "two-versions")})


@pytest.mark.fault("D15")
@pytest.mark.parametrize(("ended", "status"), [("2026-09-02T08:00:00Z", "inactive"), ("2026-08-01T08:00:00Z", "active")])
def test_an_end_that_comes_before_the_record_counts_by_its_date(
    ended: str, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with odd(ONEROSTER, tmp_path, monkeypatch, seed=45) as source:
        enrollment = next(found for found in source.sandbox.district.enrollments.values() if not found.gone and found.role == "student")
        there = source.document("enrollments", enrollment)
        tombstone = {"sourcedId": enrollment.id, "status": "tobedeleted", "dateLastModified": ended}
        source.say("enrollments", tombstone, {**there, "dateLastModified": "2026-09-01T08:00:00Z"})
        report = source.sync()
        assert report.state == "applied" and source.held("enrollment", enrollment.id)["status"] == status


# ── D9, D10: references ───────────────────────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.fault("D9")
def test_schools_that_are_their_own_parents_are_told_and_walked_by_nobody(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=55) as source:
        source.sandbox.put("orgs", name="Annex", type="school", number="990")
        schools = [org for org in source.sandbox.district.orgs.values() if org.type == "school"][:2]
        first, second = (source.id("orgs", org) for org in schools)
        sent = [source.document("orgs", org) for org in schools]
        for document, parent in zip(sent, (second, first), strict=True):
            document |= {"district": parent} if source.clever else {"parent": {"sourcedId": parent, "type": "org"}}
        source.say("orgs", *sent)
        report = source.sync()
        assert report.state == "applied" and nobody_went(report)
        assert source.told() >= {(first, "parent-circle"), (second, "parent-circle")}
        assert sum(rule == "parent-circle" for _, rule in source.told()) == 2
        assert source.held("org", first)["parent_id"] == second


@BOTH
@pytest.mark.fault("D10")
def test_an_enrollment_of_nobody_waits_until_the_student_comes(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=56) as source:
        district = source.sandbox.district
        section = next(iter(district.sections.values()))
        newcomer = "f" * 24
        if source.clever:
            sent = source.document("sections", section)
            source.say("sections", {**sent, "students": [*sent["students"], newcomer]})
            enrollment = f"{section.clever_id}:{newcomer}:student"
        else:
            enrollment = "late"
            parts = {"user": {"sourcedId": newcomer}, "class": {"sourcedId": section.id}, "role": "student"}
            source.say("enrollments", {"sourcedId": enrollment, **parts}, effect="add")
        report = source.sync()
        assert report.state == "applied" and nobody_went(report)
        assert (enrollment, "no-such-record") in source.told() and report.counts["enrollments"].quarantined == 1
        assert roster.record(source.store, "enrollment", enrollment) == []
        child = source.document("users", source.students()[0])
        source.say("users", {**child, "id" if source.clever else "sourcedId": newcomer}, effect="add")
        assert source.sync().counts["enrollments"].created == 1
        assert source.held("enrollment", enrollment)["status"] == "active"


@BOTH
@pytest.mark.fault("D10")
def test_a_section_that_lost_its_school_stands_as_it_was_with_its_enrollments(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=57) as source:
        section = next(iter(source.sandbox.district.sections.values()))
        before = source.everything()
        sent = {**source.document("sections", section), "school": None}
        if source.clever:
            sent["students"] = sent["students"][1:]
        source.say("sections", sent)
        report = source.sync()
        assert report.state == "applied" and nobody_went(report) and source.everything() == before
        assert (source.id("sections", section), "missing") in source.told()
        assert not [rule for _, rule in source.told() if rule == "no-such-record"]


# ── D11, D12, D13: people ─────────────────────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.fault("D11")
def test_an_email_that_changes_its_case_is_one_update_and_no_other_person(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=58) as source:
        student = next(user for user in source.students() if user.email)
        source.sandbox.put("users", id=student.id, email=student.email.upper())
        report = source.sync()
        counts = report.counts["users"]
        assert (counts.updated, counts.created, counts.deactivated) == (1, 0, 0)
        (change,) = runs.changes_of(source.store, report.run, kind="user")
        assert (change.action, list(change.fields)) == ("update", ["email"])
        assert source.sync().counts["users"].updated == 0


@BOTH
@pytest.mark.fault("D12")
def test_two_students_with_one_email_stay_two(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=59) as source:
        one, two = [user for user in source.students() if user.email][:2]
        source.sandbox.put("users", id=two.id, email=one.email.upper())
        report = source.sync()
        assert report.counts["users"].updated == 1 and nobody_went(report)
        assert source.differences() == []
        assert source.told() >= {(source.id("users", user), "two-users-one-email") for user in (one, two)}


@BOTH
@pytest.mark.fault("D12")
def test_a_newcomer_who_gets_a_leavers_email_is_another_person(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=60) as source:
        leaver = next(user for user in source.students() if user.email)
        roles = [{"role": "student", "org": leaver.roles[0].org}]
        source.sandbox.delete("users", leaver.id)
        source.sandbox.put("users", given_name="Rowan", family_name="Ashdown", email=leaver.email, roles=roles, number="990017")
        counts = source.sync().counts["users"]
        assert (counts.created, counts.deactivated) == (1, 1) and source.differences() == []
        assert source.held("user", source.id("users", leaver))["status"] == "inactive"


@BOTH
@pytest.mark.fault("D13")
def test_a_student_who_becomes_a_teacher_or_both_is_the_same_user(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=61) as source:
        one, two = source.students()[:2]
        documents = [source.document("users", user) for user in (one, two)]
        if source.clever:
            schools = {key: documents[0]["roles"]["student"][key] for key in ("school", "schools")}
            documents[0]["roles"] = {"teacher": schools}
            documents[1]["roles"]["teacher"] = schools
        else:
            school = documents[0]["roles"][0]["org"]
            documents[0]["roles"] = [{"role": "teacher", "roleType": "primary", "org": school}]
            documents[1]["roles"].append({"role": "teacher", "roleType": "secondary", "org": school})
        source.say("users", *documents)
        report = source.sync()
        assert report.counts["users"].created == report.counts["users"].deactivated == 0 and nobody_went(report)
        held = [source.held("user", source.id("users", user)) for user in (one, two)]
        assert [sorted({role["role"] for role in user["roles"]}) for user in held] == [["teacher"], ["student", "teacher"]]


@BOTH
@pytest.mark.fault("D13")
def test_a_student_of_two_districts_is_two_records_that_touch_each_other_in_nothing(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=62) as source:
        assert run(source.store, Order("shelbyville", source.connect), Context("shelbyville")).state == "applied"
        student = source.students()[0]
        record_id = source.id("users", student)
        source.sandbox.put("users", id=student.id, given_name="Rowan")
        source.sync()
        held = roster.record(source.store, "user", record_id)
        assert [(user["source"], user["given_name"] == "Rowan") for user in held] == [("shelbyville", False), ("springfield", True)]
