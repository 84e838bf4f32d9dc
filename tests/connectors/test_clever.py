"""Clever passes the suite; below it, what is peculiar to Clever."""

import re
from typing import Any

import msgspec
import pytest
import requests
import responses

from connectors.clever import CleverConnector
from connectors.clever.settings import CleverSettings
from syncd.contract.conformance import CANARY_NAME, OverHttp, PretendService, canary
from syncd.contract.connector import Context
from syncd.contract.document import Document, Finished, Page, Presence
from syncd.errors import BadAnswer
from syncd.roster.scope import Scope
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


SECTION = {"id": "x1", "school": "o1", "students": ["s1"], "teachers": ["s2"], "teacher": "s2"}
# What belongs to school o1 and to student s1.
PARTS: dict[str, list[dict[str, Any]]] = {
    "schools/o1/terms": [{"id": "t1", "name": "Fall", "start_date": "2026-08-20", "end_date": "2026-12-18"}],
    "schools/o1/courses": [{"id": "c1", "district": "d1", "name": "Math"}],
    "schools/o1/sections": [SECTION],
    "schools/o1/users": [STUDENT],
    "users/s1/sections": [SECTION],
}


def only(mock: Any, lists: dict[str, list[dict[str, Any]]]) -> None:
    """Answer these lists, and nothing else."""
    for registered in [one for one in mock.registered() if one.method == responses.GET]:
        mock.remove(registered)
    for place, records in lists.items():
        mock.get(f"{BASE}/{place}", json=envelope(*records))


class PretendClever(PretendService):
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
        mock.get(f"{BASE}/users/{record_id}", json={"data": {**STUDENT, "id": record_id}}, status=status)

    def serve_changes(self, mock: responses.RequestsMock) -> Any:
        after = responses.matchers.query_param_matcher({"starting_after": "e0", "limit": 1000})
        mock.get(f"{BASE}/events", json=envelope(event("e1", id="s0"), event("e2"), event("e3")), match=[after])
        return {"": {"newest": "e1", "before": "e0"}}

    def serve_part(self, mock: responses.RequestsMock, kind: str) -> str:
        only(mock, PARTS)
        return "o1" if kind == "school" else "s1"


class TestConformance(OverHttp):
    @pytest.fixture
    def pretend(self) -> PretendService:
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


# ── one school, one user ─────────────────────────────────────────────────────────────────────────────


def part(made: CleverConnector, kind: Any, record_id: str) -> tuple[list[str], dict[str, str | None]]:
    """(resource and id of what came, {resource: doubt})."""
    items = list(made.part(Scope(kind, record_id)))
    came = [f"{one.resource} {one.id}" for item in items if isinstance(item, Page) for one in item.documents]
    return came, {item.resource: item.doubt for item in items if isinstance(item, Finished)}


@responses.activate
def test_a_school_comes_by_its_own_lists_and_only_by_those(monkeypatch: pytest.MonkeyPatch) -> None:
    only(responses, PARTS)
    came, ends = part(connector(monkeypatch), "school", "o1")
    assert came == ["terms t1", "courses c1", "sections x1", "users s1"]
    assert ends == {"sections": None, "users": None}, "a course or a term of no section any more is no concern of the school's"
    assert {str(call.request.url).split("?")[0].removeprefix(f"{BASE}/schools/o1/") for call in responses.calls} == {
        "terms", "courses", "sections", "users",
    }  # fmt: skip


@responses.activate
@pytest.mark.parametrize(("status", "doubt"), [(404, None), (403, "the sections of one user are not shared (Clever answered 403)")])
def test_somebody_who_is_in_no_section_may_have_no_list_of_them(status: int, doubt: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    responses.get(f"{BASE}/users/s1/sections", status=status, json={})
    assert part(connector(monkeypatch), "user", "s1") == ([], {"sections": doubt, "users": None})


@responses.activate
def test_a_school_of_which_one_list_is_shared_is_a_doubt_and_one_of_which_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    only(responses, PARTS)
    responses.replace(responses.GET, f"{BASE}/schools/o1/users", status=403, json={})
    came, ends = part(connector(monkeypatch), "school", "o1")
    assert "sections x1" in came and ends == {"sections": None, "users": "users of one school are not shared (Clever answered 403)"}
    responses.replace(responses.GET, f"{BASE}/schools/o1/sections", status=404, json={})
    with pytest.raises(BadAnswer, match="Clever gives nothing of one school by itself"):
        part(connector(monkeypatch), "school", "o1")


@responses.activate
def test_of_several_districts_the_one_that_has_the_school_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [{"owner": {"type": "district", "id": f"d{number}"}, "access_token": f"token-of-d{number}"} for number in (1, 2, 3)]
    responses.get("https://clever.com/oauth/tokens", json={"data": entries})

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        place = str(request.url).split("?")[0].removeprefix(f"{BASE}/")
        if request.headers["Authorization"] != "Bearer token-of-d2":
            return 404, {}, b"{}"
        return 200, {}, msgspec.json.encode(envelope(*PARTS[place]) if place in PARTS else {"data": {"id": "o1"}})

    responses.add_callback(responses.GET, re.compile(f"{BASE}/.*"), callback=answer)
    made = connector(monkeypatch, token=None, client_id=Secret(env="CANARY_ID"), client_secret=canary())
    came, _ = part(made, "school", "o1")
    assert came == ["terms t1", "courses c1", "sections x1", "users s1"]


@responses.activate
def test_the_contacts_of_a_student_are_what_others_say_of_the_student(monkeypatch: pytest.MonkeyPatch) -> None:
    contact = {"id": "p1", "roles": {"contact": {"student_relationships": [{"student": "s1"}]}}}
    responses.get(f"{BASE}/users/s1/mycontacts", json=envelope(contact))
    responses.get(f"{BASE}/users/s2/mycontacts", status=404, json={})
    made = connector(monkeypatch)
    assert [one.id for page in made.about("s1", frozenset({"student"})) for one in page.documents] == ["p1"]
    assert list(made.about("s2", frozenset({"student"}))) == list(made.about("s3", frozenset({"teacher"}))) == []
