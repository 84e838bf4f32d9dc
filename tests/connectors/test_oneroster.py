"""OneRoster passes the suite; below it, what is peculiar to OneRoster."""

from typing import Any

import msgspec
import pytest
import requests
import responses

from connectors.oneroster import OneRosterConnector
from connectors.oneroster.settings import OneRosterSettings
from syncd.contract.conformance import CANARY_NAME, OverHttp, PretendService, canary
from syncd.contract.connector import Context
from syncd.contract.document import Document, Finished, Page, Presence, Reading

BASE = "https://sis.example.org/ims/oneroster/v1p1"
TOKEN_URL = "https://sis.example.org/oauth/token?appName=x"
STUDENT = {
    "sourcedId": "u1",
    "status": "active",
    "dateLastModified": "2026-08-20T10:00:00.000Z",
    "givenName": "Ada",
    "familyName": CANARY_NAME,
    "username": "ada",
    "enabledUser": "true",
    "role": "student",
    "orgs": [{"sourcedId": "o1", "href": "orgs/o1", "type": "org"}],
    "grades": ["k"],
    "agents": [{"sourcedId": "u9"}],
    "userIds": [{"type": "State", "identifier": "77"}],
    "identifier": "17",
}
COLLECTIONS: dict[str, list[dict[str, Any]]] = {
    "orgs": [{"sourcedId": "o1", "name": "North", "type": "school"}],
    "academicSessions": [{"sourcedId": "t1", "title": "Fall", "type": "semester", "startDate": "2026-08-20", "endDate": "2026-12-19"}],
    "courses": [{"sourcedId": "c1", "title": "Math"}],
    "classes": [{"sourcedId": "x1", "title": "Math 1", "school": {"sourcedId": "o1"}, "terms": [{"sourcedId": "t1"}]}],
    "users": [STUDENT, {**STUDENT, "sourcedId": "u2"}],
    "enrollments": [{"sourcedId": "e1", "user": {"sourcedId": "u1"}, "class": {"sourcedId": "x1"}, "role": "student"}],
}


def provider(request: requests.PreparedRequest, *, cap: int = 1, total: bool = True) -> tuple[int, dict[str, str], bytes]:
    """A provider that gives `cap` records a page, whatever was asked."""
    name = str(request.url).split("?")[0].rsplit("/", 1)[1]
    offset = int(request.params.get("offset", 0))
    records = COLLECTIONS[name]
    headers = {"X-Total-Count": str(len(records))} if total else {}
    return 200, headers, msgspec.json.encode({name: records[offset : offset + cap]})


class PretendOneRoster(PretendService):
    connector = OneRosterConnector
    resource = "users"

    def settings(self) -> OneRosterSettings:
        return OneRosterSettings(url=BASE, token_url=TOKEN_URL, client_id=canary(), client_secret=canary())

    def address(self) -> str:
        return f"{BASE}/users"

    def sample(self) -> dict[str, Any]:
        return STUDENT

    def serve(self, mock: responses.RequestsMock) -> None:
        mock.post(TOKEN_URL, json={"access_token": "issued-token", "expires_in": 3600})
        for name in COLLECTIONS:
            mock.add_callback(responses.GET, f"{BASE}/{name}", callback=provider)

    def serve_one(self, mock: responses.RequestsMock, record_id: str, presence: Presence) -> None:
        status = "tobedeleted" if presence is Presence.GONE else "active"
        code = 403 if presence is Presence.CANNOT_TELL else 200
        mock.get(f"{BASE}/users/{record_id}", json={"user": {**STUDENT, "sourcedId": record_id, "status": status}}, status=code)

    def serve_changes(self, mock: responses.RequestsMock) -> Any:
        for registered in list(mock.registered()):
            if str(registered.url).startswith(BASE):
                mock.remove(registered)
        for name in COLLECTIONS:
            mock.add_callback(responses.GET, f"{BASE}/{name}", callback=filtering)
        return {"modified": "2026-08-21T09:00:00+00:00"}

    def serve_part(self, mock: responses.RequestsMock, kind: str) -> str:
        for registered in [one for one in mock.registered() if one.method == responses.GET]:
            mock.remove(registered)
        for place in PARTS:
            mock.add_callback(responses.GET, f"{BASE}/{place}", callback=part)
        mock.add_callback(responses.GET, f"{BASE}/enrollments", callback=part)
        return "o1" if kind == "school" else "u1"


# {what belongs to school o1: the collection that it is of}.
PARTS = {
    "schools/o1/courses": "courses",
    "schools/o1/terms": "academicSessions",
    "schools/o1/classes": "classes",
    "schools/o1/students": "users",
    "schools/o1/teachers": "users",
    "schools/o1/enrollments": "enrollments",
}


def part(request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
    """A provider that has the nested addresses, and insists on a filter where everybody's are asked for."""
    name = str(request.url).split("?")[0].removeprefix(f"{BASE}/")
    if name == "enrollments":
        assert request.params["filter"] == "user.sourcedId='u1'"
    key = PARTS.get(name, name)
    found = [] if name.endswith("teachers") or request.params["offset"] != "0" else COLLECTIONS[key]
    return 200, {}, msgspec.json.encode({key: found})


def filtering(request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
    """A provider with one user who changed since; it insists on the filter, in UTC."""
    name = str(request.url).split("?")[0].rsplit("/", 1)[1]
    asked = request.params
    assert asked["filter"] == "dateLastModified>='2026-08-20T09:00:00.000Z'"
    changed = [STUDENT] if name == "users" and asked["offset"] == "0" else []
    return 200, {}, msgspec.json.encode({name: changed})


class TestConformance(OverHttp):
    @pytest.fixture
    def pretend(self) -> PretendService:
        return PretendOneRoster()


@pytest.fixture
def connector(monkeypatch: pytest.MonkeyPatch) -> OneRosterConnector:
    monkeypatch.setenv("CANARY", "secret-for-tests")
    monkeypatch.setattr(Context, "wait", lambda _context, _seconds: None)
    return OneRosterConnector(OneRosterSettings(url=BASE, auth="bearer", token=canary()), Context("shelbyville"))


def ends(connector: OneRosterConnector) -> dict[str, str | None]:
    return {item.resource: item.doubt for item in connector.pull() if isinstance(item, Finished)}


def read(resource: str, sent: dict[str, Any], connector: OneRosterConnector) -> Reading:
    return connector.read(Document(resource, sent.get("sourcedId"), msgspec.json.encode(sent)))


def serve(**changed: Any) -> None:
    for name in COLLECTIONS:
        responses.add_callback(responses.GET, f"{BASE}/{name}", callback=changed.get(name, provider))


@responses.activate
def test_a_sort_that_is_refused_is_not_asked_for_again(connector: OneRosterConnector) -> None:
    def strict(request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        return (400, {}, b"{}") if "sort" in str(request.url) else provider(request)

    serve(**dict.fromkeys(COLLECTIONS, strict))
    assert set(ends(connector).values()) == {None}
    assert sum("sort=" in str(call.request.url) for call in responses.calls) == 1


@responses.activate
def test_fewer_records_than_the_total_is_a_doubt_after_a_second_try(connector: OneRosterConnector) -> None:
    def short(request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = provider(request)
        return status, {"X-Total-Count": "3"}, body

    serve(users=short)
    assert ends(connector)["users"] == "users sent 2 of 3 records"


@responses.activate
def test_the_same_page_for_ever_is_a_doubt(connector: OneRosterConnector) -> None:
    def stuck(_request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, msgspec.json.encode({"users": COLLECTIONS["users"]})

    serve(users=stuck)
    assert ends(connector)["users"] == "users sent the same page again at record 2"


@responses.activate
def test_an_id_that_is_no_utf8_is_no_id_and_a_count_of_superscripts_no_count(connector: OneRosterConnector) -> None:
    def odd(request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        body = b'{"users": [{"sourcedId": "u\xe9"}]}' if "offset=0" in str(request.url) else b'{"users": null}'
        return 200, {"X-Total-Count": "\xb2"}, body

    serve(users=odd)
    pages = [item for item in connector.pull() if isinstance(item, Page) and item.resource == "users"]
    assert [(document.id, page.total) for page in pages for document in page.documents] == [(None, None)]


@responses.activate
def test_a_gateway_that_gives_up_on_large_pages_is_asked_for_less(connector: OneRosterConnector) -> None:
    def tired(request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        return (504, {}, b"") if int(request.params["limit"]) > 2500 else provider(request)

    serve(users=tired)
    assert ends(connector)["users"] is None


@responses.activate
def test_an_expired_token_is_renewed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "secret-for-tests")
    tokens = iter(["first-token", "second-token"])
    responses.add_callback(
        responses.POST, TOKEN_URL, callback=lambda _request: (200, {}, msgspec.json.encode({"access_token": next(tokens)}))
    )

    def expiring(request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        return (401, {}, b"{}") if "first" in request.headers["Authorization"] else provider(request)

    serve(users=expiring)
    settings = OneRosterSettings(url=BASE, token_url=TOKEN_URL, client_id=canary(), client_secret=canary())
    assert set(ends(OneRosterConnector(settings, Context("shelbyville"))).values()) == {None}
    assert str(responses.calls[0].request.url).endswith("?appName=x")


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2026-12-19", "2026-12-18"),
        ("2026-12-19T00:00:00.000Z", "2026-12-18"),
        ("12/19/2026", "2026-12-18"),
        ("1/05/2026", None),
        ("2026-02-30", None),
        ("", None),
    ],
)
def test_an_end_date_is_stored_as_the_last_day(sent: str, stored: str | None, connector: OneRosterConnector) -> None:
    reading = read("academicSessions", {"sourcedId": "t1", "endDate": sent}, connector)
    assert reading.records[0].end_date == stored
    assert bool(reading.problems) == (stored is None and sent != "")


@pytest.mark.parametrize(
    ("roles", "main", "primary"),
    [
        ([("student", "primary", "o1")], None, {"o1"}),
        ([("student", "primary", "o1"), ("student", "primary", "o2")], None, set()),
        ([("student", "primary", "o1"), ("student", "primary", "o2")], "o2", {"o2"}),
        ([("teacher", "secondary", "o1")], "o1", {"o1"}),
    ],
)
def test_the_main_school_of_12_roles(
    roles: list[tuple[str, str, str]], main: str | None, primary: set[str], connector: OneRosterConnector
) -> None:
    entries = [{"role": role, "roleType": kind, "org": {"sourcedId": org}} for role, kind, org in roles]
    sent = {"sourcedId": "u1", "roles": entries} | ({"primaryOrg": {"sourcedId": main}} if main else {})
    assert {role.org_id for role in read("users", sent, connector).records[0].roles if role.primary} == primary


def test_an_administrator_of_11_becomes_staff_and_the_word_is_kept(connector: OneRosterConnector) -> None:
    user = read("users", {"sourcedId": "u1", "role": "administrator", "orgs": []}, connector).records[0]
    assert [role.role for role in user.roles] == ["staff"]
    assert user.extra["roles"] == ["administrator"]


def test_a_password_is_never_kept(connector: OneRosterConnector) -> None:
    profiles = [{"credentials": [{"username": "ada", "password": "opensesame"}]}]
    beside = {"PIN": "opensesame", "metadata": {"initialPassword": "opensesame", "bus": "7"}}
    reading = read("users", {**STUDENT, **beside, "password": "opensesame", "userProfiles": profiles}, connector)
    assert "opensesame" not in repr(reading)


@pytest.mark.parametrize("word", ["tobedeleted", "inactive", "ToBeDeleted"])
def test_a_record_that_is_gone_states_no_guardians(word: str, connector: OneRosterConnector) -> None:
    reading = read("users", {**STUDENT, "status": word}, connector)
    assert reading.records[0].gone and reading.parts == []


@responses.activate
@pytest.mark.parametrize(("roles", "version"), [({}, "1.1"), ({"roles": [{"role": "student"}]}, "1.2")])
def test_a_version_that_the_address_does_not_tell_is_read_off_a_user(
    roles: dict[str, Any], version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "secret-for-tests")
    asked: list[str] = []

    def token(request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        asked.append(str(request.body))
        return (400, {}, b"{}") if "v1p2" in asked[-1] and version == "1.1" else (200, {}, b'{"access_token": "issued-token"}')

    base = "https://sis.example.org/roster"
    responses.add_callback(responses.POST, TOKEN_URL, callback=token)
    responses.get(f"{base}/orgs", json={"orgs": COLLECTIONS["orgs"]})
    responses.get(f"{base}/users", json={"users": [{"sourcedId": "u1", **roles}]})
    settings = OneRosterSettings(url=base, token_url=TOKEN_URL, client_id=canary(), client_secret=canary())
    assert OneRosterConnector(settings, Context("shelbyville")).probe() == f"OneRoster {version}: 1 orgs"
    assert "v1p2" in asked[0] and len(asked) == (2 if version == "1.1" else 1)
