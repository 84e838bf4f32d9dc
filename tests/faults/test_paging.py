"""Lists that can not be read from end to end as they should: nobody is missing for good because a page was."""

from pathlib import Path
from typing import Any

import pytest

from syncd.report import RunReport
from syncd.store import roster
from tests.faults.ordeal import CLEVER, ONEROSTER, asked, fails, loses_nobody, recovers, synced
from tests.journeys.synced import Synced

PAGE = {"page_size": 20}


def student(source: Synced, number: int = 0) -> Any:
    """A student whom both the sandbox and the roster have."""
    here = {record["id"] for record in roster.records(source.store, "user", "springfield")}
    users = source.sandbox.district.users.values()
    found = [user for user in users if user.roles[0].role == "student" and not user.gone and {user.id, user.clever_id} & here]
    return found[number]


def goes_through(source: Synced, **options: Any) -> RunReport:
    report = source.sync(**options)
    assert (report.state, source.differences(), report.doubts) == ("applied", [], [])
    return report


@pytest.mark.fault("P1")
@pytest.mark.parametrize("effect", ["loop", "first_page"])
def test_clever_pages_that_go_round_in_a_circle_fail_the_run(effect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(CLEVER, tmp_path, monkeypatch, **PAGE) as source:
        source.sandbox.fault(effect, path="/users")
        before = asked(source.sandbox, "/users")
        fails(source, "the pages of users go round in a circle")
        assert asked(source.sandbox, "/users") <= before + 3
        recovers(source)


@pytest.mark.fault("P1")
def test_a_oneroster_page_that_comes_again_and_again_ends_the_list_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch, **PAGE, requests_at_once=1) as source:
        source.sandbox.fault("first_page", path="/users")
        before = asked(source.sandbox, "/users")
        report = loses_nobody(source, "users")
        assert report.doubts == ["users sent the same page again at record 20"]
        assert asked(source.sandbox, "/users") == before + 4
        recovers(source)


@pytest.mark.fault("P2")
def test_a_total_that_changes_once_has_the_list_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch, **PAGE) as source:
        before = asked(source.sandbox, "/users?limit=20&offset=0")
        source.sandbox.fault("headers", pattern="/users.*offset=20&", headers={"x-total-count": "41"}, times=1)
        goes_through(source)
        assert asked(source.sandbox, "/users?limit=20&offset=0") == before + 2


@pytest.mark.fault("P2")
@pytest.mark.parametrize(("total", "told"), [("41", "changed its count while it was read (41 to "), ("900", "to 900)")])
def test_a_total_that_keeps_changing_takes_nobody_away(total: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch, **PAGE) as source:
        source.sandbox.delete("users", student(source).id)
        source.sandbox.habits(tombstones=False)
        source.sandbox.fault("headers", pattern="/users.*offset=20&", headers={"x-total-count": total})
        assert told in loses_nobody(source, "users").doubts[0]
        recovers(source)


@pytest.mark.fault("P2")
def test_a_list_that_grows_while_it_is_read_is_whole_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch, **PAGE) as source:
        newcomers = []

        def enroll() -> None:
            school = student(source).primary_org
            newcomers.append(
                source.sandbox.put(
                    "users", given_name="Ada", family_name="Okafor", roles=[{"role": "student", "org": school}], primary_org=school
                ).id
            )

        source.when("users", enroll)
        goes_through(source)
        assert newcomers[0] in {record["id"] for record in roster.records(source.store, "user", "springfield")}


@pytest.mark.fault("P3")
def test_a_record_that_stands_on_two_pages_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch, **PAGE) as source:
        source.sandbox.habits(repeat=True)
        report = goes_through(source)
        assert report.counts["users"].quarantined == 0


@pytest.mark.fault("P3")
@pytest.mark.parametrize("dialect", [ONEROSTER])
def test_of_a_record_that_differs_on_two_pages_the_newer_one_counts(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(dialect, tmp_path, monkeypatch, **PAGE) as source:
        source.sandbox.habits(repeat=True)
        last = source.sandbox.district.ids("users")[19]
        # The last record of the first page comes again on the second, and has changed in between.
        source.when("users", lambda: source.sandbox.put("users", id=last, middle_name="Renamed"))
        goes_through(source)
        held = {record["id"]: record for record in roster.records(source.store, "user", "springfield", status="all")}
        assert held[last]["middle_name"] == "Renamed"


@pytest.mark.fault("P4")
def test_a_next_link_that_leads_away_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(CLEVER, tmp_path, monkeypatch, **PAGE) as source:
        for to in ("https://collector.example.com", "http://localhost", "file://", "http://127.0.0.1:1", "//collector.example.com"):
            before = asked(source.sandbox, "/users")
            source.sandbox.fault("foreign", path="/users", to=to)
            fails(source, "127.0.0.1 sent a next link to another address")
            assert asked(source.sandbox, "/users") == before + 1, to
            source.sandbox.clear_faults()
        recovers(source)


@pytest.mark.fault("P4")
def test_a_oneroster_next_link_is_never_an_address_to_go_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch, **PAGE) as source:
        source.sandbox.fault("foreign", path="/users")
        goes_through(source)


@pytest.mark.fault("P5")
@pytest.mark.parametrize("times", [1, None])
def test_an_empty_page_in_the_middle_does_not_end_a_list_with_a_total(
    times: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch, **PAGE) as source:
        source.sandbox.habits(link=False)
        source.sandbox.fault("lose", pattern="/users.*offset=20&", records=10_000, times=times)
        if times is None:
            report = loses_nobody(source, "users")
            assert "users sent 20 of " in report.doubts[0]
            recovers(source)
        else:
            goes_through(source)


@pytest.mark.fault("P5")
def test_an_empty_page_with_a_next_link_is_not_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch, **PAGE) as source:
        source.sandbox.habits(total_count=False)
        before = asked(source.sandbox, "/users?limit=20&offset=40")
        source.sandbox.fault("lose", pattern="/users.*offset=20&", records=10_000)
        source.sync()
        assert asked(source.sandbox, "/users?limit=20&offset=40") > before
        assert all(record["status"] == "active" for record in _of_page(source, 20))
        recovers(source)


@pytest.mark.fault("P5")
def test_clever_is_followed_through_an_empty_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(CLEVER, tmp_path, monkeypatch, **PAGE) as source:
        goes_through(source)
        page = source.sandbox.district.clever_ids("users")[20:40]
        source.sandbox.fault("lose", pattern="/users.*starting_after", times=1)
        report = source.sync()
        # What that page had is asked for by id, and is there.
        assert report.counts["users"].confirmed == len(page) and report.counts["users"].deactivated == 0
        recovers(source)


def _of_page(source: Synced, start: int) -> list[dict[str, Any]]:
    ids = set(source.sandbox.district.ids("users")[start : start + 20])
    gone = {user.id for user in source.sandbox.district.users.values() if user.gone}
    return [record for record in roster.records(source.store, "user", "springfield", status="all") if record["id"] in ids - gone]


@pytest.mark.fault("P6")
def test_who_slips_between_two_pages_is_asked_for_by_id_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch, **PAGE) as source:
        source.sandbox.habits(total_count=False, tombstones=False)
        goes_through(source)
        first, second = source.sandbox.district.ids("users")[:20], source.sandbox.district.ids("users")[20:]
        here = [name for name in second if not source.sandbox.district.users[name].gone]
        gone = []

        def leave() -> None:
            # Everybody behind who leaves moves up by one, and the first of the second page is on no page.
            users = [source.sandbox.district.users[name] for name in first]
            gone.append(next(user.id for user in users if not user.gone and user.roles[0].role == "teacher"))
            source.sandbox.delete("users", gone[0])

        source.when("users", leave)
        report = source.sync()
        assert report.state == "applied" and report.counts["users"].confirmed >= 1
        active = {record["id"] for record in roster.records(source.store, "user", "springfield")}
        assert set(here) <= active
        recovers(source)


@pytest.mark.fault("P6")
def test_who_is_on_no_page_is_asked_for_and_who_left_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(CLEVER, tmp_path, monkeypatch, **PAGE) as source:
        goes_through(source)
        leaver = student(source, 3)
        source.sandbox.delete("users", leaver.id)
        source.sandbox.fault("lose", pattern=r"/users\?.*starting_after", records=2, times=1)
        report = source.sync()
        assert report.state == "applied" and report.counts["users"].confirmed == 2
        assert leaver.clever_id in {record["id"] for record in roster.records(source.store, "user", "springfield", status="inactive")}
        recovers(source)


@pytest.mark.fault("P7")
@pytest.mark.parametrize("total", [True, False])
def test_a_page_size_that_is_cut_without_a_word_hides_nobody(total: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch) as source:
        source.sandbox.habits(cap=13, total_count=total, link=False)
        goes_through(source)


@pytest.mark.fault("P8")
@pytest.mark.parametrize(("dialect", "place"), [(CLEVER, "starting_after"), (ONEROSTER, "offset=20&")])
def test_a_place_in_a_list_that_is_forgotten_has_the_list_read_anew_at_most_twice(
    dialect: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(dialect, tmp_path, monkeypatch, **PAGE) as source:
        for status in (400, 410):
            source.sandbox.fault("status", pattern=f"/users.*{place}", status=status, times=2)
            goes_through(source)
            source.sandbox.clear_faults()
            source.sandbox.day()
            source.sandbox.fault("status", pattern=f"/users.*{place}", status=status)
            before = sum(seen.status == status for seen in source.sandbox.requests())
            fails(source, f"answered {status}")
            # A page of OneRoster's was asked for once more, before its turn.
            early = dialect == ONEROSTER
            assert sum(seen.status == status for seen in source.sandbox.requests()) == before + 3 + early
            source.sandbox.clear_faults()
        recovers(source)
