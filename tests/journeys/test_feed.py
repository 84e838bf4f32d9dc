"""A product follows the roster by the feed: what it makes of it, page by page, is the roster."""

from pathlib import Path
from typing import Any

import pytest

from syncd.errors import ConfigError
from syncd.report import Mode
from syncd.roster.kinds import PLURALS, SINGULAR
from syncd.sandbox import District, running
from syncd.store import roster
from syncd.view import feed
from tests.journeys.synced import Synced

FIELDS = ("status", "given_name", "family_name", "name", "roles", "section_id", "user_id", "role")


class Follower:
    """A program that keeps a copy by the feed. limit: how many changes it asks for at a time."""

    def __init__(self, source: Synced, limit: int, **wanted: Any) -> None:
        self.source, self.limit, self.wanted = source, limit, wanted
        self.after = feed.START
        self.copy: dict[tuple[str, str], dict[str, Any]] = {}
        self.places: list[str] = []

    def follow(self) -> None:
        while True:
            page = feed.page(self.source.store, self.after, limit=self.limit, values=True, records=True, **self.wanted)
            for change in page.changes:
                self.places.append(change.place)
                if change.action == "rekey":
                    self.copy.pop((change.kind, change.fields["id"][0]), None)
                if change.record is not None:
                    self.copy[change.kind, change.id] = {name: change.record.get(name) for name in FIELDS}
            self.after = page.after
            if not page.more:
                return

    def roster(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {
            (kind, one["id"]): {name: one.get(name) for name in FIELDS}
            for kind in PLURALS
            for one in roster.records(self.source.store, SINGULAR[kind], self.source.name, status="all")
        }


@pytest.mark.parametrize("limit", [7, 10_000])
def test_who_follows_the_feed_has_the_roster_and_gets_nothing_twice(limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=16, seed=91)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        follower = Follower(source, limit)
        follower.follow()
        assert follower.copy == {} and follower.after == feed.START
        source.sync()
        follower.follow()
        assert follower.copy == follower.roster() and follower.copy
        for day in (2, 3, 5):
            sandbox.day(day)
            report = source.sync(mode=Mode.INCREMENTAL)
            follower.follow()
            assert follower.copy == follower.roster()
        source.undo(report.run)
        follower.follow()
        assert follower.copy == follower.roster()
        assert len(set(follower.places)) == len(follower.places), "nothing came twice"
        once_more = Follower(source, limit)
        once_more.after = follower.places[len(follower.places) // 2]
        once_more.follow()
        assert once_more.places == follower.places[len(follower.places) // 2 + 1 :], "from any place on"
        assert feed.page(source.store, follower.after).changes == []


def test_what_a_run_changed_last_comes_last_whenever_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=12, seed=92)) as sandbox, running(District.generate(students=12, seed=93)) as other:
        springfield = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        shelbyville = Synced(other, tmp_path, "clever-3.1", monkeypatch, name="shelbyville")
        monkeypatch.setenv("T", sandbox.token)
        inner = []

        def in_between() -> None:
            monkeypatch.setenv("T", other.token)
            inner.append(shelbyville.sync().run)

        springfield.when("users", in_between)
        outer = springfield.sync().run
        runs = list(dict.fromkeys(change.run for change in feed.page(springfield.store, limit=10_000).changes))
        assert runs == [*inner, outer] and outer < inner[0], "it began first, and was applied last"
        only = feed.page(springfield.store, source="shelbyville", limit=10_000).changes
        assert {change.source for change in only} == {"shelbyville"} and only


def test_of_one_school_comes_who_is_there_and_who_has_left_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=16, seed=94, schools=2)) as sandbox:
        source = Synced(sandbox, tmp_path, "oneroster-1.2-oauth2", monkeypatch)
        source.sync()
        here, there = (org for org in sandbox.district.orgs.values() if org.type == "school")
        first = feed.page(source.store, school=here.id, limit=10_000)
        of_users = {change.id for change in first.changes if change.kind == "users"}
        held = {one["id"] for one in roster.records(source.store, "user") if any(role["org_id"] == here.id for role in one["roles"])}
        assert of_users == held and len(held) < len(list(roster.records(source.store, "user")))
        leaver = next(user for user in sandbox.district.users.values() if user.id in held and user.grades and not user.gone)
        sandbox.put("users", id=leaver.id, roles=[{"role": "student", "org": there.id}], primary_org=there.id)
        source.sync()
        later = feed.page(source.store, first.after, school=here.id, kind="users").changes
        assert leaver.id in {change.id for change in later}


def test_who_may_see_no_values_sees_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=12, seed=95)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        source.sync()
        sandbox.day(2)
        source.sync()
        told = feed.page(source.store, limit=10_000, values=False, records=True).changes
        assert any(change.fields for change in told)
        assert all(value is None for change in told for value in change.fields.values()) and all(change.record is None for change in told)


@pytest.mark.parametrize("after", ["", "x", "-1", "1.nobody.x", "9" * 30, "1.5"])
def test_what_is_no_place_is_told(after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=12, seed=95)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        with pytest.raises(ConfigError, match="is no place. Begin with 0"):
            feed.page(source.store, after)
