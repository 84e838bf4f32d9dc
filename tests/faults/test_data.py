"""The data rows of docs/faults.md: odd records served by the sandbox, through the real connectors into a real store."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.cli.quarantine import harmless
from syncd.contract.connector import Context
from syncd.http import session
from syncd.http.mend import mended
from syncd.roster.fields import day, moment, storable, text
from syncd.sandbox import District, Sandbox, clever_records, oneroster_records, running
from syncd.sandbox.district import clever_id_of
from syncd.store import roster, runs
from syncd.sync.run import Order, run
from tests.faults.commands import configure, syncd
from tests.journeys.synced import Synced

CLEVER, ONEROSTER = "clever-3.1", "oneroster-1.2-oauth2"
BOTH = pytest.mark.parametrize("dialect", [CLEVER, ONEROSTER])
LISTS = {
    CLEVER: {"orgs": "/schools", "terms": "/terms", "sections": "/sections", "users": "/users"},
    ONEROSTER: {"orgs": "/orgs", "terms": "/academicSessions", "sections": "/classes", "users": "/users", "enrollments": "/enrollments"},
}


class Odd(Synced):
    """A source whose documents can be bent."""

    def __init__(self, sandbox: Sandbox, folder: Path, dialect: str, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        super().__init__(sandbox, folder, dialect, monkeypatch, **settings)
        self.dialect = dialect
        self.clever = dialect == CLEVER

    def students(self) -> list[Any]:
        """The district's students who are in a section, as the sandbox knows them."""
        district = self.sandbox.district
        seated = {found.user for found in district.enrollments.values() if found.role == "student" and not found.gone}
        return [user for name in sorted(seated) if not (user := district.users[name]).gone]

    def id(self, kind: str, record: Any) -> str:
        if not self.clever:
            return str(record.id)
        return clever_id_of(record, "student") if kind == "users" else str(record.clever_id)

    def document(self, kind: str, record: Any) -> dict[str, Any]:
        """What the source sends of a record."""
        if self.clever:
            return clever_records.document(self.sandbox.district, kind, record, "student" if kind == "users" else "")
        return oneroster_records.document(self.sandbox.district, kind, record, "1.2")

    def named(self, user: Any, name: Any, **more: Any) -> dict[str, Any]:
        """A student's document with another given name; OneRoster's date is left out unless `more` has one."""
        sent = self.document("users", user)
        if self.clever:
            sent["name"] = {**sent["name"], "first": name}
        else:
            sent |= {"givenName": name}
            sent.pop("dateLastModified")
        return {**sent, **more}

    def say(self, kind: str, *documents: dict[str, Any] | str, effect: str = "replace", path: str | None = None) -> None:
        """Send these documents from now on, in the place of those of the same ids, or beside them (`add`)."""
        texts = [one if isinstance(one, str) else json.dumps(one) for one in documents]
        self.sandbox.fault(effect, path=path or LISTS[self.dialect][kind], documents=texts)

    def held(self, kind: str, record_id: str) -> dict[str, Any]:
        (found,) = roster.record(self.store, kind, record_id, "springfield")
        return found

    def told(self) -> set[tuple[str | None, str]]:
        """(id, rule) of all that the latest run could not use, or found odd."""
        return {(row["document_id"], row["rule"]) for row in runs.quarantined(self.store, "springfield")}


@contextmanager
def odd(dialect: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *, seed: int, students: int = 30, **settings: Any) -> Iterator[Odd]:
    """A source after its first sync."""
    with running(District.generate(students=students, seed=seed)) as sandbox:
        source = Odd(sandbox, folder, dialect, monkeypatch, **settings)
        assert source.sync().state == "applied"
        yield source


def nobody_went(report: Any) -> bool:
    return all(counts.deactivated == 0 for counts in report.counts.values()) and not report.held


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


# ── D4, D5: shapes and sizes ──────────────────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.fault("D4")
def test_a_number_for_a_text_is_the_text_and_what_makes_no_sense_is_no_value(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=46) as source:
        one, two = source.students()[:2]
        numbered, emptied = source.named(one, 1017.0), source.named(two, {"x": ["y"]})
        if source.clever:
            emptied |= {"roles": {**emptied["roles"], "staff": None}, "email": ["a"]}
        else:
            emptied |= {"grades": {"grade": 5}, "email": ["a"], "agents": "x", "userIds": [None, 3]}
        source.say("users", numbered, emptied)
        report = source.sync()
        assert report.state == "applied" and nobody_went(report)
        assert source.held("user", source.id("users", one))["given_name"] == "1017"
        found = source.held("user", source.id("users", two))
        assert (found["given_name"], found["email"], found["family_name"]) == (None, None, two.family_name)
        assert {role["role"] for role in found["roles"]} == {"student"}


@BOTH
@pytest.mark.fault("D4")
def test_a_record_without_an_id_is_told_and_takes_nobody_away(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=47) as source:
        student = source.students()[0]
        sent = source.document("users", student)
        sent.pop("id" if source.clever else "sourcedId")
        source.sandbox.delete("users", student.id)
        source.sandbox.habits(tombstones=False, total_count=False)
        source.say("users", sent, effect="add")
        report = source.sync()
        assert report.counts["users"].deactivated == 0 and any("without an id" in doubt for doubt in report.doubts)
        assert (None, "no-id") in source.told()
        assert source.held("user", source.id("users", student))["status"] == "active"


@BOTH
@pytest.mark.fault("D5")
def test_a_monstrous_record_is_quarantined_and_stops_nobody_else(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "wait", lambda self, seconds: None)
    with odd(dialect, tmp_path, monkeypatch, seed=48, students=40) as source:
        ill = source.students()[:6]
        well = source.students()[6]
        ids = [source.id("users", user) for user in ill]
        before = [source.held("user", record_id) for record_id in ids]
        marked = [json.dumps(source.named(user, "Rowan", odd="HERE")) for user in ill]
        monsters = [
            marked[0].replace('"Rowan"', f'"{"x" * 10_000_000}"'),
            marked[1].replace('"HERE"', f"[{','.join(['7'] * 1_000_000)}]"),
            marked[2].replace('"HERE"', "[" * 10_000 + "]" * 10_000),
            marked[3].replace('"HERE"', "NaN"),
            marked[4].replace('"HERE"', "9" * 5_000),
            marked[5].replace('"Rowan"', f'"{"x" * 20_000}"'),
        ]
        nameless = marked[0].replace(f'"{ids[0]}"', f'"{"z" * 300}"')
        source.say("users", *monsters, source.named(well, "Linden", odd=10**30), nameless)
        report = source.sync()
        assert report.state == "applied" and nobody_went(report), report.error
        rules = ["too-large", "too-large", "not-json", "not-json", "not-json", "too-long"]
        assert source.told() >= set(zip(ids, rules, strict=True)) | {("z" * 255, "unusable-id")}
        assert [source.held("user", record_id) for record_id in ids] == before
        found = source.held("user", source.id("users", well))
        assert (found["given_name"], found["extra"]["odd"]) == ("Linden", str(10**30))


@BOTH
@pytest.mark.fault("D5")
def test_a_reference_that_is_longer_than_any_id_names_nobody(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=65) as source:
        endless, section = "z" * 300, next(iter(source.sandbox.district.sections.values()))
        before = source.everything()
        if source.clever:
            sent = source.document("sections", section)
            source.say("sections", {**sent, "students": [*sent["students"], endless]})
        else:
            parts = {"user": {"sourcedId": endless}, "class": {"sourcedId": section.id}, "role": "student"}
            source.say("enrollments", {"sourcedId": "late", **parts}, effect="add")
        report = source.sync()
        assert report.state == "applied" and nobody_went(report) and source.everything() == before
        assert ((section.clever_id, "unusable-id") if source.clever else ("late", "missing")) in source.told()


@pytest.mark.fault("D5")
@pytest.mark.parametrize("whole", [b'{"data":[NaN,{"a":"x\ty\\ud800"}]}', b'{"data":[' + b"[" * 9_000 + b"]" * 9_000 + b"]}"])
def test_an_answer_that_is_cut_off_is_never_mended_into_a_whole_one(whole: bytes) -> None:
    assert session._is_json(mended(whole)) and not session._is_json(whole)
    for end in {*range(1, min(len(whole), 60)), len(whole) // 2, len(whole) - 1}:
        assert not session._is_json(mended(whole[:end]))


# ── D6, D7: characters ────────────────────────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.fault("D6")
def test_what_nobody_can_see_is_dropped_and_makes_no_update_each_day(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "wait", lambda self, seconds: None)
    with odd(dialect, tmp_path, monkeypatch, seed=49) as source:
        one, two, three = source.students()[:3]
        sent = json.dumps(source.named(one, "NAME")).replace("NAME", "R\\u0000o\\u001b[31mw\\u202ea\\u200bn\\ud800\\u0085\\nB.\tC.")
        source.say("users", sent, source.named(two, "\u200bLin\ufeffden\u0007"), json.dumps(source.named(three, "می\u200cخواهم")))
        report = source.sync()
        assert report.state == "applied" and nobody_went(report), report.error
        assert source.held("user", source.id("users", one))["given_name"] == "Ro[31mwan B. C."
        assert source.held("user", source.id("users", two))["given_name"] == "Linden"
        assert source.held("user", source.id("users", three))["given_name"] == "می\u200cخواهم"
        assert source.sync().counts["users"].updated == 0


@BOTH
@pytest.mark.fault("D6")
def test_an_id_with_an_invisible_character_is_nobody_elses(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=50) as source:
        student = source.students()[0]
        record_id = source.id("users", student)
        before = source.everything()
        twin = {**source.named(student, "Rowan"), "id" if source.clever else "sourcedId": record_id[:2] + "\u200b" + record_id[2:]}
        source.say("users", twin, effect="add")
        report = source.sync()
        assert nobody_went(report) and source.everything() == before
        assert (record_id, "unusable-id") in source.told()


@pytest.mark.fault("D6")
@given(st.text() | st.text("\x00\x1b\u202e\u200b\ud800é\u0301 \n", max_size=20))
def test_any_text_is_kept_in_a_form_that_every_database_takes_and_stays_the_same(sent: str) -> None:
    kept = text(sent)
    if kept is not None:
        kept.encode()
        assert kept == kept.strip() and not set(kept) & set(map(chr, [*range(32), *range(127, 160), 0x202E, 0x200B]))
    assert text(kept) == kept and storable({"x": sent}) == ({"x": kept} if kept else None)


@BOTH
@pytest.mark.fault("D7")
def test_names_of_all_scripts_are_kept_as_sent_and_both_spellings_of_a_letter_are_one(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["Zoë 🎒", "שירה", "İpek Işık", "Kaʻiulani", "\ufa19", "Nguyễn"]
    with odd(dialect, tmp_path, monkeypatch, seed=51) as source:
        people = source.students()[: len(names)]
        for user, name in zip(people, names, strict=True):
            source.sandbox.put("users", id=user.id, given_name=name)
        assert source.sync().counts["users"].updated == len(names)
        assert [source.held("user", source.id("users", user))["given_name"] for user in people] == names
        # The same names, decomposed; the Japanese letter, which Unicode would put another in place of, stays as it is.
        twins = ["Zoe\u0308 🎒", "שירה", "I\u0307pek Is\u0327ık".replace("s\u0327", "ş"), "Kaʻiulani", "\ufa19", "Nguye\u0302\u0303n"]
        for user, name in zip(people, twins, strict=True):
            source.sandbox.put("users", id=user.id, given_name=name)
        assert source.sync().counts["users"].updated == 0
        found = syncd(configure(tmp_path, source.sandbox), "roster", "users", "--search", "Zoe\u0308", "--json")
        assert [user["given_name"] for user in json.loads(found.stdout)["records"]] == [names[0]]


# ── D8, D17: days and times ───────────────────────────────────────────────────────────────────────────

GAP = "2027-03-14T02:30:00-06:00"  # an hour that the clocks of Chicago leave out


@BOTH
@pytest.mark.fault("D8")
def test_a_day_that_no_calendar_has_is_no_value_and_told(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=52) as source:
        terms = [term for term in source.sandbox.district.terms.values() if source.clever is False or term.type == "semester"][:2]
        starts, ends = ("start_date", "end_date") if source.clever else ("startDate", "endDate")
        one, two = (source.document("terms", term) for term in terms)
        source.say(
            "terms", {**one, starts: "2026-02-30", ends: "9999-12-31"}, {**two, starts: "0001-01-01", ends: "2027-03-14T02:30:00-06:00"}
        )
        report = source.sync()
        assert report.state == "applied" and nobody_went(report)
        first, second = (source.held("term", source.id("terms", term)) for term in terms)
        last = ("9999-12-31", "2027-03-14") if source.clever else ("9999-12-30", "2027-03-13")
        assert (first["start_date"], second["start_date"], first["end_date"], second["end_date"]) == (None, "0001-01-01", *last)
        assert source.told() >= {(first["id"], "not-a-date")}
        assert source.sync().counts["terms"].updated == 0


@pytest.mark.fault("D8")
def test_versions_dated_in_the_first_year_or_without_a_zone_are_compared_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with odd(ONEROSTER, tmp_path, monkeypatch, seed=53) as source:
        student = source.students()[0]
        old = source.named(student, "Linden", dateLastModified="0001-01-01T00:00:00")
        source.say("users", source.named(student, "Rowan", dateLastModified="2026-09-01 08:00:00"), old)
        assert source.sync().state == "applied"
        assert source.held("user", student.id)["given_name"] == "Rowan"


@pytest.mark.fault("D8")
@pytest.mark.parametrize(
    "sent", ["2026-02-30", "9999-12-32", "0000-01-01", "2026-13-01", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "٢", 7, {}]
)
def test_no_date_whatever_it_is_breaks_a_reader(sent: Any) -> None:
    found, at = day(sent)[0], moment(sent)
    assert found is None or len(found) == 10
    assert at is None or at.tzinfo is UTC


@pytest.mark.fault("D17")
def test_a_record_dated_in_the_future_does_not_move_the_cursor_behind_changes_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with odd(ONEROSTER, tmp_path, monkeypatch, seed=54) as source:
        student, other = source.students()[:2]
        source.say("users", source.named(student, "Rowan", dateLastModified="2999-01-01T00:00:00Z"))
        assert source.sync().state == "applied"
        with source.store.read() as connection:
            cursor = runs.cursor(connection, "springfield")
        assert datetime.fromisoformat(cursor["modified"]) < datetime.now(UTC)
        source.sandbox.clear_faults()
        source.sandbox.put("users", id=other.id, given_name="Linden")
        assert source.sync(mode="incremental").mode == "incremental"
        assert source.held("user", other.id)["given_name"] == "Linden"


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


# ── D14: words ────────────────────────────────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.fault("D14")
def test_a_role_that_nobody_has_heard_of_is_kept_and_told_and_further_fields_do_no_harm(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with odd(dialect, tmp_path, monkeypatch, seed=63) as source:
        student = source.students()[0]
        sent = source.document("users", student) | {"favouriteColour": "blue", "ext_nothing": None}
        if source.clever:
            sent["roles"]["wizard"] = {"schools": []}
        else:
            sent["roles"].append({"role": "Wizard", "roleType": "secondary"})
            sent["status"] = "frozen"
        source.say("users", sent)
        report = source.sync()
        assert report.state == "applied" and nobody_went(report)
        record_id = source.id("users", student)
        found = source.held("user", record_id)
        assert {role["role"].lower() for role in found["roles"]} == {"student", "wizard"}
        assert found["extra"]["favouriteColour"] == "blue" and found["status"] == "active"
        assert (record_id, "unknown-word") in source.told()
        assert report.quality["unknown-word"] == (1 if source.clever else 2)


# ── D16: formulas ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("D16")
def test_a_formula_is_stored_as_sent_and_is_only_text_in_the_list_for_the_vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formulas = ['=HYPERLINK("https://collector.example.com","x")', "+1+1", "-2+3", "@SUM(A1)", "＝1+1", "=1+1\t", "\t=1+1", "a=1"]
    with odd(ONEROSTER, tmp_path, monkeypatch, seed=64) as source:
        student = source.students()[0]
        source.sandbox.put("users", id=student.id, family_name=formulas[0])
        nobody = {"user": {"sourcedId": "nobody"}, "class": {"sourcedId": "none"}, "role": "student"}
        source.say("enrollments", *({"sourcedId": formula, **nobody} for formula in formulas[:5]), effect="add")
        source.say("orgs", *({"sourcedId": f"{formula}\u200b"} for formula in formulas), effect="add")
        assert source.sync().state == "applied"
        assert source.held("user", student.id)["family_name"] == formulas[0]
        printed = syncd(configure(tmp_path, source.sandbox), "quarantine", "springfield", "--csv").output
    cells = [cell for row in csv.reader(io.StringIO(printed)) for cell in row]
    assert {cell for cell in cells if cell.strip().startswith(("=", "+", "-", "@", "＝"))} == set()
    assert {f"'{formula}" for formula in formulas[:5]} <= set(cells) and "a=1" in cells


@pytest.mark.fault("D16")
@pytest.mark.parametrize(("cell", "shown"), [("\t=1", "'\\x09=1"), ("\r@x", "'\\x0d@x"), ("\n+1", "'\\x0a+1"), ("a-1", "a-1"), ("", "")])
def test_blanks_before_a_formula_do_not_hide_it(cell: str, shown: str) -> None:
    assert harmless(cell) == shown
