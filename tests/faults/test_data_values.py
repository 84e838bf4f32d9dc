"""The data rows of docs/faults.md that are about what stands in a record: shapes, letters, days, words, through the real connectors."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.contract.connector import Context
from syncd.export import lists
from syncd.http import session
from syncd.http.mend import mended
from syncd.roster.fields import day, moment, storable, text
from syncd.store import runs
from tests.commands import configure, syncd
from tests.faults.odd import BOTH, ONEROSTER, nobody_went, odd

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
        assert [user["given_name"] for user in json.loads(found.out)["records"]] == [names[0]]


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
        printed = syncd(configure(tmp_path, source.sandbox), "quarantine", "springfield", "--csv").out
    cells = [cell for row in csv.reader(io.StringIO(printed)) for cell in row]
    assert {cell for cell in cells if cell.strip().startswith(("=", "+", "-", "@", "＝"))} == set()
    assert {f"'{formula}" for formula in formulas[:5]} <= set(cells) and "a=1" in cells


@pytest.mark.fault("D16")
@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("\t=1", "'\\x09=1"),
        ("\r@x", "'\\x0d@x"),
        ("\n+a", "'\\x0a+a"),
        ("＠x", "'＠x"),
        ("+1 555 010", "+1 555 010"),
        ("a-1", "a-1"),
        ("", ""),
    ],
)
def test_blanks_before_a_formula_do_not_hide_it(cell: str, shown: str) -> None:
    assert lists.shown(cell) == shown
