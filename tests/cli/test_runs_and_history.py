"""What a run holds and what ever happened to a record, as a person at the district reads it."""

from pathlib import Path

import msgspec
import pytest

from syncd.report import Mode
from syncd.sandbox import District, running
from syncd.store import roster
from tests.commands import Commands
from tests.journeys.synced import Synced

TWO = "oneroster-1.2-oauth2"


def test_a_held_run_shows_what_waits_and_why_and_what_was_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=60, seed=75)) as sandbox:
        source = Synced(sandbox, tmp_path, TWO, monkeypatch)
        syncd = Commands(sandbox, tmp_path, monkeypatch, TWO)
        source.sync()
        sandbox.rehearse("mass-removal")
        renamed = next(user for user in sandbox.district.users.values() if not user.gone and user.email)
        sandbox.put("users", id=renamed.id, given_name="Renamed")
        run = source.sync()
        gone = next(user.id for user in sandbox.district.users.values() if user.gone and user.grades)

        short = syncd("runs", "show", run.run).out
        assert "Held, for a person to approve or reject:" in short and gone in short, "people come first"
        assert "Applied:" in short and renamed.id in short and f"… and more: syncd runs show {run.run} --changes" in short
        assert f"syncd approve {run.run}" in short and f"syncd reject {run.run}" in short
        whole = syncd("runs", "show", run.run, "--changes").out
        assert gone in whole and "of the limit max_deactivations" in whole and "and more" not in whole
        told = msgspec.json.decode(syncd("runs", "show", run.run, "--changes", "--json").out)
        assert len(told["held_changes"]) == sum(held.count for held in run.held)
        assert {change["kind"] for change in told["held_changes"]} == {"users", "enrollments"}

        waiting = f"run {run.run} would deactivate it and waits for a person: of the limit max_deactivations"
        assert waiting in syncd("history", "user", gone).out
        source.reject(run.run)
        assert waiting not in syncd("history", "user", gone).out
        answered = syncd("runs", "show", run.run).out
        assert "Rejected by a person" in answered and "Held, for a person" not in answered and "Applied:" in answered


def test_a_record_is_found_under_the_id_that_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=25, seed=76)) as sandbox:
        source = Synced(sandbox, tmp_path, TWO, monkeypatch)
        syncd = Commands(sandbox, tmp_path, monkeypatch, TWO)
        source.sync()
        number = next(user for user in sandbox.district.users.values() if user.grades and not user.gone)
        old = number.id
        sandbox.rehearse("sis-migration")
        held = source.sync()
        source.approve(held.run)
        (now,) = [user["id"] for user in roster.records(source.store, "user") if user["student_number"] == number.number]
        told = syncd("history", "user", old)
        assert told.code == 0 and f"user {old} has the id {now} now." in told.err
        assert told.out == syncd("history", "user", now).out
        assert f"id: {old} → {now}" in told.out and "create" in told.out and "rekey" in told.out
        lost = syncd("history", "user", "nobody")
        assert lost.code == 1 and "there is no user nobody" in lost.err


def test_status_tells_what_waits_until_somebody_answers_and_what_was_not_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=60, seed=77)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        syncd = Commands(sandbox, tmp_path, monkeypatch)
        source.sync()
        sandbox.rehearse("mass-removal")
        held = source.sync()
        later = source.sync(mode=Mode.INCREMENTAL)
        assert later.state == "applied"
        source.sync(dry_run=True)
        told = syncd("status").out
        assert f"{later.run} applied" in told, "a dry run says nothing of how things stand"
        assert f"run {held.run} waits (syncd approve {held.run}, or syncd reject {held.run})" in told
        assert "students would be deactivated" in told
        source.reject(held.run)
        assert "waits" not in syncd("status").out
        sandbox.rehearse("lost-rights")
        source.sync()
        source.sync(mode=Mode.INCREMENTAL)
        assert "not complete: users are not shared any more" in syncd("status").out
        sandbox.rehearse("calm")
        source.sync()
        assert "not complete" not in syncd("status").out


def test_an_approval_says_how_it_is_taken_back_and_a_superseded_run_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=60, seed=78)) as sandbox:
        source = Synced(sandbox, tmp_path, TWO, monkeypatch)
        syncd = Commands(sandbox, tmp_path, monkeypatch, TWO)
        source.sync()
        sandbox.rehearse("mass-removal")
        first, second = source.sync(), source.sync()
        refused = syncd("approve", first.run)
        assert refused.code == 2 and f"settled by run {second.run}" in refused.err
        assert "superseded" in syncd("runs").out
        done = syncd("approve", second.run)
        assert done.code == 0 and f"To take this back: syncd undo {second.run + 1}" in done.out


def test_a_run_by_hand_keeps_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=25, seed=79)) as sandbox:
        syncd = Commands(sandbox, tmp_path, monkeypatch)
        done = syncd("sync", "springfield")
        assert done.code == 0 and "run started" not in done.err
        assert "run started" in syncd("logs").out and "run finished" in syncd("logs").out


def test_a_student_is_found_by_number_and_by_the_whole_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=25, seed=80)) as sandbox:
        source = Synced(sandbox, tmp_path, TWO, monkeypatch)
        syncd = Commands(sandbox, tmp_path, monkeypatch, TWO)
        run = source.sync().run
        student = next(user for user in sandbox.district.users.values() if user.grades and not user.gone)
        for words in (student.number, f"{student.given_name} {student.family_name}"):
            for when in ((), ("--as-of", run)):
                found = msgspec.json.decode(syncd("roster", "users", "--search", words, "--json", *when).out)["records"]
                assert student.id in {record["id"] for record in found}
