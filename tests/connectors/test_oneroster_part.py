"""One school or one user at OneRoster providers, which differ in what they let be asked for."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import requests
import responses

from connectors.oneroster import OneRosterConnector
from connectors.oneroster.settings import OneRosterSettings
from syncd.contract.conformance import canary
from syncd.contract.connector import Context
from syncd.contract.document import Document, Finished, Page, Presence
from syncd.errors import BadAnswer, SourceUnavailable
from syncd.roster.scope import Scope

BASE = "https://sis.example.org/ims/oneroster/v1p1"
HERE, THERE = {"sourcedId": "o1"}, {"sourcedId": "o2"}


def student(number: int, *orgs: dict[str, str]) -> dict[str, Any]:
    return {"sourcedId": f"u{number}", "role": "student", "orgs": list(orgs)}


def enrolled(number: int, school: dict[str, str] | None = HERE, user: str = "u1") -> dict[str, Any]:
    return {"sourcedId": f"e{number}", "user": {"sourcedId": user}, "class": {"sourcedId": "x1"}, "school": school, "role": "student"}


CLASS = {"sourcedId": "x1", "title": "Math 1", "school": HERE}
WHOLE: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "schools/o1/courses": ("courses", [{"sourcedId": "c1", "title": "Math"}]),
    "schools/o1/terms": ("academicSessions", []),
    "schools/o1/classes": ("classes", [CLASS]),
    "schools/o1/students": ("users", [student(1, HERE)]),
    "schools/o1/teachers": ("users", []),
    "schools/o1/enrollments": ("enrollments", [enrolled(1)]),
}
Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def connector(monkeypatch: pytest.MonkeyPatch) -> OneRosterConnector:
    monkeypatch.setenv("CANARY", "secret-for-tests")
    monkeypatch.setattr(Context, "wait", lambda _context, _seconds: None)
    return OneRosterConnector(OneRosterSettings(url=BASE, auth="bearer", token=canary(), demographics=True), Context("shelbyville"))


def serve(
    lists: dict[str, tuple[str, list[dict[str, Any]]]], *, refused: int = 404, filtered: Callable[[str, str], Any] | None = None
) -> None:
    """A provider that has these lists, and filters as `filtered` says: (collection, filter) → records, or None."""

    def answer(request: requests.PreparedRequest) -> Answer:
        place = str(request.url).split("?")[0].removeprefix(f"{BASE}/")
        key, found = lists.get(place, (place, None))
        if found is None and filtered is not None and "filter" in request.params:
            found = filtered(place, request.params["filter"])
        if found is None:
            return refused, {}, b"{}"
        return 200, {}, msgspec.json.encode({key: found if request.params["offset"] == "0" else []})

    for place in (*WHOLE, *lists, "classes", "enrollments", "users/u1/classes"):
        responses.add_callback(responses.GET, f"{BASE}/{place}", callback=answer)


def part(connector: OneRosterConnector, kind: Any, record_id: str) -> tuple[list[str], dict[str, str | None]]:
    """(resource and id of what came, {resource: doubt})."""
    items = list(connector.part(Scope(kind, record_id)))
    came = [f"{one.resource} {one.id}" for item in items if isinstance(item, Page) for one in item.documents]
    return came, {item.resource: item.doubt for item in items if isinstance(item, Finished)}


@responses.activate
def test_a_school_comes_by_its_nested_lists(connector: OneRosterConnector) -> None:
    serve(WHOLE)
    came, ends = part(connector, "school", "o1")
    assert came == ["courses c1", "classes x1", "users u1", "enrollments e1"]
    assert ends == dict.fromkeys(["courses", "classes", "users", "enrollments"])
    listed = next(item for item in connector.part(Scope("school", "o1")) if isinstance(item, Finished) and item.resource == "users")
    assert listed.roles == ("student", "teacher"), "staff and guardians come with everybody only, and are not missing"


@responses.activate
def test_a_nested_list_may_go_by_the_name_in_its_address(connector: OneRosterConnector) -> None:
    serve({**WHOLE, "schools/o1/students": ("students", []), "schools/o1/terms": ("terms", [])})
    assert part(connector, "school", "o1")[1]["users"] is None


@responses.activate
@pytest.mark.parametrize("status", [400, 403, 404, 405, 501])
def test_a_provider_without_nested_lists_is_asked_with_a_filter(status: int, connector: OneRosterConnector) -> None:
    asked: list[str] = []

    def filtered(collection: str, by: str) -> Any:
        asked.append(by)
        return [CLASS] if collection == "classes" else [enrolled(1)]

    people = {place: WHOLE[place] for place in ("schools/o1/students", "schools/o1/teachers")}
    serve(people, refused=status, filtered=filtered)
    came, ends = part(connector, "school", "o1")
    assert set(asked) == {"school.sourcedId='o1'"}
    assert came == ["classes x1", "users u1", "enrollments e1"]
    assert ends == dict.fromkeys(["classes", "users", "enrollments"]), "courses that are not to be had are no doubt: they are asked for"


@responses.activate
def test_what_says_that_it_belongs_elsewhere_is_left_out(connector: OneRosterConnector) -> None:
    serve(
        {
            **WHOLE,
            "schools/o1/classes": ("classes", [CLASS, {**CLASS, "sourcedId": "x2", "school": THERE}]),
            "schools/o1/students": ("users", [student(1, HERE), student(2, THERE), student(3, THERE, HERE), student(4)]),
            "schools/o1/enrollments": ("enrollments", [enrolled(1), enrolled(2, THERE), enrolled(3, None)]),
        }
    )
    came, _ = part(connector, "school", "o1")
    assert came == ["courses c1", "classes x1", "users u1", "users u3", "users u4", "enrollments e1", "enrollments e3"]


@responses.activate
def test_a_filter_that_is_ignored_is_no_way(connector: OneRosterConnector) -> None:
    """Everybody's enrollments would come, and count as the school's."""
    nested = {place: found for place, found in WHOLE.items() if place != "schools/o1/enrollments"}
    serve(nested, filtered=lambda *_: [enrolled(1), enrolled(2, THERE)])
    came, ends = part(connector, "school", "o1")
    assert not [one for one in came if one.startswith("enrollments")]
    assert ends["enrollments"] == "enrollments of one school are not to be had (answer 404, the filter is ignored)"


@responses.activate
def test_a_provider_that_gives_nothing_of_one_school_is_told_with_what_to_do(connector: OneRosterConnector) -> None:
    serve({}, refused=403)
    with pytest.raises(BadAnswer, match="gives nothing of one school by itself .*answer 403") as told:
        part(connector, "school", "o1")
    assert "`syncd sync shelbyville` pulls everything" in str(told.value)


@responses.activate
def test_a_user_comes_by_a_filter(connector: OneRosterConnector) -> None:
    serve({}, filtered=lambda collection, by: [enrolled(1)] if (collection, by) == ("enrollments", "user.sourcedId='u1'") else None)
    assert part(connector, "user", "u1") == (["enrollments e1"], {"enrollments": None, "users": None})


@responses.activate
@pytest.mark.parametrize("habit", ["refused", "ignored"])
def test_a_user_comes_class_by_class_where_there_is_no_such_filter(habit: str, connector: OneRosterConnector) -> None:
    lists = {
        "users/u1/classes": ("classes", [CLASS]),
        "schools/o1/classes/x1/enrollments": ("enrollments", [enrolled(1), enrolled(2, user="u2")]),
    }
    serve(lists, refused=400, filtered=lambda *_: [enrolled(1), enrolled(2, user="u2")] if habit == "ignored" else None)
    came, ends = part(connector, "user", "u1")
    assert (came, ends) == (["classes x1", "enrollments e1"], {"enrollments": None, "users": None})


@responses.activate
def test_a_user_whose_enrollments_are_not_to_be_had_is_a_doubt(connector: OneRosterConnector) -> None:
    serve({}, refused=400)
    came, ends = part(connector, "user", "u1")
    assert came == [] and ends["enrollments"] == "enrollments of one user are not to be had (answer 400)"


@responses.activate
def test_an_id_with_a_quote_is_not_put_into_a_filter(connector: OneRosterConnector) -> None:
    responses.get(f"{BASE}/users/o%27hara/classes", json={"classes": []})
    assert part(connector, "user", "o'hara") == ([], {"enrollments": None, "users": None})


@responses.activate
def test_a_provider_that_fails_is_no_provider_without_the_list(connector: OneRosterConnector) -> None:
    serve({}, refused=503)
    with pytest.raises(SourceUnavailable):
        part(connector, "school", "o1")


@responses.activate
def test_demographics_are_what_others_say_of_a_user(connector: OneRosterConnector) -> None:
    responses.get(f"{BASE}/demographics/u1", json={"demographics": {"sourcedId": "u1", "birthDate": "2020-01-31"}})
    responses.get(f"{BASE}/demographics/u2", status=404, json={})
    assert [one.id for page in connector.about("u1", frozenset()) for one in page.documents] == ["u1"]
    assert list(connector.about("u2", frozenset())) == []


@responses.activate
@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"user": student(1), "statusInfoSet": [{"imsx_severity": "warning"}]}, "u1"),
        ({"user": student(1), "total": 1}, "u1"),
        ({"user": {"sourcedId": 17}}, "17"),
        ({"user": {"sourcedId": "u1", "status": "Inactive"}}, Presence.GONE),
        ({"user": None}, Presence.CANNOT_TELL),
        ({"error": "no"}, Presence.CANNOT_TELL),
        ([], Presence.CANNOT_TELL),
    ],
)
def test_one_record_is_found_in_whatever_stands_around_it(body: Any, found: Any, connector: OneRosterConnector) -> None:
    responses.get(f"{BASE}/users/u1", json=body)
    answer = connector.find("users", "u1")
    assert (answer.id if isinstance(answer, Document) else answer) == found
