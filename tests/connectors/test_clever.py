"""Clever passes the suite; below it, what is peculiar to Clever."""

from typing import Any

import msgspec
import pytest
import requests
import responses

from connectors.clever import CleverConnector
from connectors.clever.settings import CleverSettings
from syncd.contract.conformance import CANARY_NAME, Conformance, Pretend, canary
from syncd.contract.connector import Context
from syncd.contract.document import Document, Finished, Page, Presence
from syncd.errors import BadAnswer
from syncd.secret import Secret

BASE = "https://api.clever.com/v3.1"
STUDENT = {
    "id": "s1",
    "district": "d1",
    "name": {"first": "Ada", "last": CANARY_NAME},
    "email": "ada@example.org",
    "roles": {"student": {"school": "o1", "schools": ["o1"], "grade": "Kindergarten", "student_number": "17", "dob": "2020-01-31"}},
}


def envelope(*records: dict[str, Any], following: str | None = None) -> dict[str, Any]:
    links = [{"rel": "self", "uri": "/v3.1/x"}, *([{"rel": "next", "uri": following}] if following else [])]
    return {"data": [{"data": record, "uri": "/v3.1/x"} for record in records], "links": links}


def event(event_id: str, kind: str = "users.updated", **record: Any) -> dict[str, Any]:
    return {"id": event_id, "type": kind, "created": "2026-11-01T00:00:00.000Z", "data": {"object": {**STUDENT, **record}}}


class PretendClever(Pretend):
    connector = CleverConnector
    resource = "users"

    def settings(self) -> CleverSettings:
        return CleverSettings(token=canary())

    def address(self) -> str:
        return f"{BASE}/users"

    def sample(self) -> dict[str, Any]:
        return STUDENT

    def serve(self, mock: responses.RequestsMock) -> None:
        lists = {
            "districts": [{"id": "d1", "name": "Springfield"}],
            "schools": [{"id": "o1", "district": "d1", "name": "North"}],
            "terms": [{"id": "t1", "name": "Fall", "start_date": "2026-08-20", "end_date": "2026-12-18"}],
            "courses": [{"id": "c1", "district": "d1", "name": "Math"}],
            "sections": [{"id": "x1", "school": "o1", "students": ["s1"], "teachers": ["s2"], "teacher": "s2"}],
        }
        for name, records in lists.items():
            mock.get(f"{BASE}/{name}", json=envelope(*records))
        later = responses.matchers.query_param_matcher({"starting_after": "s1"})
        mock.get(f"{BASE}/users", json=envelope({**STUDENT, "id": "s2"}), match=[later])

        def first(request: Any) -> tuple[bool, str]:
            return "starting_after" not in request.params, "a later page"

        mock.get(f"{BASE}/users", json=envelope(STUDENT, following="/v3.1/users?starting_after=s1"), match=[first])
        newest = responses.matchers.query_param_matcher({"ending_before": "last", "limit": 2})
        mock.get(f"{BASE}/events", json=envelope(event("e0"), event("e1")), match=[newest])

    def serve_one(self, mock: responses.RequestsMock, record_id: str, presence: Presence) -> None:
        status = {Presence.FOUND: 200, Presence.GONE: 404, Presence.CANNOT_TELL: 403}[presence]
        mock.get(f"{BASE}/users/{record_id}", json={"data": STUDENT}, status=status)

    def serve_changes(self, mock: responses.RequestsMock) -> Any:
        after = responses.matchers.query_param_matcher({"starting_after": "e0", "limit": 1000})
        mock.get(f"{BASE}/events", json=envelope(event("e1", id="s0"), event("e2"), event("e3")), match=[after])
        return {"": {"newest": "e1", "before": "e0"}}


class TestConformance(Conformance):
    @pytest.fixture
    def pretend(self) -> Pretend:
        return PretendClever()


def connector(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> CleverConnector:
    monkeypatch.setenv("CANARY", "canary-token-4711")
    monkeypatch.setenv("CANARY_ID", "canary-client-4711")
    monkeypatch.setattr(Context, "wait", lambda _context, _seconds: None)
    defaults = {"token": canary(), "events": False}
    return CleverConnector(CleverSettings(**(defaults | settings)), Context("springfield"))


def users(*records: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **settings: Any) -> list[Any]:
    made = connector(monkeypatch, **settings)
    return [made.read(Document("users", record["id"], msgspec.json.encode(record))) for record in records]


@responses.activate
def test_a_next_link_that_goes_round_in_a_circle_ends_the_pull(monkeypatch: pytest.MonkeyPatch) -> None:
    responses.get(f"{BASE}/districts", json=envelope({"id": "d1"}, following="/v3.1/districts?starting_after=d1"))
    with pytest.raises(BadAnswer, match="circle"):
        list(connector(monkeypatch).pull())


@pytest.mark.fault("P1")
@responses.activate
def test_a_link_that_is_always_new_to_a_page_that_is_always_the_same_ends_the_pull(monkeypatch: pytest.MonkeyPatch) -> None:
    def again(_request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, msgspec.json.encode(envelope({"id": "d1"}, following=f"/v3.1/districts?starting_after={len(responses.calls)}"))

    responses.add_callback(responses.GET, f"{BASE}/districts", callback=again)
    with pytest.raises(BadAnswer, match="springfield: the pages of districts go round in a circle"):
        list(connector(monkeypatch).pull())
    assert len(responses.calls) == 2


@responses.activate
def test_an_id_that_is_no_utf8_is_no_id(monkeypatch: pytest.MonkeyPatch) -> None:
    responses.get(f"{BASE}/districts", body=b'{"data": [{"data": {"id": "d\xe9"}}]}')
    page = next(item for item in connector(monkeypatch).pull() if isinstance(item, Page))
    assert [document.id for document in page.documents] == [None]


@responses.activate
def test_a_limit_that_clever_calls_too_large_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    responses.get(f"{BASE}/districts", status=413, json={"message": "limit"})
    responses.get(f"{BASE}/districts", json=envelope({"id": "d1"}))
    for name in ("schools", "terms", "courses", "sections", "users"):
        responses.get(f"{BASE}/{name}", json=envelope())
    ends = [item for item in connector(monkeypatch).pull() if isinstance(item, Finished)]
    assert len(ends) == 6
    assert [call.request.params["limit"] for call in responses.calls][:2] == ["10000", "5000"]


@responses.activate
def test_a_rotated_token_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry(token: str) -> dict[str, Any]:
        return {"data": [{"owner": {"type": "district", "id": "d1"}, "access_token": token}]}

    responses.get("https://clever.com/oauth/tokens", json=entry("old-token"))
    responses.get("https://clever.com/oauth/tokens", json=entry("new-token"))
    responses.get(f"{BASE}/districts", status=401)
    for name in ("districts", "schools", "terms", "courses", "sections", "users"):
        responses.get(f"{BASE}/{name}", json=envelope())
    made = connector(monkeypatch, token=None, client_id=Secret(env="CANARY_ID"), client_secret=canary(), district="d1")
    assert len([item for item in made.pull() if isinstance(item, Finished)]) == 6
    assert responses.calls[-1].request.headers["Authorization"] == "Bearer new-token"


def test_a_person_with_several_roles_is_one_user(monkeypatch: pytest.MonkeyPatch) -> None:
    roles = {"teacher": {"school": "o1", "schools": ["o1", "o2"]}, "staff": {"schools": ["o2"]}, "district_admin": {}}
    (reading,) = users({"id": "u1", "district": "d1", "roles": roles}, monkeypatch=monkeypatch)
    found = [(role.role, role.org_id, role.primary) for role in reading.records[0].roles]
    assert found == [
        ("district_admin", "d1", False),
        ("staff", "o2", False),
        ("teacher", "o1", True),
        ("teacher", "o2", False),
    ]


def test_demographics_are_left_out_unless_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    (without,) = users(STUDENT, monkeypatch=monkeypatch)
    assert "2020-01-31" not in repr(without)
    (taken,) = users(STUDENT, monkeypatch=monkeypatch, demographics=True)
    assert taken.parts[0].birth_date == "2020-01-31"


def test_grade_words_become_codes_and_the_word_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    (reading,) = users(STUDENT, monkeypatch=monkeypatch)
    assert reading.records[0].grades == ("KG",)
    assert reading.records[0].extra["grades"] == ["Kindergarten"]
