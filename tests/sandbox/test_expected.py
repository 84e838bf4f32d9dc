"""What the sandbox serves and what it says to expect are the same district, in every dialect and habit."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.sandbox import District, Sandbox, running
from tests.sandbox.reading import clever_pull, read_clever, read_oneroster

KINDS = ["orgs", "terms", "courses", "sections", "users", "enrollments"]
DIALECTS = ["clever-3.1", "clever-3.0", "oneroster-1.1", "oneroster-1.2"]


def read(sandbox: Sandbox, dialect: str) -> dict[str, list[dict[str, Any]]]:
    if dialect.startswith("clever"):
        return read_clever(f"{sandbox.clever_url}/v{dialect[-3:]}")
    return read_oneroster(sandbox.oneroster_11_url if dialect.endswith("1.1") else sandbox.oneroster_12_url)


def assert_as_expected(sandbox: Sandbox, dialect: str) -> None:
    found = read(sandbox, dialect)
    for kind in KINDS:
        wanted = sandbox.expected(dialect, kind, demographics=True)
        got = sorted(found[kind], key=lambda record: record["id"])
        assert [record["id"] for record in got] == [record["id"] for record in wanted]
        for have, want in zip(got, wanted, strict=True):
            assert have == want


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_served_reads_as_what_is_expected_before_and_after_some_days(dialect: str) -> None:
    with running(District.generate(students=650, seed=3)) as sandbox:
        assert_as_expected(sandbox, dialect)
        sandbox.day(3)
        assert_as_expected(sandbox, dialect)


@pytest.mark.parametrize(
    "habits",
    [
        {"booleans": "json", "missing": "null", "hrefs": "relative", "dates": "time"},
        {"booleans": "number", "missing": "absent", "single_values": True, "timestamps": "zone"},
        {"booleans": "upper", "missing": "empty", "short_grades": True, "timestamps": "space", "cap": 50},
        {"gone_word": "inactive", "empty_titles": True, "empty_usernames": True, "timestamps": "no_zone"},
        {"tombstones": False, "total_count": False, "link": False, "repeat": True, "timestamps": "seconds"},
    ],
)
def test_odd_habits_change_the_spelling_and_not_the_district(habits: dict[str, Any]) -> None:
    with running(District.generate(students=60, seed=5)) as sandbox:
        sandbox.day(2)
        sandbox.habits(**habits)
        for dialect in ("oneroster-1.1", "oneroster-1.2"):
            assert_as_expected(sandbox, dialect)


def test_enums_in_mixed_case_are_the_same_words() -> None:
    with running(District.generate(students=40, seed=5)) as sandbox:
        before = read_oneroster(sandbox.oneroster_12_url)["users"]
        sandbox.habits(enums="mixed")
        assert read_oneroster(sandbox.oneroster_12_url)["users"] == before


@pytest.mark.parametrize("version", ["3.1", "3.0"])
def test_events_alone_lead_from_one_day_to_a_later_one(version: str) -> None:
    """Played back in order, the events give exactly what a full pull gives."""
    with running(District.generate(students=300, seed=9)) as sandbox:
        url = f"{sandbox.clever_url}/v{version}"
        kinds = ["schools", "terms", "courses", "sections", "users"]
        held = {kind: {one["id"]: one for one in clever_pull(url, kind, 1000)} for kind in kinds}
        sandbox.day(6)
        seen: set[str] = set()
        for event in clever_pull(url, "events", 50):
            kind, verb = event["type"].split(".")
            record, old = event["data"]["object"], event["previous_attributes"]
            seen.add(event["type"])
            if verb == "deleted":
                assert held[kind].pop(record["id"])
            else:
                assert (record["id"] in held[kind]) == (verb == "updated")
                for name, value in old.items():
                    assert held[kind][record["id"]].get(name) == value
                held[kind][record["id"]] = record
        assert {"users.created", "users.updated", "users.deleted", "sections.updated"} <= seen
        for kind in kinds:
            assert held[kind] == {one["id"]: one for one in clever_pull(url, kind, 1000)}


def test_3_0_lacks_what_came_with_3_1() -> None:
    with running(District.generate(students=300, seed=2)) as sandbox:
        newer, older = (sandbox.expected(f"clever-{version}", "users") for version in ("3.1", "3.0"))
        assert any(user["preferred_given_name"] for user in newer)
        assert not any(user["preferred_given_name"] for user in older)
        assert "lms_status" not in clever_pull(f"{sandbox.url}/v3.0", "users")[0]


def test_a_teacher_with_a_child_at_school_is_two_users_in_clever_and_one_in_oneroster() -> None:
    with running(District.generate(students=300, seed=2)) as sandbox:
        user = next(
            user
            for user in sandbox.expected("oneroster-1.2", "users")
            if {"teacher", "guardian"} <= {role["role"] for role in user["roles"]}
        )
        clever = [other for other in sandbox.expected("clever-3.1", "users") if other["email"] == user["email"]]
        held = [{role["role"] for role in other["roles"]} for other in clever]
        assert len(held) == 2 and {"guardian"} in held and any("teacher" in roles for roles in held)
        old = next(other for other in sandbox.expected("oneroster-1.1", "users") if other["id"] == user["id"])
        assert {role["role"] for role in old["roles"]} == {"teacher"}


def test_the_sandbox_refuses_to_expect_nonsense() -> None:
    with running(District.generate(students=1)) as sandbox:
        for wrong in (("clever-2.0", "users"), ("clever-3.1", "people"), ("clever-3.1", "users", "gone")):
            with pytest.raises(ValueError):
                sandbox.expected(*wrong)
