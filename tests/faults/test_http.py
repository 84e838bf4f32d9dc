"""What a source may answer instead of what was asked: each is told in one line, none is taken for an empty list."""

import io
import time
from pathlib import Path
from typing import Any

import pytest

from connectors.clever import CleverConnector
from connectors.clever.settings import CleverSettings
from syncd.report import Mode
from syncd.secret import Secret
from tests.faults.ordeal import CLEVER, ONEROSTER, SIGNED, asked, fails, impatient, loses_nobody, recovers, synced
from tests.journeys.synced import Synced

LISTS = {
    CLEVER: {
        "schools": ("orgs",),
        "terms": ("terms",),
        "courses": ("courses",),
        "sections": ("sections", "enrollments"),
        "users": ("users",),
    },
    ONEROSTER: {
        "orgs": ("orgs",),
        "academicSessions": ("terms",),
        "courses": ("courses",),
        "classes": ("sections",),
        "users": ("users",),
        "enrollments": ("enrollments",),
        "demographics": (),
    },
}


def by_client(source: Synced) -> None:
    """The source signs in with the app's id and secret, and asks for the district's token."""
    sandbox = source.sandbox
    chosen = CleverSettings(
        url=sandbox.url, token_url=sandbox.clever_token_url, client_id=Secret(env="I"), client_secret=Secret(env="S"), demographics=True
    )
    source.connect = lambda context: CleverConnector(chosen, context)


# -- asked to wait -------------------------------------------------------------------------------------------


@pytest.mark.fault("H1")
@pytest.mark.parametrize(("dialect", "status"), [(CLEVER, 429), (ONEROSTER, 503)])
def test_a_source_that_asks_to_wait_is_waited_for_to_the_second_and_no_try_is_lost(
    dialect: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(dialect, tmp_path, monkeypatch) as source:
        waits = impatient(monkeypatch, tries=2)
        source.sandbox.fault("status", path="/users", status=status, retry_after=7, times=5)
        assert source.sync().state == "applied"
        assert waits == [7] * 5 and source.differences() == []


@pytest.mark.fault("H1")
def test_a_source_that_asks_to_wait_again_and_again_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(CLEVER, tmp_path, monkeypatch) as source:
        waits = impatient(monkeypatch, most_asked=300)
        source.sandbox.fault("status", path="/users", status=429, retry_after=100)
        fails(source, "answered 429 and asked to wait, 4 times in a row")
        assert waits == [100] * 3
        recovers(source)


@pytest.mark.fault("H1")
def test_the_last_request_before_a_limit_waits_for_the_next_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(CLEVER, tmp_path, monkeypatch) as source:
        waits = impatient(monkeypatch)
        told = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 40)}
        source.sandbox.fault("headers", path="/users", headers=told, times=1)
        recovered = source.sync()
        assert recovered.state == "applied" and len(waits) == 1 and 35 < waits[0] <= 40


@pytest.mark.fault("H2")
def test_a_wait_that_makes_no_sense_is_our_own_and_one_of_years_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(CLEVER, tmp_path, monkeypatch) as source:
        waits = impatient(monkeypatch)
        for asked_for in ("Wed, 21 Oct 2015 07:28:00 GMT", "soon", -5, 0):
            source.sandbox.fault("status", path="/users", status=429, retry_after=asked_for)
            fails(source, "answered 429, 2 times in a row")
            source.sandbox.clear_faults()
        assert len(waits) == 4 and all(0.5 <= seconds <= 30 for seconds in waits)
        for asked_for, told in ((315_360_000, "asked to wait 315360000 seconds"), ("Fri, 31 Dec 2100 23:59:59 GMT", "asked to wait 2")):
            source.sandbox.fault("status", path="/users", status=429, retry_after=asked_for)
            fails(source, f"answered 429 and {told}")
            source.sandbox.clear_faults()
        assert len(waits) == 4
        recovers(source)


@pytest.mark.fault("H2")
def test_a_date_to_wait_for_is_by_the_sources_own_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(CLEVER, tmp_path, monkeypatch) as source:
        waits = impatient(monkeypatch)
        clocks = {"date": "Fri, 31 Dec 1999 23:59:29 GMT", "retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}
        source.sandbox.fault("status", path="/users", status=503, headers=clocks, times=1)
        assert source.sync().state == "applied" and waits == [30]


@pytest.mark.fault("H3", "H4")
@pytest.mark.parametrize(("dialect", "status"), [(CLEVER, 429), (ONEROSTER, 503), (CLEVER, 500)])
def test_a_source_in_trouble_is_asked_again_after_growing_waits_and_then_left_alone(
    dialect: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(dialect, tmp_path, monkeypatch) as source:
        waits = impatient(monkeypatch, tries=4)
        source.sandbox.fault("status", path="/users", status=status, times=3)
        assert source.sync().state == "applied" and source.differences() == []
        assert len(waits) == 3 and all(0.5 <= seconds <= 4 for seconds in waits)
        source.sandbox.day()
        source.sandbox.fault("status", path="/users", status=status)
        for _ in range(2):
            fails(source, f"answered {status}, 4 times in a row")
        recovers(source)


# -- signing in ----------------------------------------------------------------------------------------------


@pytest.mark.fault("H5")
@pytest.mark.parametrize("way", ["oneroster", "clever"])
def test_a_token_that_ends_in_the_middle_of_a_run_is_renewed_once(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER if way == "oneroster" else CLEVER, tmp_path, monkeypatch) as source:
        if way == "clever":
            by_client(source)

        def end() -> None:
            source.sandbox.revoke_tokens()
            source.sandbox.change_token("another-token")

        source.when("courses", end)
        before = asked(source.sandbox, "/oauth/")
        assert source.sync().state == "applied"
        assert source.differences() == []
        assert asked(source.sandbox, "/oauth/") == before + 2


@pytest.mark.fault("H5")
@pytest.mark.parametrize("way", ["oneroster", "clever", "token"])
def test_a_second_refusal_ends_the_run(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER if way == "oneroster" else CLEVER, tmp_path, monkeypatch) as source:
        waits = impatient(monkeypatch)
        if way == "clever":
            by_client(source)
        before = asked(source.sandbox, "/users"), asked(source.sandbox, "/oauth/")
        source.sandbox.fault("status", path="/users", status=401)
        fails(source, "refused the credentials (401)")
        tries = {"oneroster": (2, 2), "clever": (1, 2), "token": (1, 0)}[way]
        assert (asked(source.sandbox, "/users") - before[0], asked(source.sandbox, "/oauth/") - before[1]) == tries
        assert waits == []
        recovers(source)


@pytest.mark.fault("H5")
@pytest.mark.parametrize("way", ["oneroster", "clever"])
def test_a_token_that_can_not_be_renewed_is_not_taken_for_a_list_that_is_not_shared(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(ONEROSTER if way == "oneroster" else CLEVER, tmp_path, monkeypatch) as source:
        if way == "clever":
            by_client(source)

        def end() -> None:
            source.sandbox.revoke_tokens()
            source.sandbox.change_token("another-token")
            source.sandbox.fault("status", path="/oauth/", status=404)

        source.when("courses", end)
        fails(source, "answered 404 to /oauth/token")
        recovers(source)


@pytest.mark.fault("H5")
def test_credentials_that_end_while_missing_records_are_asked_for_take_nobody_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(CLEVER, tmp_path, monkeypatch) as source:
        source.sync()
        child = next(user for user in source.sandbox.district.users.values() if user.roles[0].role == "student" and not user.gone)
        source.sandbox.delete("users", child.id)
        source.sandbox.fault("status", pattern="/users/[0-9a-f]", status=401)
        fails(source, "refused the credentials (401)")
        recovers(source)


@pytest.mark.fault("H6")
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("dialect", [CLEVER, SIGNED])
def test_refused_credentials_are_tried_once(dialect: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(dialect, tmp_path, monkeypatch) as source:
        waits, before = impatient(monkeypatch), len(source.sandbox.requests())
        source.sandbox.fault("status", status=status)
        alone = dialect == SIGNED and status == 403
        fails(source, "gives none of the collections" if alone else f"refused the credentials ({status})")
        # With 403, a list may be forbidden and another not: each is asked for once. Clever's events come before its lists.
        assert len(source.sandbox.requests()) - before == (7 if alone else 2 if (dialect, status) == (CLEVER, 403) else 1)
        assert waits == []
        recovers(source)


@pytest.mark.fault("H6")
@pytest.mark.parametrize("way", ["oneroster", "clever"])
def test_a_secret_that_is_wrong_is_tried_once(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER if way == "oneroster" else CLEVER, tmp_path, monkeypatch) as source:
        waits, right = impatient(monkeypatch), source.connect
        if way == "clever":
            by_client(source)
        for status in (401, 403, 400, 404):
            if status == 401:
                monkeypatch.setenv("S", "not-the-right-one")
            else:
                source.sandbox.fault("status", path="/oauth/", status=status)
            before = len(source.sandbox.requests())
            fails(source, f"refused the credentials ({status})" if status in (401, 403) else f"answered {status} to /oauth/token")
            assert len(source.sandbox.requests()) == before + 1 and waits == []
            monkeypatch.setenv("S", source.sandbox.client_secret)
            source.sandbox.clear_faults()
        source.connect = right
        recovers(source)


# -- lists that are not to be had ------------------------------------------------------------------------------


@pytest.mark.fault("H7")
@pytest.mark.parametrize("dialect", LISTS)
def test_a_list_that_is_no_longer_shared_leaves_its_kind_as_it_is(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(dialect, tmp_path, monkeypatch) as source:
        for name in LISTS[dialect]:
            _left_alone(source, dialect, name, 403)
        recovers(source)


@pytest.mark.fault("H8")
@pytest.mark.parametrize(("dialect", "name"), [(CLEVER, "sections"), (ONEROSTER, "enrollments")])
def test_a_list_that_is_not_found_is_not_taken_for_an_empty_one(
    dialect: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(dialect, tmp_path, monkeypatch) as source:
        _left_alone(source, dialect, name, 404)
        recovers(source)


def _left_alone(source: Synced, dialect: str, name: str, status: int) -> None:
    """After another school day, the list of that name is refused: its kinds stay as they are, the others follow the source."""
    kinds = LISTS[dialect][name]
    source.sandbox.day()
    source.sandbox.fault("status", pattern=rf"/{name}(\?|$)", status=status)
    before = source.everything()
    report = loses_nobody(source, *kinds)
    source.sandbox.clear_faults()
    assert [name in doubt and str(status) in doubt for doubt in report.doubts] == [True], name
    after = source.everything()
    # Users may be told of by other lists.
    assert all(after[kind] == before[kind] for kind in kinds if kind != "users"), name


@pytest.mark.fault("H8")
@pytest.mark.parametrize(("dialect", "told"), [(CLEVER, "answered 404 to /v3.1/districts"), (ONEROSTER, "gives none of the collections")])
def test_an_address_where_nothing_is_fails_the_run(dialect: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(dialect, tmp_path, monkeypatch) as source:
        source.sandbox.fault("status", pattern="^/(v3|ims)", status=404, body="<html>Cannot GET</html>")
        fails(source, told)
        recovers(source)


# -- answers that are no lists ---------------------------------------------------------------------------------

NO_LISTS: list[tuple[dict[str, Any], str]] = [
    ({"effect": "login"}, "sent a web page where data was asked for"),
    ({"effect": "status", "status": 200, "body": "Please sign in."}, "cut off or not JSON"),
    ({"effect": "shape", "body": {"error": "quota"}}, "did not send a list of users"),
    ({"effect": "shape", "body": {"errors": [], "message": "quota"}}, "did not send a list of users"),
    ({"effect": "shape", "body": []}, "did not send a list of users"),
    ({"effect": "status", "status": 200, "body": "null"}, "did not send a list of users"),
    ({"effect": "status", "status": 204, "body": ""}, "answered 204"),
    ({"effect": "status", "status": 206}, "answered 206"),
    ({"effect": "status", "status": 302}, "answered 302"),
]


@pytest.mark.fault("H9", "H10")
@pytest.mark.parametrize("dialect", [CLEVER, ONEROSTER])
def test_what_is_no_list_is_never_an_empty_one(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(dialect, tmp_path, monkeypatch) as source:
        impatient(monkeypatch)
        for fault, told in NO_LISTS:
            source.sandbox.fault(path="/users", **fault)
            fails(source, told)
            source.sandbox.clear_faults()
        recovers(source)


@pytest.mark.fault("H9", "H10")
@pytest.mark.parametrize("way", ["oneroster", "clever"])
def test_a_token_endpoint_that_gives_no_token_fails_the_run(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER if way == "oneroster" else CLEVER, tmp_path, monkeypatch) as source:
        if way == "clever":
            by_client(source)
        source.sandbox.fault("login", path="/oauth/")
        fails(source, "sent a web page")
        for body in ({"error": "no"}, {"data": 7}, [7], {"access_token": 7}, {"data": [7, {"data": 7}, {"access_token": "x", "owner": 7}]}):
            source.sandbox.clear_faults()
            source.sandbox.fault("shape", path="/oauth/", body=body)
            fails(source, "token")
        recovers(source)


# -- tokens that are odd -----------------------------------------------------------------------------------------


@pytest.mark.fault("H11")
def test_a_token_of_which_no_life_is_told_serves_the_whole_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch) as source:
        for told in ({}, {"expires_in": 0}, {"expires_in": -1}, {"expires_in": None}, {"expires_in": "soon"}, {"expires_in": []}):
            source.sandbox.clear_faults()
            source.sandbox.fault("shape", path="/oauth/token", body={"access_token": source.sandbox.token, "token_type": "Bearer", **told})
            before = asked(source.sandbox, "/oauth/token")
            assert source.sync().state == "applied"
            assert source.differences() == [] and asked(source.sandbox, "/oauth/token") == before + 1, told


@pytest.mark.fault("H11")
@pytest.mark.parametrize("seconds", [1, 0.01])
def test_tokens_that_end_at_once_are_no_loop(seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch) as source:
        impatient(monkeypatch)
        source.sandbox.let_tokens_last(seconds)
        before = len(source.sandbox.requests())
        report = source.sync()
        assert len(source.sandbox.requests()) - before <= 40
        if seconds == 1:
            assert report.state == "applied" and source.differences() == []
        source.sandbox.let_tokens_last(3600)
        recovers(source)


@pytest.mark.fault("H11")
def test_a_token_endpoint_that_is_silent_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch) as source:
        impatient(monkeypatch, read=0.5, deadline=1)
        source.sandbox.fault("slow", path="/oauth/token", seconds=30)
        fails(source, "did not answer in time, 2 times in a row")
        impatient(monkeypatch)
        recovers(source)


# -- changes -----------------------------------------------------------------------------------------------------


@pytest.mark.fault("H12")
def test_a_provider_that_ignores_the_filter_is_pulled_whole_and_told_of_once(
    strict_logs: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch, overlap_hours=0) as source:
        source.sandbox.day(3)
        source.sync()
        source.sandbox.habits(filter="ignore")
        for _ in range(3):
            source.sandbox.day()
            report = source.sync(mode=Mode.INCREMENTAL)
            assert (report.mode, report.state, source.differences()) == ("full", "applied", [])
        lines = [line for line in strict_logs.getvalue().splitlines() if "ignores the filter" in line]
        assert ["warning" in line for line in lines] == [True, False, False]


@pytest.mark.fault("H12")
@pytest.mark.parametrize("hours", [-10, 13])
def test_a_provider_that_reads_the_filter_in_its_own_zone_hides_no_change(
    hours: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch) as source:
        source.sync()
        source.sandbox.habits(filter_hours=hours)
        for _ in range(2):
            source.sandbox.day()
            assert source.sync(mode=Mode.INCREMENTAL).state == "applied"
            assert source.differences() == []
