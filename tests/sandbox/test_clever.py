"""The pretend Clever keeps Clever's own rules of signing in, paging and limits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from syncd.sandbox import District, Sandbox, running

TOKEN = {"Authorization": "Bearer TEST_TOKEN"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running(District.generate(students=150, seed=4)) as found:
        found.day(1)
        yield found


def get(sandbox: Sandbox, path: str) -> requests.Response:
    return requests.get(sandbox.url + path, headers=TOKEN)


def test_a_wrong_token_is_refused_and_a_right_one_is_given_to_the_client(sandbox: Sandbox) -> None:
    assert requests.get(f"{sandbox.url}/v3.1/users").status_code == 401
    wrong = requests.get(f"{sandbox.url}/v3.1/users", headers={"Authorization": "Bearer x"})
    assert wrong.status_code == 401 and wrong.json()["message"]
    url = f"{sandbox.clever_token_url}?owner_type=district"
    assert requests.get(url, auth=("sandbox", "wrong")).status_code == 401
    (entry,) = requests.get(url, auth=("sandbox", "sandbox-secret")).json()["data"]
    assert entry["access_token"] == "TEST_TOKEN" and entry["owner"]["type"] == "district"
    one = requests.get(f"{sandbox.clever_token_url}?district={entry['owner']['id']}", auth=("sandbox", "sandbox-secret"))
    assert one.json()["data"] == [entry]
    none = requests.get(f"{sandbox.clever_token_url}?district=nobody", auth=("sandbox", "sandbox-secret"))
    assert none.json()["data"] == []


def test_lists_are_paged_both_ways(sandbox: Sandbox) -> None:
    everybody = [one["data"]["id"] for one in get(sandbox, "/v3.1/users?limit=10000").json()["data"]]
    first = get(sandbox, "/v3.1/users?count=true").json()
    assert [one["data"]["id"] for one in first["data"]] == everybody[:100]
    assert first["count"] == len(everybody)
    assert {link["rel"] for link in first["links"]} == {"self", "next"}
    second = get(sandbox, next(link["uri"] for link in first["links"] if link["rel"] == "next")).json()
    assert [one["data"]["id"] for one in second["data"]] == everybody[100:200]
    back = get(sandbox, next(link["uri"] for link in second["links"] if link["rel"] == "prev")).json()
    assert [one["data"]["id"] for one in back["data"]] == everybody[:100]
    last = get(sandbox, "/v3.1/users?limit=3&ending_before=last").json()
    assert [one["data"]["id"] for one in last["data"]] == everybody[-3:]
    assert len(everybody[0]) == 24 and first["data"][0]["uri"] == f"/v3.1/users/{everybody[0]}"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v3.1/users?limit=10000", 200),
        ("/v3.1/users?limit=10001", 413),
        ("/v3.1/users?limit=0", 400),
        ("/v3.1/users?limit=x", 400),
        ("/v3.1/users?role=parent", 400),
        ("/v3.1/users/6a8d0", 404),
        ("/v3.1/users?starting_after=1&ending_before=2", 400),
        ("/v3.1/nothing", 404),
        ("/v2.1/users", 404),
        ("/v3.0/schools", 200),
        ("/v3.0/districts", 200),
        ("/v3.1/events/none", 404),
    ],
)
def test_each_request_has_its_status(sandbox: Sandbox, path: str, status: int) -> None:
    assert get(sandbox, path).status_code == status


def test_one_record_and_the_lists_under_it(sandbox: Sandbox) -> None:
    section = get(sandbox, "/v3.1/sections?limit=1").json()["data"][0]["data"]
    assert get(sandbox, f"/v3.1/sections/{section['id']}").json()["data"] == section
    members = get(sandbox, f"/v3.1/sections/{section['id']}/users").json()["data"]
    assert {one["data"]["id"] for one in members} == {*section["students"], *section["teachers"]}
    student = section["students"][0]
    mine = get(sandbox, f"/v3.1/users/{student}/sections").json()["data"]
    assert section["id"] in {one["data"]["id"] for one in mine}
    at_school = get(sandbox, f"/v3.1/schools/{section['school']}/users?role=student&limit=1000").json()["data"]
    assert student in {one["data"]["id"] for one in at_school}
    sections = get(sandbox, f"/v3.1/schools/{section['school']}/sections?limit=1000").json()["data"]
    assert section["id"] in {one["data"]["id"] for one in sections}


@pytest.mark.parametrize("role", ["student", "teacher", "staff", "district_admin", "contact"])
def test_users_can_be_asked_for_by_role(sandbox: Sandbox, role: str) -> None:
    found = get(sandbox, f"/v3.1/users?role={role}&limit=10000").json()["data"]
    assert found and all(role in one["data"]["roles"] for one in found)


def test_events_can_be_narrowed_and_are_empty_without_opting_in(sandbox: Sandbox) -> None:
    everything = get(sandbox, "/v3.1/events?limit=1000").json()["data"]
    users = get(sandbox, "/v3.1/events?limit=1000&record_type=users&record_type=terms").json()["data"]
    assert 0 < len(users) < len(everything)
    assert all(one["data"]["type"].startswith("users.") for one in users)
    newest = get(sandbox, "/v3.1/events?ending_before=last&limit=1").json()["data"]
    assert newest == everything[-1:]
    assert get(sandbox, newest[0]["uri"]).json()["data"] == newest[0]["data"]
    school = get(sandbox, "/v3.1/schools").json()["data"][0]["data"]["id"]
    assert get(sandbox, f"/v3.1/events?school={school}").json()["data"]
    assert get(sandbox, "/v3.1/events?school=none").json()["data"] == []
    sandbox.habits(events=False)
    assert get(sandbox, "/v3.1/events").json()["data"] == []
    sandbox.habits(events=True)


def test_events_are_kept_for_30_days() -> None:
    with running(District.generate(students=30, seed=3)) as sandbox:
        sandbox.day(1)
        first = get(sandbox, "/v3.1/events?limit=1").json()["data"][0]["data"]["id"]
        sandbox.day(30)
        kept = get(sandbox, "/v3.1/events?limit=10000").json()["data"]
        assert kept and first < kept[0]["data"]["id"]


def test_the_request_over_the_limit_is_refused_until_the_next_minute(sandbox: Sandbox) -> None:
    left = int(get(sandbox, "/v3.1/districts").headers["X-RateLimit-Remaining"])
    used = 1_000_000 - left
    sandbox.habits(rate_limit=used + 2)
    try:
        answers = [get(sandbox, "/v3.1/districts") for _ in range(3)]
    finally:
        sandbox.habits(rate_limit=1_000_000)
    if answers[2].headers["X-RateLimit-Reset"] == answers[0].headers["X-RateLimit-Reset"]:
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].headers["X-RateLimit-Remaining"] == "0"
