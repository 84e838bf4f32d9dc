"""What goes wrong at a source, over real sockets: a fault that passes is lived with, one that lasts fails the run in one line, and
neither takes anybody away."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from syncd.contract.connector import Context
from syncd.http import session
from syncd.http.retry import Patience
from syncd.sandbox import District, running
from syncd.store import roster
from tests.journeys.synced import Synced

CLEVER, ONEROSTER = "clever-3.1", "oneroster-1.2-oauth2"

PASSING: list[dict[str, Any]] = [
    {"effect": "status", "status": 500},
    {"effect": "status", "status": 502},
    {"effect": "status", "status": 503, "retry_after": 1},
    {"effect": "status", "status": 429, "retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"},
    {"effect": "status", "status": 429, "retry_after": "soon"},
    {"effect": "slow", "seconds": 5},
    {"effect": "drip", "bytes": 20, "seconds": 0.3},
    {"effect": "cut", "bytes": 4000, "ending": "length"},
    {"effect": "cut", "bytes": 4000, "ending": "close"},
    {"effect": "reset"},
    {"effect": "garbage"},
]
LASTING: list[tuple[dict[str, Any], str]] = [
    *((fault, "times in a row") for fault in PASSING if fault.get("status") != 429),
    ({"effect": "status", "status": 429, "retry_after": 86400}, "asked to wait 86400 seconds"),
    ({"effect": "status", "status": 401}, "refused the credentials (401)"),
    ({"effect": "status", "status": 400}, "answered 400"),
    ({"effect": "status", "status": 204, "body": ""}, "answered 204"),
    ({"effect": "login"}, "sent a web page"),
    ({"effect": "shape"}, "did not send a list of users"),
    ({"effect": "shape", "body": {"error": "quota"}}, "did not send a list of users"),
    ({"effect": "shape", "body": []}, "did not send a list of users"),
]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real time limits, but short ones; waits between tries are not waited."""
    monkeypatch.setattr(session, "Patience", lambda: Patience(tries=3, connect=2, read=1.5, deadline=2))
    monkeypatch.setattr(Context, "wait", lambda self, seconds: None)


def _name(value: object) -> str | None:
    return "-".join(str(part) for part in value.values()) if isinstance(value, dict) else None


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("dialect", [CLEVER, ONEROSTER])
@pytest.mark.parametrize("fault", PASSING, ids=_name)
def test_a_fault_that_passes_is_lived_with(fault: dict[str, Any], dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=40, seed=31)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        sandbox.fault(path="/users", times=1, **fault)
        assert source.sync().state == "applied"
        assert source.differences() == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("dialect", [CLEVER, ONEROSTER])
@pytest.mark.parametrize(("fault", "told"), LASTING, ids=_name)
def test_a_fault_that_lasts_fails_the_run_and_changes_nothing(
    fault: dict[str, Any], told: str, dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(District.generate(students=40, seed=32)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        source.sync()
        before = source.everything()
        sandbox.day(1)
        sandbox.fault(path="/users", **fault)
        report = source.sync()
        assert (report.state, source.everything()) == ("failed", before)
        assert report.error and told in report.error and "\n" not in report.error and "springfield" in report.error
        sandbox.clear_faults()
        assert source.sync().state == "applied"
        assert source.differences() == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("effect", ["loop", "foreign", "first_page"])
def test_a_next_link_that_leads_astray_fails_the_run(effect: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=60, seed=33)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch, page_size=25)
        source.sync()
        before = source.everything()
        sandbox.fault(effect, path="/users")
        report = source.sync()
        assert (report.state, source.everything()) == ("failed", before)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", [{"effect": "first_page"}, {"effect": "lose", "records": 3}], ids=_name)
def test_pages_that_do_not_add_up_take_nobody_away(fault: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=60, seed=34)) as sandbox:
        source = Synced(sandbox, tmp_path, ONEROSTER, monkeypatch, page_size=25)
        source.sync()
        users = roster.active_counts(source.store, "springfield")["users"]
        sandbox.fault(path="/users", **fault)
        report = source.sync()
        assert report.doubts and report.counts["users"].deactivated == 0
        assert roster.active_counts(source.store, "springfield")["users"] == users


def test_a_server_that_is_not_there_fails_the_run_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "wait", lambda self, seconds: None)
    with running(District.generate(students=40, seed=35)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
        source.sync()
        before = source.everything()
    report = source.sync()
    assert (report.state, source.everything()) == ("failed", before)
    assert report.error and "can not be reached" in report.error


def test_a_run_that_waits_for_a_silent_source_stops_at_once_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=40, seed=36)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
        sandbox.fault("slow", path="/users", seconds=40)
        stop = threading.Event()
        threading.Timer(1.5, stop.set).start()
        began = time.monotonic()
        report = source.sync(stop=stop)
        assert report.error and "asked to stop" in report.error
        assert time.monotonic() - began < 20
