"""Who is missing from a list is asked for by id before anybody believes it."""

from pathlib import Path
from typing import Any

import pytest

from syncd.contract.connector import Context
from syncd.sandbox import District, Sandbox, running
from syncd.settings.guard import GuardSettings
from syncd.store import roster
from tests.commands import Commands
from tests.journeys.synced import Synced

CLEVER, TWO = "clever-3.1", "oneroster-1.2-oauth2"
LIST, ONE = r"/users\?", r"/users/[^/?]+"


@pytest.fixture(params=[CLEVER, TWO])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A synced source that sends no totals, so that nothing but asking tells a list with holes."""
    monkeypatch.setattr(Context, "wait", lambda self, seconds: None)
    with running(District.generate(students=40, seed=95)) as sandbox:
        sandbox.habits(total_count=False, tombstones=False)
        source = Synced(sandbox, tmp_path, request.param, monkeypatch)
        source.sync()
        yield source


def leaves(sandbox: Sandbox, source: Synced) -> str:
    """A student leaves, one in the middle of the list; the id."""
    people = sorted(
        (user.clever_id if source.expected_as.startswith("clever") else user.id, user.id)
        for user in sandbox.district.users.values()
        if user.grades and not user.gone and not user.guardians
    )
    seen, name = people[0]
    sandbox.delete("users", name)
    return seen


def users(source: Synced) -> int:
    return roster.active_counts(source.store, "springfield")["users"]


def asked(source: Synced) -> int:
    return sum("/users/" in seen.path for seen in source.sandbox.requests())


def test_who_slipped_between_the_pages_stays_and_who_left_goes(source: Synced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, before = leaves(source.sandbox, source), users(source)
    source.sandbox.fault("lose", pattern=LIST, records=3)
    report = source.sync()
    assert (report.state, report.counts["users"].confirmed, report.counts["users"].deactivated) == ("applied", 3, 1)
    assert users(source) == before - 1 and asked(source) == 4
    assert roster.record(source.store, "user", gone)[0]["status"] == "inactive"
    syncd = Commands(source.sandbox, tmp_path, monkeypatch, source.expected_as)
    assert "3 users were missing from the list, but are there when asked for: they stay." in syncd("runs", "show", report.run).out
    source.sandbox.clear_faults()
    source.sync()
    assert source.differences() == []


def test_when_more_are_missing_than_may_be_asked_for_one_who_is_there_speaks_for_all(source: Synced) -> None:
    before = users(source)
    limits = GuardSettings(confirm=2, max_deactivations="100%", max_deactivations_per_school="100%")
    source.sandbox.fault("lose", pattern=LIST, records=10)
    report = source.sync(limits=limits)
    assert asked(source) == 2
    assert [(held.rule, held.count) for held in report.held if held.kind == "users"] == [("unconfirmed", 8)]
    assert users(source) == before


def test_who_can_not_be_asked_for_stays_and_that_is_told(source: Synced) -> None:
    gone, before = leaves(source.sandbox, source), users(source)
    source.sandbox.fault("lose", pattern=LIST, records=1)
    source.sandbox.fault("status", pattern=f"/users/{gone}", status=403)
    report = source.sync()
    assert (report.counts["users"].confirmed, report.counts["users"].deactivated) == (1, 0)
    assert "of the missing users, 1 could not be asked for" in report.doubts
    assert users(source) == before


def test_a_source_that_lets_nobody_be_asked_for_is_believed(source: Synced) -> None:
    gone, before = leaves(source.sandbox, source), users(source)
    source.sandbox.fault("status", pattern=ONE, status=403)
    report = source.sync()
    assert (report.state, report.counts["users"].deactivated, users(source)) == ("applied", 1, before - 1)
    assert roster.record(source.store, "user", gone)[0]["status"] == "inactive"


def test_a_source_that_fails_while_it_is_asked_takes_nobody_away(source: Synced) -> None:
    leaves(source.sandbox, source)
    before = users(source)
    source.sandbox.fault("status", pattern=ONE, status=503)
    report = source.sync()
    assert (report.state, report.counts["users"].deactivated, users(source)) == ("applied", 0, before)
    assert "of the missing users, 1 could not be asked for" in report.doubts
    source.sandbox.clear_faults()
    source.sandbox.fault("reset", pattern=ONE)
    assert (source.sync().state, users(source)) == ("failed", before)
    source.sandbox.clear_faults()
    assert source.sync().counts["users"].deactivated == 1
    assert source.differences() == []


def test_a_source_that_shall_not_be_asked_is_not(source: Synced) -> None:
    leaves(source.sandbox, source)
    report = source.sync(limits=GuardSettings(confirm=0))
    assert (asked(source), report.counts["users"].deactivated) == (0, 1)
