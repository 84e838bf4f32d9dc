"""Faults happen when and as often as armed, and the remote control does what it says."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from syncd.sandbox import District, Sandbox, running

TOKEN = {"Authorization": "Bearer TEST_TOKEN"}


@pytest.fixture
def sandbox() -> Any:
    with running(District.generate(students=60, seed=6)) as found:
        yield found


def users(sandbox: Sandbox, asked: str = "?limit=20") -> requests.Response:
    return requests.get(f"{sandbox.url}/v3.1/users{asked}", headers=TOKEN, timeout=10)


def test_a_fault_comes_after_some_requests_and_goes_after_some(sandbox: Sandbox) -> None:
    sandbox.fault("status", path="/users", after=1, times=2, status=503, retry_after=7, body="<p>busy</p>")
    assert requests.get(f"{sandbox.url}/v3.1/schools", headers=TOKEN).status_code == 200
    answers = [users(sandbox) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 503, 503, 200]
    assert answers[1].headers["Retry-After"] == "7" and answers[1].text == "<p>busy</p>"
    assert [seen.status for seen in sandbox.requests()] == [200, 200, 503, 503, 200]


def test_faults_can_be_meant_for_one_page_and_cleared(sandbox: Sandbox) -> None:
    sandbox.fault("garbage", pattern=r"/users\?.*offset=20\b")
    url = f"{sandbox.oneroster_11_url}/users?limit=20&offset="
    with pytest.raises(ValueError):
        requests.get(f"{url}20", headers=TOKEN).json()
    assert requests.get(f"{url}0", headers=TOKEN).json()
    sandbox.clear_faults()
    assert requests.get(f"{url}20", headers=TOKEN).json()


def test_a_body_cut_short_and_a_connection_torn_down(sandbox: Sandbox) -> None:
    whole = users(sandbox).content
    sandbox.fault("cut", bytes=200, times=1)
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        users(sandbox)
    sandbox.fault("cut", bytes=200, ending="close", times=1)
    assert users(sandbox).content == whole[:200]
    sandbox.fault("reset", times=1)
    with pytest.raises(requests.exceptions.ConnectionError):
        users(sandbox)
    assert users(sandbox).content == whole


def test_slow_answers(sandbox: Sandbox) -> None:
    began = time.monotonic()
    sandbox.fault("slow", seconds=0.3, times=1)
    assert users(sandbox).status_code == 200 and time.monotonic() - began >= 0.3
    sandbox.fault("drip", bytes=4000, seconds=0.05, times=1)
    assert len(users(sandbox).json()["data"]) == 20


def test_pages_that_lie(sandbox: Sandbox) -> None:
    right = users(sandbox).json()
    rel = {link["rel"]: link["uri"] for link in right["links"]}
    sandbox.fault("lose", records=3, times=1)
    assert users(sandbox).json() == {**right, "data": right["data"][:-3]}
    sandbox.fault("lose", times=1)
    assert users(sandbox).json() == {**right, "data": []}
    sandbox.fault("loop", times=1)
    assert {"rel": "next", "uri": rel["self"]} in users(sandbox).json()["links"]
    sandbox.fault("foreign", times=1)
    assert {"rel": "next", "uri": f"https://collector.example.com{rel['next']}"} in users(sandbox).json()["links"]
    sandbox.fault("first_page", times=1)
    assert requests.get(sandbox.url + rel["next"], headers=TOKEN).json()["data"] == right["data"]
    sandbox.fault("login", times=1)
    page = users(sandbox)
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
    sandbox.fault("shape", times=1)
    assert "data" not in users(sandbox).json()
    one = f"{sandbox.oneroster_12_url}/users?limit=10"
    sandbox.fault("foreign", times=1)
    assert requests.get(one, headers=TOKEN).links["next"]["url"].startswith("https://collector.example.com/ims")
    sandbox.fault("loop", times=1)
    assert requests.get(one, headers=TOKEN).links["next"]["url"] == one
    sandbox.fault("lose", records=1, times=1)
    answer = requests.get(one, headers=TOKEN)
    assert len(answer.json()["users"]) == 9 and int(answer.headers["X-Total-Count"]) > 10


def test_nonsense_is_refused(sandbox: Sandbox) -> None:
    for fields in (
        {"effect": "explode"},
        {"effect": "status", "pattern": "("},
        {"effect": "slow", "colour": "red"},
    ):
        answer = requests.post(f"{sandbox.url}/_sandbox/faults", json=fields)
        assert answer.status_code == 400 and answer.json()["message"]


def test_a_day_can_be_lived_over_http(sandbox: Sandbox) -> None:
    control = f"{sandbox.url}/_sandbox"
    before = requests.get(f"{control}/state").json()
    assert before["day"] == 0 and before["requests"] == 0
    happened = requests.post(f"{control}/day", json={"days": 2}).json()["happened"]
    assert all(count >= 2 for count in happened.values())
    assert requests.get(f"{control}/state").json()["day"] == 2
    assert requests.post(f"{control}/day", json={"days": -1}).status_code == 400
    asked = {"as": "oneroster-1.1", "kind": "users"}
    records = requests.get(f"{control}/expected", params=asked).json()["records"]
    assert records == sandbox.expected("oneroster-1.1", "users")
    assert requests.get(f"{control}/expected", params={"as": "x", "kind": "users"}).status_code == 400


def test_the_same_seed_lives_the_same_days() -> None:
    lives = []
    for _ in range(2):
        with running(District.generate(students=80, seed=11)) as sandbox:
            sandbox.day(5)
            lives.append([sandbox.expected("clever-3.1", kind) for kind in ("users", "enrollments")])
    assert lives[0] == lives[1]


def test_a_student_who_left_comes_back_under_the_same_id() -> None:
    with running(District.generate(students=80, seed=11)) as sandbox:
        held: list[set[str]] = []
        for _ in range(8):
            held.append(
                {user["id"] for user in sandbox.expected("clever-3.1", "users") if user["roles"] and user["roles"][0]["role"] == "student"}
            )
            sandbox.day()
        left = held[0] - held[1]
        assert left and any(one in later for one in left for later in held[2:])


def test_records_can_be_added_changed_and_removed(sandbox: Sandbox) -> None:
    control = f"{sandbox.url}/_sandbox/records"
    school = next(org["id"] for org in sandbox.expected("oneroster-1.2", "orgs") if org["type"] == "school")
    section = sandbox.expected("oneroster-1.2", "sections")[0]["id"]
    added = requests.post(
        f"{control}/users",
        json={
            "given_name": "Ada",
            "family_name": "Okafor",
            "roles": [{"role": "student", "org": school}],
            "primary_org": school,
            "grades": ["04"],
            "number": "777",
        },
    ).json()["record"]
    parent = sandbox.put("users", given_name="Eve", family_name="Okafor", roles=[{"role": "guardian", "word": "parent"}])
    sandbox.put("users", id=added["id"], guardians=[{"id": parent.id}])
    enrollment = sandbox.put("enrollments", section=section, user=added["id"], role="student")

    def find(kind: str, name: str) -> Any:
        return next((one for one in sandbox.expected("oneroster-1.2", kind) if one["id"] == name), None)

    assert find("users", added["id"])["guardian_ids"] == [parent.id]
    assert find("users", parent.id)["roles"] == [{"role": "guardian", "org_id": school, "primary": True}]
    assert find("enrollments", enrollment.id)["section_id"] == section
    clever = requests.get(f"{sandbox.url}/v3.1/users/{added['clever_id']}", headers=TOKEN).json()["data"]
    assert clever["name"]["first"] == "Ada"
    sandbox.put("users", id=added["id"], given_name="Adah")
    assert find("users", added["id"])["given_name"] == "Adah"
    assert requests.delete(f"{control}/users/{added['id']}").status_code == 200
    assert find("users", added["id"]) is None and find("enrollments", enrollment.id) is None
    assert find("users", parent.id) is None
    assert requests.delete(f"{control}/users/{added['id']}").status_code == 404
    types = [event["data"]["type"] for event in requests.get(f"{sandbox.url}/v3.1/events", headers=TOKEN).json()["data"]]
    assert types == [
        "users.created",
        "users.created",
        "users.updated",
        "sections.updated",
        "users.updated",
        "sections.updated",
        "users.deleted",
        "users.deleted",
    ]
    back = sandbox.put("users", id=added["id"])
    assert back.gone is False and find("users", added["id"]) and find("users", parent.id)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("users", {"shoe_size": 9}),
        ("users", {"given_name": 3, "family_name": "x"}),
        ("people", {}),
        ("enrollments", {"section": "none", "user": "none", "role": "student"}),
        ("users", {}),
        ("terms", {"name": "Summer", "type": "term", "first_day": "2027-06-12", "last_day": "soon"}),
        ("users", {"given_name": "A", "family_name": "B", "clever_id": "1"}),
    ],
)
def test_records_that_make_no_sense_are_refused(sandbox: Sandbox, kind: str, body: dict[str, Any]) -> None:
    assert requests.post(f"{sandbox.url}/_sandbox/records/{kind}", json=body).status_code == 400


def test_a_page_in_a_browser_can_not_work_the_controls(sandbox: Sandbox) -> None:
    answer = requests.post(f"{sandbox.url}/_sandbox/day", json={}, headers={"Origin": "https://example.org"})
    assert answer.status_code == 403 and sandbox.state()["day"] == 0
