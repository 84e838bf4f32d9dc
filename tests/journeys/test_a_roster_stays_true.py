"""The main promise: after a sync the store equals the source, and each difference between two syncs is explained."""

import io
import threading
from pathlib import Path

import pytest

from syncd.contract.connector import Context
from syncd.errors import AlreadyRunning
from syncd.sandbox import District, running
from syncd.store import lease, roster, runs
from syncd.sync.run import Order, run
from tests.journeys.synced import DIALECTS, Synced


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_store_equals_the_source_through_three_school_days(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=150, seed=7)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        assert source.sync().state == "applied"
        assert source.differences() == []
        again = source.sync()
        for counts in again.counts.values():
            assert (counts.created, counts.updated, counts.reactivated, counts.deactivated) == (0, 0, 0, 0)
        before = {record["id"]: record for record in roster.records(source.store, "user", status="all")}
        sandbox.day(3)
        report = source.sync()
        assert report.state == "applied"
        assert source.differences() == []
        after = {record["id"]: record for record in roster.records(source.store, "user", status="all")}
        explained = {change.record_id for change in runs.changes_of(source.store, report.run, kind="user")}
        different = {record_id for record_id, record in after.items() if before.get(record_id) != record}
        assert different == explained
        assert before.keys() <= after.keys(), "a record was deleted"


def test_nothing_is_missed_when_pages_are_cut_to_500_without_totals_or_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=900, seed=8)) as sandbox:
        sandbox.habits(cap=500, total_count=False, link=False)
        source = Synced(sandbox, tmp_path, "oneroster-1.2-oauth2", monkeypatch, page_size=5000)
        assert source.sync().state == "applied"
        assert source.differences() == []


def test_odd_shapes_are_read_like_plain_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=100, seed=9)) as sandbox:
        source = Synced(sandbox, tmp_path, "oneroster-1.1-oauth2", monkeypatch)
        source.sync()
        sandbox.habits(booleans="upper", missing="null", hrefs="relative", single_values=True, enums="mixed", timestamps="space")
        report = source.sync()
        assert report.counts["users"].created == 0
        assert report.counts["users"].deactivated == 0
        assert source.differences() == []


@pytest.mark.parametrize("dialect", ["clever-3.1", "oneroster-1.2-oauth2"])
def test_a_run_that_fails_on_its_last_page_leaves_the_roster_as_it_was(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(District.generate(students=120, seed=10)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        source.sync()
        before = list(roster.records(source.store, "user", status="all"))
        sandbox.day(2)
        last = "/users" if dialect.startswith("clever") else "/demographics"
        sandbox.fault("status", path=last, status=400)
        report = source.sync()
        assert report.state == "failed"
        assert report.error and "400" in report.error and "\n" not in report.error
        assert list(roster.records(source.store, "user", status="all")) == before
        sandbox.clear_faults()
        assert source.sync().state == "applied"
        assert source.differences() == []


def test_a_source_that_suddenly_sends_nothing_deactivates_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=120, seed=11)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        source.sync()
        held_before = roster.active_counts(source.store, "springfield")
        sandbox.fault("lose", path="/users")
        report = source.sync()
        assert report.state == "held"
        assert [held.rule for held in report.held if held.kind == "users"] == ["empty"]
        assert roster.active_counts(source.store, "springfield")["users"] == held_before["users"]


def test_a_list_that_is_no_longer_shared_is_left_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=120, seed=12)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        source.sync()
        sandbox.fault("status", path="/sections", status=403)
        report = source.sync()
        assert report.state == "applied"
        assert report.doubts
        assert report.counts["sections"].deactivated == 0
        assert report.counts["enrollments"].deactivated == 0


def test_a_dry_run_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=60, seed=13)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        report = source.sync(dry_run=True)
        assert report.state == "planned"
        assert report.counts["users"].created > 60
        assert roster.active_counts(source.store, "springfield")["users"] == 0


def test_the_second_of_two_runs_of_a_source_is_told_that_one_is_going_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=60, seed=14)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        with lease.hold(source.store, "springfield"), pytest.raises(AlreadyRunning, match="already going on"):
            source.sync()
        assert source.sync().state == "applied"


def test_a_run_that_is_asked_to_stop_applies_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=60, seed=15)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        stop = threading.Event()
        order = Order("springfield", source.connect, on_step=lambda _step: stop.set())
        report = run(source.store, order, Context("springfield", stop=stop))
        assert report.state == "failed"
        assert report.error and "asked to stop" in report.error
        assert roster.active_counts(source.store, "springfield")["orgs"] == 0


def test_no_name_email_or_token_reaches_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strict_logs: io.StringIO) -> None:
    with running(District.generate(students=80, seed=16)) as sandbox:
        source = Synced(sandbox, tmp_path, "oneroster-1.2-oauth2", monkeypatch)
        source.sync()
        sandbox.day(1)
        sandbox.fault("cut", path="/users", times=1, bytes=500, ending="length")
        monkeypatch.setattr(Context, "wait", lambda self, seconds: None)
        report = source.sync()
        assert report.state == "applied"
        kept = [f"{line.event} {line.fields}" for line in runs.log_lines(source.store, report.run)]
        text = strict_logs.getvalue() + "\n".join(kept)
        assert "run started" in text and "retrying" in text
        people = sandbox.expected("oneroster-1.2", "users", status="all")
        canaries = {person[name] for person in people for name in ("email", "username") if person[name]}
        canaries |= {f"{person['given_name']} {person['family_name']}" for person in people}
        canaries |= {person["family_name"] for person in people if len(person["family_name"] or "") > 5}
        canaries |= {sandbox.client_secret}
        assert [canary for canary in canaries if canary in text] == []
