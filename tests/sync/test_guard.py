"""The guard: under, at and over each limit."""

import pytest

from syncd.settings.guard import Limit
from syncd.sync.guard import decide
from syncd.sync.plan import Action, Plan


def plan(gone: int, of: int, created: int = 0) -> Plan:
    return Plan({"user": {Action.DEACTIVATE: gone, Action.CREATE: created}}, {"user": of}, {"user": of - gone + created})


@pytest.mark.parametrize(
    ("gone", "of", "limit", "rules"),
    [
        (50, 1000, Limit(5, percent=True), []),
        (51, 1000, Limit(5, percent=True), ["max_deactivations"]),
        (5, 20, Limit(5, percent=True), []),
        (6, 20, Limit(5, percent=True), ["max_deactivations"]),
        (200, 9000, Limit(200, percent=False), []),
        (201, 9000, Limit(200, percent=False), ["max_deactivations"]),
        (3, 3, Limit(5, percent=True), ["empty"]),
        (0, 3, Limit(0, percent=False), []),
    ],
)
def test_what_waits_for_a_person(gone: int, of: int, limit: Limit, rules: list[str]) -> None:
    assert [reason.rule for reason in decide(plan(gone, of), limit, 5)] == rules
