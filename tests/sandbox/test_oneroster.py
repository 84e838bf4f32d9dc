"""The pretend OneRoster provider keeps the specification: signing in, scopes, parameters, pages, errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from requests_oauthlib import OAuth1

from syncd.sandbox import District, Sandbox, running

PREFIX = "https://purl.imsglobal.org/spec/or/{}/scope/"
ALL = ("roster-core.readonly", "roster.readonly", "roster-demographics.readonly")
CLIENT = ("sandbox", "sandbox-secret")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running(District.generate(students=150, seed=4)) as found:
        found.day(1)
        yield found


@pytest.fixture(params=["1.1", "1.2"])
def base(request: pytest.FixtureRequest, sandbox: Sandbox) -> str:
    return sandbox.oneroster_11_url if request.param == "1.1" else sandbox.oneroster_12_url


def get(url: str, **asked: Any) -> requests.Response:
    return requests.get(url, params=asked, headers={"Authorization": "Bearer TEST_TOKEN"})


def scopes(version: str, *names: str) -> str:
    return " ".join(PREFIX.format(version) + name for name in names)


def ask(sandbox: Sandbox, scope: str, **how: Any) -> requests.Response:
    return requests.post(
        sandbox.token_url,
        data={"grant_type": "client_credentials", "scope": scope, **how.pop("form", {})},
        **how,
    )


def bearer(answer: requests.Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


# -- signing in ---------------------------------------------------------------------------------------------


def test_a_token_comes_by_basic_or_by_form_and_reads_its_own_version_only(sandbox: Sandbox) -> None:
    form = {"client_id": "sandbox", "client_secret": "sandbox-secret"}
    for answer in (
        ask(sandbox, scopes("v1p2", *ALL), auth=CLIENT),
        ask(sandbox, scopes("v1p2", *ALL), form=form),
    ):
        assert answer.status_code == 200 and answer.json()["expires_in"] == 3600
        assert set(answer.json()["scope"].split()) == set(scopes("v1p2", *ALL).split())
        assert requests.get(f"{sandbox.oneroster_12_url}/orgs", headers=bearer(answer)).status_code == 200
        assert requests.get(f"{sandbox.oneroster_11_url}/orgs", headers=bearer(answer)).status_code == 403


@pytest.mark.parametrize(
    ("how", "scope", "status"),
    [
        ({"auth": ("sandbox", "wrong")}, scopes("v1p1", *ALL), 401),
        ({}, scopes("v1p1", *ALL), 401),
        ({"auth": CLIENT}, "", 400),
        ({"auth": CLIENT}, "roster.readonly", 400),
        ({"auth": CLIENT, "form": {"grant_type": "password"}}, scopes("v1p1", *ALL), 400),
    ],
)
def test_a_wrong_token_request_is_refused(sandbox: Sandbox, how: dict[str, Any], scope: str, status: int) -> None:
    answer = ask(sandbox, scope, **how)
    assert answer.status_code == status and answer.json()["error"]


def test_a_scope_opens_what_it_is_for_and_no_more(sandbox: Sandbox) -> None:
    core = bearer(ask(sandbox, scopes("v1p2", "roster-core.readonly"), auth=CLIENT))
    both = bearer(ask(sandbox, scopes("v1p2", *ALL), auth=CLIENT))
    url = sandbox.oneroster_12_url
    school = get(f"{url}/schools").json()["orgs"][0]["sourcedId"]
    assert requests.get(f"{url}/users", headers=core).status_code == 200
    for path in ("/demographics", f"/schools/{school}/classes"):
        assert requests.get(url + path, headers=core).status_code == 403
        assert requests.get(url + path, headers=both).status_code == 200


def test_a_token_ends(sandbox: Sandbox) -> None:
    with running(sandbox.district, token_seconds=0.3) as short:
        token = bearer(ask(short, scopes("v1p1", *ALL), auth=CLIENT))
        assert requests.get(f"{short.oneroster_11_url}/orgs", headers=token).status_code == 200
        time.sleep(0.35)
        assert requests.get(f"{short.oneroster_11_url}/orgs", headers=token).status_code == 401


def test_demographics_can_be_withheld(sandbox: Sandbox) -> None:
    with running(sandbox.district, scopes=("roster-core.readonly", "roster.readonly")) as shy:
        answer = ask(shy, scopes("v1p2", *ALL), auth=CLIENT)
        assert "demographics" not in answer.json()["scope"]
        assert requests.get(f"{shy.oneroster_12_url}/demographics", headers=bearer(answer)).status_code == 403


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256"])
def test_somebody_elses_oauth_1_client_can_read(sandbox: Sandbox, method: str) -> None:
    signed = OAuth1(*CLIENT, signature_method=method)
    url = f"{sandbox.oneroster_11_url}/users"
    for asked in (
        "",
        "?limit=2&offset=1&sort=sourcedId&orderBy=asc",
        "?filter=dateLastModified%3E%272026-01-31T00%3A00%3A00.000Z%27%20AND%20status%3D%27active%27",
        "?fields=sourcedId,givenName&filter=familyName%3D%27Pe%C3%B1a%20a%2Bb%27",
    ):
        assert requests.get(url + asked, auth=signed).status_code == 200
    assert requests.get(url, auth=OAuth1("sandbox", "wrong", signature_method=method)).status_code == 401
    assert requests.get(url, auth=OAuth1("other", "sandbox-secret", signature_method=method)).status_code == 401
    assert requests.get(f"{sandbox.oneroster_12_url}/users", auth=signed).status_code == 401


def test_a_signed_request_counts_once_and_only_now(sandbox: Sandbox) -> None:
    url = f"{sandbox.oneroster_11_url}/orgs"
    signed = requests.Request("GET", url, auth=OAuth1(*CLIENT, timestamp=str(int(time.time())))).prepare()
    with requests.Session() as session:
        assert session.send(signed).status_code == 200
        assert session.send(signed).status_code == 401
        signed.url = f"{url}?limit=1"
        assert session.send(signed).status_code == 401
    old = OAuth1(*CLIENT, timestamp=str(int(time.time()) - 3600))
    assert requests.get(url, auth=old).status_code == 401


def test_errors_have_the_shape_of_their_version(sandbox: Sandbox) -> None:
    old = requests.get(f"{sandbox.oneroster_11_url}/orgs", headers={"Authorization": "Bearer x"})
    assert old.status_code == 401 and old.json()["statusInfoSet"][0]["imsx_codeMajor"] == "failure"
    new = requests.get(f"{sandbox.oneroster_12_url}/orgs")
    minor = new.json()["imsx_CodeMinor"]["imsx_codeMinorField"][0]["imsx_codeMinorFieldValue"]
    assert new.status_code == 401 and minor == "unauthorisedrequest"


# -- lists --------------------------------------------------------------------------------------------------


def test_pages_tell_how_many_there_are_and_where_the_next_is(base: str) -> None:
    everybody = get(f"{base}/users", limit=5000).json()["users"]
    answer = get(f"{base}/users")
    assert len(answer.json()["users"]) == 100 and answer.headers["X-Total-Count"] == str(len(everybody))
    found, url = [], f"{base}/users?limit=100"
    while url:
        answer = requests.get(url, headers={"Authorization": "Bearer TEST_TOKEN"})
        found += answer.json()["users"]
        url = answer.links.get("next", {}).get("url", "")
    assert found == everybody
    assert get(f"{base}/users", offset=5000).json()["users"] == []


@pytest.mark.parametrize(
    "resource",
    [
        "orgs",
        "schools",
        "academicSessions",
        "gradingPeriods",
        "courses",
        "classes",
        "users",
        "students",
        "teachers",
        "enrollments",
        "demographics",
    ],
)
def test_every_collection_lists_records_that_can_be_asked_for_alone(base: str, resource: str) -> None:
    (records,) = get(f"{base}/{resource}", limit=3).json().values()
    assert records
    (one,) = get(f"{base}/{resource}/{records[0]['sourcedId']}").json().values()
    assert one == records[0]
    assert get(f"{base}/{resource}/none").status_code == 404


def test_the_lists_under_a_school_and_a_class(base: str) -> None:
    one = next(one for one in get(f"{base}/enrollments", filter="role='student'").json()["enrollments"] if one["status"] == "active")
    group, school, student = (one[name]["sourcedId"] for name in ("class", "school", "user"))
    for path, key, member in (
        (f"classes/{group}/students", "users", student),
        (f"schools/{school}/students", "users", student),
        (f"schools/{school}/classes", "classes", group),
        (f"schools/{school}/classes/{group}/students", "users", student),
        (f"schools/{school}/classes/{group}/enrollments", "enrollments", one["sourcedId"]),
    ):
        assert member in {found["sourcedId"] for found in get(f"{base}/{path}", limit=1000).json()[key]}
    assert get(f"{base}/classes/{group}/teachers").json()["users"]
    assert get(f"{base}/classes/none/students").status_code == 404
    assert get(f"{base}/schools/none/classes/{group}/students").status_code == 404
    assert "academicSessions" in get(f"{base}/schools/{school}/terms").json()
    assert "courses" in get(f"{base}/schools/{school}/courses").json()


def test_1_2_tells_what_it_serves_and_1_1_does_not(sandbox: Sandbox) -> None:
    name = "discovery/imsorv1p2_rostering_openapi3_v1p0.json"
    told = requests.get(f"{sandbox.oneroster_12_url}/{name}", timeout=10)
    assert told.status_code == 200 and "/users/{sourcedId}" in told.json()["paths"]
    assert requests.get(f"{sandbox.oneroster_11_url}/{name}", timeout=10).status_code in (401, 404)


def test_filters_sorts_and_fields(base: str) -> None:
    people = get(f"{base}/users", limit=5000).json()["users"]
    gone = [one["sourcedId"] for one in people if one["status"] == "tobedeleted"]
    assert gone

    def ids(**asked: Any) -> list[str]:
        return [one["sourcedId"] for one in get(f"{base}/users", limit=5000, **asked).json()["users"]]

    assert ids(filter="status='tobedeleted'") == gone
    assert len(ids(filter="status!='tobedeleted'")) == len(people) - len(gone)
    newest = max(one["dateLastModified"] for one in people)
    assert ids(filter=f"dateLastModified>'{newest}'") == []
    assert ids(filter=f"dateLastModified>='{newest}'")
    first = people[0]
    assert ids(filter=f"sourcedId='{first['sourcedId']}'") == [first["sourcedId"]]
    both = f"sourcedId='{first['sourcedId']}' OR sourcedId='{people[1]['sourcedId']}'"
    assert len(ids(filter=both)) == 2 and ids(filter=both.replace(" OR ", " AND ")) == []
    part = first["familyName"][1:4].upper()
    assert first["sourcedId"] in ids(filter=f"familyName~'{part}'")
    names = [one.get("familyName") or "" for one in get(f"{base}/users", limit=5000, sort="familyName", orderBy="desc").json()["users"]]
    assert names == sorted(names, reverse=True)
    short = get(f"{base}/users", fields="sourcedId,familyName", limit=1).json()["users"]
    assert set(short[0]) == {"sourcedId", "familyName"}
    group = get(f"{base}/classes", limit=1).json()["classes"][0]
    mine = get(f"{base}/enrollments", filter=f"class.sourcedId='{group['sourcedId']}'").json()["enrollments"]
    assert mine and all(one["class"]["sourcedId"] == group["sourcedId"] for one in mine)


@pytest.mark.parametrize(
    "asked",
    [
        {"filter": "shoeSize='9'"},
        {"filter": "status=active"},
        {"filter": "status='a' AND status='b' AND status='c'"},
        {"sort": "shoeSize"},
        {"orderBy": "up"},
        {"fields": "shoeSize"},
        {"limit": "0"},
        {"offset": "-1"},
        {"limit": "many"},
        {"filter": "dateLastModified>'yesterday'"},
    ],
)
def test_what_can_not_be_understood_is_refused(base: str, asked: dict[str, str]) -> None:
    assert get(f"{base}/users", **asked).status_code == 400


def test_habits_of_lists(sandbox: Sandbox) -> None:
    url = f"{sandbox.oneroster_12_url}/users"
    total = int(get(url).headers["X-Total-Count"])
    active = len(sandbox.expected("oneroster-1.2", "users"))
    try:
        sandbox.habits(cap=7, total_count=False, link=False)
        answer = get(url, limit=1000)
        assert len(answer.json()["users"]) == 7 and not {"X-Total-Count", "Link"} & set(answer.headers)
        sandbox.habits(cap=None, total_count=True, repeat=True)
        first, second = (get(url, limit=10, offset=offset).json()["users"] for offset in (0, 10))
        assert first[-1] == second[0]
        sandbox.habits(repeat=False, tombstones=False)
        assert int(get(url).headers["X-Total-Count"]) == active < total
        sandbox.habits(tombstones=True, filter="ignore")
        assert int(get(url, filter="status='tobedeleted'").headers["X-Total-Count"]) == total
        sandbox.habits(filter="refuse")
        assert get(url, filter="status='active'").status_code == 400
        with pytest.raises(ValueError):
            sandbox.habits(filter="sulk", cap=1)
        assert len(get(url, limit=1000).json()["users"]) == total
    finally:
        sandbox.habits(cap=None, total_count=True, link=True, repeat=False, tombstones=True, filter="honour")


def test_a_change_moves_the_date_of_what_changed_and_of_nothing_else() -> None:
    with running(District.generate(students=100, seed=8)) as sandbox:
        for base in (sandbox.oneroster_11_url, sandbox.oneroster_12_url):
            before: dict[str, dict[str, Any]] = {}
            for resource in ("users", "classes", "enrollments", "orgs"):
                (records,) = get(f"{base}/{resource}", limit=5000).json().values()
                before |= {one["sourcedId"]: one for one in records}
            newest = max(one["dateLastModified"] for one in before.values())
            sandbox.day(2)
            for resource in ("users", "classes", "enrollments", "orgs"):
                (records,) = get(f"{base}/{resource}", limit=5000).json().values()
                changed = {
                    one["sourcedId"]
                    for one in records
                    if {**one, "dateLastModified": ""} != {**before.get(one["sourcedId"], {}), "dateLastModified": ""}
                }
                (since,) = get(f"{base}/{resource}", limit=5000, filter=f"dateLastModified>'{newest}'").json().values()
                # A preferred name reads in 1.2 only; its date is one for both versions.
                assert changed <= {one["sourcedId"] for one in since}
                assert len(since) <= len(changed) + 2
