"""The guard: under, at and over each limit, for each rule."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from syncd.settings.guard import GuardSettings, Limit, QuietSettings
from syncd.sync.guard import Reason, decide
from syncd.sync.plan import Action, Plan, Recent, School


def plan(kind: str = "user", *, active: int, gone: int = 0, created: int = 0, updated: int = 0, rekeyed: int = 0, **more: Any) -> Plan:
    actions = {Action.DEACTIVATE: gone, Action.CREATE: created, Action.UPDATE: updated, Action.REKEY: rekeyed}
    more.setdefault("seen", {kind: active - gone + created})
    more.setdefault("known", frozenset([kind]) if active else frozenset())
    return Plan({kind: actions}, {kind: active}, **more)


def decided(plan: Plan, limits: dict[str, Any] | None = None, **options: Any) -> list[Reason]:
    return decide(plan, GuardSettings(**(limits or {})).limits, **options)


def rules(plan: Plan, limits: dict[str, Any] | None = None, **options: Any) -> list[str]:
    return [reason.rule for reason in decided(plan, limits, **options)]


@pytest.mark.parametrize(
    ("gone", "active", "limit", "held"),
    [
        (50, 1000, "5%", False),
        (51, 1000, "5%", True),
        (5, 20, "5%", False),  # the floor
        (6, 20, "5%", True),
        (200, 9000, 200, False),
        (201, 9000, 200, True),
        (5, 9000, 4, True),  # a count has no floor
        (401, 9000, ["5%", 400], True),
        (449, 9000, ["5%", 9000], False),
        (1, 1000, 0, True),
        (0, 1000, 0, False),
    ],
)
def test_the_limit_on_deactivations(gone: int, active: int, limit: Any, held: bool) -> None:
    assert rules(plan(active=active, gone=gone), {"max_deactivations": limit}) == ["max_deactivations"] * held


@pytest.mark.parametrize(("gone", "active", "held"), [(3, 3, True), (1, 1, True), (2, 3, False)])
def test_nobody_is_left_only_by_a_persons_word(gone: int, active: int, held: bool) -> None:
    assert rules(plan(active=active, gone=gone)) == ["empty"] * held


def test_a_list_that_came_empty_is_held_even_if_nobody_but_one_would_go() -> None:
    assert rules(plan(active=100, gone=1, seen={})) == ["empty"]


def test_many_small_runs_do_not_walk_around_a_limit() -> None:
    small = plan(active=960, gone=20)
    assert rules(small) == []
    later = plan(active=960, gone=20, recent={"user": Recent(deactivated=40)})
    assert rules(later) == ["max_deactivations"]
    assert rules(plan(active=960, created=20, recent={"user": Recent(created=480)})) == ["max_creations"]
    assert rules(plan(active=960, updated=20, recent={"user": Recent(updated=720)})) == ["max_updates"]


def test_one_school_can_not_hide_in_a_large_district() -> None:
    one = {"user": [School("lincoln", 400, 101), School("north", 2000, 20)]}
    [reason] = decided(plan(active=10_000, gone=121, schools=one))
    assert (reason.rule, reason.org_id, reason.count, reason.of) == ("max_deactivations_per_school", "lincoln", 101, 400)
    assert rules(plan(active=10_000, gone=120, schools={"user": [School("lincoln", 400, 100)]})) == []
    earlier = {"user": [School("lincoln", 360, 61, recent=40)]}
    assert rules(plan(active=10_000, gone=61, schools=earlier)) == ["max_deactivations_per_school"]


def test_a_whole_school_never_goes_by_itself() -> None:
    assert rules(plan(active=10_000, gone=40, schools={"user": [School("lincoln", 40, 40)]})) == ["school-gone"]
    reasons = decided(plan(active=10_000, gone=3, schools={"user": [School("lincoln", 3, 3)]}, lost_schools=("lincoln",)))
    assert [(reason.kind, reason.rule) for reason in reasons] == [("org", "school-gone"), ("user", "school-gone")]
    assert rules(plan("org", active=100, gone=1, lost_schools=("lincoln",))) == ["school-gone"]
    assert rules(plan("org", active=100, gone=1)) == []


def test_the_first_sync_creates_without_limit_later_ones_do_not() -> None:
    assert rules(plan(active=0, created=100_000)) == []
    assert rules(plan(active=1000, created=500)) == []
    assert rules(plan(active=1000, created=501)) == ["max_creations"]
    assert rules(plan(active=20, created=50)) == []
    assert rules(plan("enrollment", active=1000, created=9000)) == [], "a new year makes sections and enrollments anew"
    assert rules(plan("enrollment", active=1000, created=9000), {"enrollments": {"max_creations": "50%"}}) == ["max_creations"]


def test_a_field_renamed_at_the_source_changes_nobody_by_itself() -> None:
    assert rules(plan(active=1000, updated=750)) == []
    assert rules(plan(active=1000, updated=751)) == ["max_updates"]


def test_quiet_days_keep_everybody_and_let_newcomers_in() -> None:
    [reason] = decided(plan(active=1000, gone=1, created=1), quiet=True)
    assert (reason.rule, reason.action) == ("quiet", Action.DEACTIVATE)


def test_a_list_with_holes_takes_nobody_away() -> None:
    assert rules(plan(active=10_000, gone=300, unconfirmed={"user": 200})) == ["unconfirmed"]


def test_new_ids_for_the_same_people_wait_unless_the_source_allows_them() -> None:
    assert rules(plan(active=1000, rekeyed=900)) == ["rekey"]
    assert rules(plan(active=1000, rekeyed=900), rekey=True) == []


def test_what_a_person_undid_is_not_done_again() -> None:
    assert rules(plan(active=1000, gone=3, undone={("user", Action.DEACTIVATE): 3})) == ["undone"]


def test_a_kind_can_have_limits_of_its_own() -> None:
    own = {"max_deactivations": "5%", "sections": {"max_deactivations": "50%", "floor": 0}}
    assert rules(plan("section", active=100, gone=50), own) == []
    assert rules(plan("user", active=100, gone=50), own) == ["max_deactivations"]


@given(active=st.integers(1, 50_000), gone=st.integers(0, 50_000), created=st.integers(0, 50_000), recent=st.integers(0, 5_000))
def test_whatever_passes_is_below_the_limit(active: int, gone: int, created: int, recent: int) -> None:
    gone = min(gone, active)
    if not rules(plan(active=active, gone=gone, created=created, recent={"user": Recent(deactivated=recent)})) and gone:
        assert gone + recent <= max(5, (active + recent) * 0.05)


@pytest.mark.parametrize("bad", ["5", "-5%", "200%", "five", [], ["5%", "6%"], True, -1, 1.5])
def test_a_limit_that_says_nothing_clear_is_refused(bad: Any) -> None:
    with pytest.raises(ValidationError, match="write a percentage"):
        GuardSettings(max_deactivations=bad)


def test_a_limit_is_told_as_it_was_written() -> None:
    assert [str(limit) for limit in (Limit(5), Limit(count=200), Limit(2.5, 40))] == ["5%", "200", "2.5% or 40"]


@pytest.mark.parametrize(("day", "quiet"), [(9, False), (10, True), (20, True), (21, False)])
def test_quiet_days_are_both_inclusive(day: int, quiet: bool) -> None:
    assert QuietSettings.model_validate({"from": "2027-06-10", "to": date(2027, 6, 20)}).covers(date(2027, 6, day)) is quiet


@pytest.mark.parametrize("bad", [{"from": "2027-06-10"}, {"from": "2027-06-10", "to": "2027-06-09"}, {"from": "June", "to": "2027-06-09"}])
def test_quiet_days_that_make_no_sense_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        QuietSettings.model_validate(bad)
