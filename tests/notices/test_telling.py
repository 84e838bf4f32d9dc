"""Who is told what, and when: once, together, and not again until it changes."""

from datetime import UTC, datetime, timedelta

import pytest

from syncd.notices import telling
from syncd.notices.rules import Fact, Rule
from syncd.notices.telling import Notice
from syncd.settings.notices import NoticeSettings
from syncd.store.notices import Kept, Key

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def fails(name: str, times: int = 3) -> Fact:
    return Fact(Key(name, Rule.FAILING, ""), times, f"{name}: {times} runs in a row failed", ripe=times >= 3)


def holds(name: str, count: int, rule: str = "max_deactivations") -> Fact:
    return Fact(Key(name, Rule.HELD, f"users deactivate {rule}"), count, f"{name}: {count} users would be deactivated")


class Desk:
    """What is told, look by look."""

    def __init__(self, **settings: object) -> None:
        self.at, self.kept, self.settings = START, dict[Key, Kept](), NoticeSettings(**settings)

    def look(self, *facts: Fact, later: timedelta = MINUTE) -> list[tuple[str, list[str]]]:
        return [(notice.what, notice.names) for notice in self.notices(*facts, later=later)]

    def notices(self, *facts: Fact, later: timedelta = MINUTE) -> list[Notice]:
        self.at += later
        told = telling.tell(facts, self.kept, lambda _source: self.settings, self.at)
        self.kept = {key: row for key, row in (self.kept | told.changed).items() if key not in told.gone}
        return told.notices


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_source_that_fails_is_told_once_and_its_recovery_once(desk: Desk) -> None:
    assert desk.look(fails("springfield", 2)) == []
    assert desk.look(fails("springfield")) == [("failing", ["springfield"])]
    for times in range(4, 40):
        assert desk.look(fails("springfield", times), later=HOUR) == []
    assert desk.look() == [("recovered", ["springfield"])]
    assert desk.look() == [] and desk.kept == {}
    assert desk.look(fails("springfield")) == [("failing", ["springfield"])]


def test_what_was_never_told_to_fail_is_not_told_to_recover(desk: Desk) -> None:
    assert desk.look(fails("springfield", 2)) == [] and desk.look() == []


def test_a_hundred_sources_of_one_provider_that_is_down_are_one_notice_and_one_recovery(desk: Desk) -> None:
    """One after the other they come to their third failure, and later back, within a quarter of an hour."""
    names = [f"district-{number:03}" for number in range(100)]
    told = desk.look(*(fails(name, 3 if number < 5 else 2) for number, name in enumerate(names)))
    assert [(what, sorted(of)) for what, of in told] == [("failing", names)]
    for third in range(5, 100, 10):
        assert desk.look(*(fails(name, 3 if number < third else 2) for number, name in enumerate(names))) == []
    for back in range(0, 90, 10):
        assert desk.look(*map(fails, names[back:])) == []
    assert desk.look() == [("recovered", names)]


def test_when_one_of_many_stays_away_the_others_are_told_to_be_back_after_a_while(desk: Desk) -> None:
    desk.look(fails("springfield"), fails("shelbyville"))
    assert desk.look(fails("springfield", 4)) == []
    assert desk.look(fails("springfield", 5), later=telling.QUIET) == [("recovered", ["shelbyville"])]
    assert desk.look(later=DAY) == [("recovered", ["springfield"])]


def test_a_source_that_fails_again_before_its_recovery_was_told_is_not_news(desk: Desk) -> None:
    desk.look(fails("springfield"), fails("shelbyville"))
    assert desk.look(fails("springfield", 4)) == []
    assert desk.look(fails("springfield", 5), fails("shelbyville", 1)) == []
    assert desk.look(later=DAY) == [("recovered", ["shelbyville", "springfield"])]


def test_a_second_source_that_fails_soon_after_waits_for_others(desk: Desk) -> None:
    assert desk.look(fails("springfield")) == [("failing", ["springfield"])]
    assert desk.look(fails("springfield", 4), fails("shelbyville")) == []
    both = fails("springfield", 5), fails("shelbyville", 4), fails("ogdenville")
    assert desk.look(*both, later=telling.QUIET) == [("failing", ["shelbyville", "ogdenville"])]


def test_what_is_held_is_told_once_although_each_night_holds_it_anew(desk: Desk) -> None:
    assert desk.look(holds("springfield", 40)) == [("held", ["springfield"])]
    assert desk.look(holds("springfield", 41), later=DAY) == []
    assert desk.look(holds("springfield", 80), later=DAY) == []
    assert desk.look(holds("springfield", 81)) == [("held", ["springfield"])], "more than twice what was told"
    new = holds("springfield", 5, "school-gone")
    assert desk.look(holds("springfield", 81), new, later=HOUR) == [("held", ["springfield"])], "by another rule"
    assert desk.look() == [], "that it was answered, whoever answered knows"
    assert desk.look(holds("springfield", 1), later=HOUR) == [("held", ["springfield"])]


def test_what_still_waits_after_some_days_is_told_once_more(desk: Desk) -> None:
    desk.look(holds("springfield", 40))
    assert desk.look(holds("springfield", 40), later=3 * DAY - MINUTE) == []
    assert desk.look(holds("springfield", 40)) == [("remind", ["springfield"])]
    assert desk.look(holds("springfield", 40), later=30 * DAY) == []


def test_rules_can_be_switched_off() -> None:
    desk = Desk(remind=False, recovered=False)
    desk.look(holds("springfield", 40), fails("springfield"))
    assert desk.look(holds("springfield", 40), later=30 * DAY) == []


def test_a_source_that_never_synced_is_told_when_that_has_lasted(desk: Desk) -> None:
    never = Fact(Key("springfield", Rule.STALE, ""), 0, "springfield: no sync yet", after=DAY)
    assert desk.look(never) == [] and desk.look(never, later=DAY - MINUTE) == []
    assert desk.look(never) == [("stale", ["springfield"])]
    assert desk.look() == [("recovered", ["springfield"])]


def test_in_trouble_for_two_reasons_it_is_in_order_when_both_are_over(desk: Desk) -> None:
    stale = Fact(Key("springfield", Rule.STALE, ""), 0, "springfield: the last good sync was 2 days ago")
    assert desk.look(fails("springfield"), stale) == [("failing", ["springfield"]), ("stale", ["springfield"])]
    assert desk.look(stale, later=HOUR) == []
    assert desk.look() == [("recovered", ["springfield"])]


def test_a_clock_that_was_wrong_keeps_nobody_from_being_told(desk: Desk) -> None:
    desk.look(fails("springfield"), later=365 * DAY)
    assert desk.look(fails("springfield"), fails("shelbyville"), later=-365 * DAY) == [("failing", ["shelbyville"])]
