"""Pulls of what changed: cheap, idempotent, and nothing is missed by them that a full pull would not bring within a day."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.clever import events
from syncd.contract.connector import Context
from syncd.report import Mode, RunReport
from syncd.sandbox import District, Sandbox, running
from syncd.settings.guard import GuardSettings
from syncd.store import roster, runs
from syncd.store.tables import ROSTER, changes, sources, user_parts, waiting
from tests.journeys.synced import Synced

CLEVER, ONE, TWO = "clever-3.1", "oneroster-1.1-oauth2", "oneroster-1.2-oauth2"
BOTH = [CLEVER, TWO]
NOTHING = (0, 0, 0, 0)


# Many school days pass within one of ours here, and a small district soon loses a few percent.
FREE = GuardSettings(max_deactivations="100%", max_deactivations_per_school="100%", max_creations="100%", max_updates="100%")


def begin(source: Synced) -> RunReport:
    """The first full pull, after a day: a district in which nothing ever happened has no events to go on from."""
    source.sandbox.day(1)
    return source.sync()


def poll(source: Synced) -> RunReport:
    return source.sync(mode=Mode.INCREMENTAL, limits=FREE)


def changed(report: RunReport) -> tuple[int, int, int, int]:
    """created, updated, reactivated, deactivated over all kinds."""
    counts = report.counts.values()
    return (
        sum(count.created for count in counts),
        sum(count.updated for count in counts),
        sum(count.reactivated for count in counts),
        sum(count.deactivated for count in counts),
    )


def asked(sandbox: Sandbox, since: int, *, tokens: bool = False) -> list[str]:
    """The requests that came after the first `since`, without those for tokens."""
    return [f"{seen.path}?{seen.query}" for seen in sandbox.requests()[since:] if tokens or not seen.path.startswith("/oauth")]


@pytest.mark.parametrize("dialect", [CLEVER, ONE, TWO])
def test_five_school_days_of_changes_alone_leave_the_roster_equal_to_the_source(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(District.generate(students=30, seed=41)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        assert begin(source).mode == "full"
        for day in range(5):
            sandbox.day(1)
            report = poll(source)
            assert (report.mode, report.state, report.held) == ("incremental", "applied", []), day
            assert source.differences() == [], day
            assert changed(report) != NOTHING
        assert changed(source.sync()) == NOTHING, "the full pull finds nothing left to do"


@pytest.mark.parametrize(("dialect", "most"), [(CLEVER, 1), (ONE, 7), (TWO, 7)])
def test_a_poll_that_finds_nothing_new_costs_next_to_nothing_and_changes_nothing(
    dialect: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(District.generate(students=30, seed=42)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        sandbox.day(2)
        source.sync()
        before, cursor, so_far = tables(source), kept_cursor(source), len(sandbox.requests())
        report = poll(source)
        assert len(asked(sandbox, so_far)) <= most
        assert (report.mode, report.state, changed(report)) == ("incremental", "applied", NOTHING)
        assert tables(source) == before
        assert kept_cursor(source) == cursor


def tables(source: Synced) -> dict[str, Any]:
    """Every row of the roster as it lies in the store, and of what hangs on it."""
    with source.store.read() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(table.select())), key=repr)
            for table in (*ROSTER.values(), changes, user_parts, waiting)
        }


def kept_cursor(source: Synced) -> Any:
    with source.store.read() as connection:
        return runs.cursor(connection, "springfield")


def school(sandbox: Sandbox) -> str:
    return str(next(org.id for org in sandbox.district.orgs.values() if org.type == "school"))


def of_every_kind(sandbox: Sandbox) -> dict[str, str]:
    """A new record of each kind, each hanging on the ones before; their ids."""
    made: dict[str, str] = {}
    top = next(org.id for org in sandbox.district.orgs.values() if org.type == "district")
    made["orgs"] = sandbox.put("orgs", name="Harbor School", type="school", parent=top).id
    made["terms"] = sandbox.put("terms", name="Trimester 1", type="term", first_day="2026-08-17", last_day="2026-11-20").id
    made["courses"] = sandbox.put("courses", name="Astronomy", number="AST1", org=made["orgs"]).id
    made["sections"] = sandbox.put(
        "sections", name="Astronomy 1", type="scheduled", school=made["orgs"], course=made["courses"], terms=[made["terms"]]
    ).id
    roles = [{"role": "student", "org": made["orgs"]}]
    made["users"] = sandbox.put("users", given_name="Vera", family_name="Rubin", roles=roles, primary_org=made["orgs"]).id
    made["enrollments"] = sandbox.put("enrollments", section=made["sections"], user=made["users"], role="student").id
    return made


NEW = {
    "orgs": {"name": "Harbour School"},
    "terms": {"last_day": "2026-11-25"},
    "courses": {"name": "Astronomy and Physics"},
    "sections": {"name": "Astronomy 1A"},
    "users": {"given_name": "Veronica"},
}


@pytest.mark.parametrize("dialect", BOTH)
def test_what_comes_changes_and_goes_is_told_of_every_kind(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=30, seed=43)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        begin(source)
        made = of_every_kind(sandbox)
        report = poll(source)
        assert {kind: counts.created for kind, counts in report.counts.items()} == dict.fromkeys(made, 1)
        assert source.differences() == []
        for kind, fields in NEW.items():
            sandbox.put(kind, id=made[kind], **fields)
            report = poll(source)
            assert report.counts[kind].updated == 1 and changed(report)[1] == 1, kind
            assert source.differences() == [], kind
        for kind in reversed(NEW):
            sandbox.delete(kind, made[kind])
            report = poll(source)
            assert report.counts[kind].deactivated == 1, kind
            assert source.differences() == [], kind


def test_the_place_in_the_events_is_taken_before_the_full_pull(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=30, seed=44)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
        sandbox.day(1)
        so_far = len(sandbox.requests())
        newest = sandbox.district.events[-1].id
        source.when("users", lambda: sandbox.day(1))
        source.sync()
        assert asked(sandbox, so_far)[0].startswith("/v3.1/events")
        assert kept_cursor(source)[""]["newest"] == newest
        assert poll(source).mode == "incremental"
        assert kept_cursor(source)[""]["newest"] == sandbox.district.events[-1].id


@pytest.mark.parametrize(("dialect", "resource"), [(CLEVER, "sections"), (CLEVER, "users"), (ONE, "enrollments"), (TWO, "demographics")])
def test_what_happens_while_a_full_pull_goes_on_comes_with_the_next_poll(
    dialect: str, resource: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(District.generate(students=30, seed=45)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch, page_size=20)
        sandbox.day(1)
        # The days that break into the pull are of today, as they would be.
        sandbox.district.clock = int(datetime.now(UTC).timestamp() * 1000)
        source.when(resource, lambda: sandbox.day(3), documents=20)
        report = source.sync()
        assert report.state == "applied"
        assert source.differences() != [], "the day did not break into the pull"
        assert poll(source).state == "applied"
        assert source.differences() == []


@pytest.mark.parametrize("dialect", BOTH)
def test_the_same_changes_again_change_nothing(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=30, seed=46)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        begin(source)
        cursor = kept_cursor(source)
        sandbox.day(2)
        assert changed(poll(source)) != NOTHING
        before = tables(source)
        put_cursor(source, cursor)
        report = poll(source)
        assert sum(counts.seen for counts in report.counts.values()) > 0, "nothing came again"
        assert (report.mode, changed(report)) == ("incremental", NOTHING)
        assert tables(source) == before


def put_cursor(source: Synced, value: Any) -> None:
    with source.store.write() as connection:
        connection.execute(sources.update().values(cursor=value))


@pytest.mark.parametrize("dialect", BOTH)
def test_who_comes_and_goes_between_two_polls_leaves_no_trace_and_who_goes_and_comes_stays(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(District.generate(students=30, seed=60)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        begin(source)
        roles = [{"role": "student", "org": school(sandbox)}]
        passing = sandbox.put("users", given_name="Pat", family_name="Vega", roles=roles, primary_org=school(sandbox))
        sandbox.delete("users", passing.id)
        back = next(user for user in sandbox.district.users.values() if user.grades and not user.gone and not user.guardians)
        sandbox.delete("users", back.id)
        sandbox.put("users", id=back.id, middle_name="Back")
        report = poll(source)
        users = report.counts["users"]
        assert (users.created, users.updated, users.reactivated, users.deactivated) == (0, 1, 0, 0)
        assert source.differences() == []


# ── Clever's events, page by page ────────────────────────────────────────────────────────────────────


def test_many_events_come_on_many_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PAGE", 5)
    with running(District.generate(students=30, seed=61)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
        begin(source)
        sandbox.day(3)
        so_far = len(sandbox.requests())
        assert poll(source).mode == "incremental"
        assert len(asked(sandbox, so_far)) > 3
        assert source.differences() == []


def test_the_end_of_the_events_is_found_also_where_it_can_not_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PAGE", 5)
    with running(District.generate(students=30, seed=62)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
        sandbox.fault("first_page", path="ending_before=last")
        begin(source)
        newest = sandbox.district.events[-1].id
        assert kept_cursor(source)[""]["newest"] == newest
        sandbox.day(1)
        assert poll(source).mode == "incremental"
        assert source.differences() == []


def test_more_events_than_are_worth_reading_mean_a_full_pull(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST", 3)
    with running(District.generate(students=30, seed=63)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
        begin(source)
        sandbox.day(2)
        assert poll(source).mode == "full"
        assert source.differences() == []


# ── when the source can not tell ─────────────────────────────────────────────────────────────────────


def warnings(log: io.StringIO) -> int:
    return sum('"pulling everything"' in line and '"warning"' in line for line in log.getvalue().splitlines())


def told_everything(log: io.StringIO) -> int:
    return log.getvalue().count('"pulling everything"')


@pytest.mark.parametrize("gone", ["forgotten", "unknown", "of an older syncd"])
def test_events_that_clever_has_forgotten_mean_a_full_pull_and_no_error(
    gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strict_logs: io.StringIO
) -> None:
    with running(District.generate(students=30, seed=47)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
        sandbox.day(1)
        source.sync()
        if gone == "unknown":
            put_cursor(source, {"": {"newest": "0" * 24, "before": None}})
        elif gone == "of an older syncd":
            put_cursor(source, {"": "0" * 24})
        # More than 30 school days are gone: the events that were read last are not kept any more.
        sandbox.day(45 if gone == "forgotten" else 1)
        report = poll(source)
        assert (report.mode, report.error) == ("full", None)
        assert warnings(strict_logs) == 1
        assert source.differences() == [] or report.held
        sandbox.day(1)
        assert poll(source).mode == "incremental", "the full pull leaves a new place to go on from"
        assert warnings(strict_logs) == 1


def test_an_app_without_events_pulls_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strict_logs: io.StringIO) -> None:
    with running(District.generate(students=30, seed=48)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
        sandbox.habits(events=False)
        source.sync()
        for _ in range(2):
            sandbox.day(1)
            assert poll(source).mode == "full"
            assert source.differences() == []
        assert warnings(strict_logs) == 0, "nothing is wrong with that"


@pytest.mark.parametrize("status", [403, 503])
def test_a_full_pull_does_not_need_the_events(status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "wait", lambda self, seconds: None)
    with running(District.generate(students=30, seed=48)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
        sandbox.day(1)
        sandbox.fault("status", path="/events", status=status)
        assert source.sync().state == "applied"
        assert kept_cursor(source) is None
        sandbox.clear_faults()
        assert poll(source).mode == "full" and poll(source).mode == "incremental"


def test_events_that_are_switched_off_at_clever_later_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=30, seed=49)) as sandbox:
        source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
        sandbox.day(1)
        source.sync()
        sandbox.habits(events=False)
        sandbox.day(1)
        assert poll(source).mode == "full", "an empty list of events says that there are none, not that nothing changed"
        assert source.differences() == []


@pytest.mark.fault("H12")
@pytest.mark.parametrize("habit", ["ignore", "refuse"])
@pytest.mark.parametrize("dialect", [ONE, TWO])
def test_a_provider_that_takes_no_filter_is_pulled_whole_and_that_is_told_once(
    habit: str, dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strict_logs: io.StringIO
) -> None:
    with running(District.generate(students=30, seed=50)) as sandbox:
        sandbox.habits(filter=habit)
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        sandbox.day(4)
        source.sync()
        for _ in range(3):
            sandbox.day(1)
            report = poll(source)
            assert (report.mode, report.error) == ("full", None)
            assert source.differences() == []
        assert (warnings(strict_logs), told_everything(strict_logs)) == (1, 3)


@pytest.mark.parametrize("status", [404, 422])
def test_any_refusal_of_a_filter_means_a_full_pull(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strict_logs: io.StringIO
) -> None:
    with running(District.generate(students=30, seed=51)) as sandbox:
        source = Synced(sandbox, tmp_path, TWO, monkeypatch)
        begin(source)
        sandbox.fault("status", path="filter=", status=status)
        for _ in range(2):
            sandbox.day(1)
            assert poll(source).mode == "full"
            assert source.differences() == []
        assert (warnings(strict_logs), told_everything(strict_logs)) == (1, 2)


def test_a_list_that_is_never_to_be_had_does_not_stop_pulls_of_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=30, seed=52)) as sandbox:
        source = Synced(sandbox, tmp_path, TWO, monkeypatch)
        sandbox.fault("status", path="/demographics", status=404)
        assert begin(source).doubts == ["demographics are not to be had (answer 404)"]
        so_far = len(sandbox.requests())
        assert poll(source).mode == "incremental"
        assert not [request for request in asked(sandbox, so_far) if "demographics" in request]


def test_a_list_that_is_shared_no_more_is_found_by_the_full_pull_that_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=30, seed=53)) as sandbox:
        source = Synced(sandbox, tmp_path, TWO, monkeypatch)
        begin(source)
        sandbox.fault("status", path="/classes", status=403)
        report = poll(source)
        assert report.mode == "full" and report.doubts == ["classes are not to be had (answer 403)"]
        assert report.counts["sections"].deactivated == 0
        assert poll(source).mode == "incremental", "the filter was not to blame"


# ── OneRoster's dates ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("H12")
@pytest.mark.parametrize("timestamps", ["zone", "space", "no_zone"])
def test_dates_in_any_spelling_and_zone_are_gone_on_from(timestamps: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=30, seed=54)) as sandbox:
        sandbox.habits(timestamps=timestamps)
        source = Synced(sandbox, tmp_path, TWO, monkeypatch)
        sandbox.day(3)
        source.sync()
        sandbox.day(1)
        assert poll(source).mode == "incremental"
        assert source.differences() == []


@pytest.mark.parametrize("word", ["tobedeleted", "inactive"])
def test_both_words_for_gone_are_understood_in_a_poll(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=30, seed=55)) as sandbox:
        sandbox.habits(gone_word=word)
        source = Synced(sandbox, tmp_path, ONE, monkeypatch)
        begin(source)
        leaver = next(user.id for user in sandbox.district.users.values() if any(role.role == "student" for role in user.roles))
        sandbox.delete("users", leaver)
        poll(source)
        (record,) = roster.record(source.store, "user", leaver)
        assert record["status"] == "inactive" and record["deactivated_at"]


def test_rows_that_are_published_later_than_they_are_dated_are_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=30, seed=56)) as sandbox:
        source = Synced(sandbox, tmp_path, TWO, monkeypatch)
        begin(source)
        sandbox.day(2)
        poll(source)
        user = next(user for user in sandbox.district.users.values() if not user.gone)
        sandbox.put("users", id=user.id, middle_name="Lately")
        # Published now, and dated twenty hours before the newest row that was read.
        user.modified -= 20 * 3_600_000
        sandbox.district.changed()
        assert poll(source).counts["users"].updated == 1
        assert source.differences() == []


@pytest.mark.fault("D17")
def test_a_row_dated_in_the_future_does_not_make_later_ones_invisible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=30, seed=57)) as sandbox:
        source = Synced(sandbox, tmp_path, TWO, monkeypatch, overlap_hours=0)
        for one in list(sandbox.district.users.values())[:3]:
            one.modified += 200 * 365 * 86_400_000
        sandbox.district.changed()
        source.sync()
        runs_cursor = kept_cursor(source)["modified"]
        report = source.sync()
        assert runs_cursor <= report.started_at.isoformat()
        # As of now, by a clock that is right.
        sandbox.district.clock = int(report.started_at.timestamp() * 1000) + 60_000
        sandbox.day(1)
        report = poll(source)
        assert report.mode == "incremental" and changed(report) != NOTHING
        assert source.differences() == []


def test_who_vanishes_without_a_word_is_found_by_the_next_full_pull(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=30, seed=58)) as sandbox:
        sandbox.habits(tombstones=False)
        source = Synced(sandbox, tmp_path, TWO, monkeypatch)
        begin(source)
        leaver = next(user.id for user in sandbox.district.users.values() if any(role.role == "student" for role in user.roles))
        sandbox.delete("users", leaver)
        assert poll(source).counts["users"].deactivated == 0, "a list of changes says nothing of those who are not in it"
        assert source.sync().counts["users"].deactivated == 1
        assert source.differences() == []


# ── returning ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("dialect", BOTH)
def test_who_returns_is_the_same_record_with_its_history(dialect: str, mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=30, seed=59)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        first = begin(source)
        user = next(user for user in sandbox.district.users.values() if user.grades and not user.gone)
        record_id = user.clever_id if dialect == CLEVER else user.id
        sandbox.delete("users", user.id)
        left = source.sync(mode=mode)
        (gone,) = roster.record(source.store, "user", record_id)
        assert gone["status"] == "inactive" and gone["deactivated_at"] is not None
        sandbox.put("users", id=user.id, given_name="Returned")
        back = source.sync(mode=mode)
        assert back.counts["users"].created == 0
        (record,) = roster.record(source.store, "user", record_id)
        assert (record["status"], record["deactivated_at"], record["given_name"]) == ("active", None, "Returned")
        told = [(change.run, change.action) for change in runs.history(source.store, "user", record_id)]
        assert [one for one in told if one[1] != "update"] == [(first.run, "create"), (left.run, "deactivate"), (back.run, "reactivate")]
        assert source.differences() == []
