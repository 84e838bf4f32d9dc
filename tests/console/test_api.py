"""The API: what it promises in its OpenAPI document holds for whatever is sent to it, and it says what the command line says."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.console.console import PATIENCE, Served, served, until

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@pytest.fixture(scope="module")
def admin(console: Served) -> dict[str, str]:
    return {"Authorization": f"Bearer {console.token('admin')}"}


def test_the_api_keeps_its_promises_whatever_it_is_sent(tmp_path: Path) -> None:
    # One of its own: what is sent undoes a run, as often as not.
    with served(tmp_path, students=30, synced=True) as console:
        try_everything(console, {"Authorization": f"Bearer {console.token('admin')}"})


def try_everything(console: Served, admin: dict[str, str]) -> None:
    document = schemathesis.openapi.from_url(f"{console.url}/api/openapi.json", headers=admin)
    tried = []
    # The stream of events has no end.
    for found in document.exclude(path="/api/events").get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
        def check(case: Any) -> None:
            case.call_and_validate(headers=admin, checks=CHECKS)

        check()
        tried.append(operation.label)
    assert len(tried) > 15


def test_the_api_says_what_the_command_line_says(console: Served, admin: dict[str, str]) -> None:
    def asked(path: str) -> Any:
        answer = requests.get(console.url + path, headers=admin)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def told(*command: str) -> Any:
        return json.loads(console.command(*command, "--json"))

    shown = told("runs", "show", "1")
    assert asked("/api/runs/1") == {name: value for name, value in shown.items() if name not in ("changes", "held_changes")}
    assert asked("/api/roster/users?limit=500")["records"] == told("roster", "users")["records"][:500]
    user = told("roster", "users")["records"][0]["id"]
    history = told("history", "user", user)
    record = asked(f"/api/record?kind=users&source=springfield&id={user}")
    assert record["record"] == history["records"][0] and record["held_changes"] == history["held_changes"]
    assert [one["run"] for one in record["changes"]] == [one["run"] for one in history["changes"]]
    assert asked("/api/sources")["sources"] == told("status")["sources"]
    changes = asked("/api/runs/1/changes?kind=sections&limit=1000")["changes"]
    assert {one["id"] for one in changes} == {one["id"] for one in told("roster", "sections")["records"]}


def test_all_pages_of_changes_together_are_all_changes(console: Served, admin: dict[str, str]) -> None:
    seen: list[tuple[str, str]] = []
    after = ""
    while True:
        asked = {"limit": "50"} | ({"after": after} if after else {})
        page = requests.get(f"{console.url}/api/runs/1/changes", params=asked, headers=admin).json()
        seen += [(one["kind"], one["id"]) for one in page["changes"]]
        if not (after := page["after"]):
            break
    tallies = requests.get(f"{console.url}/api/runs/1/tallies", headers=admin).json()
    assert len(seen) == len(set(seen)) == sum(one["count"] for one in tallies)


def events(console: Served, headers: dict[str, str], query: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """What the stream of events tells, as it comes. Nothing that happens after this call is missed."""
    answer = requests.get(f"{console.url}/api/events{query}", headers=headers, stream=True, timeout=60)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    lines = answer.iter_lines(chunk_size=1, decode_unicode=True)
    assert next(lines) == ": alive"

    def told() -> Iterator[tuple[str, dict[str, Any]]]:
        name, end = "", time.monotonic() + PATIENCE
        for line in lines:
            assert time.monotonic() < end, "it is not told"
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))

    return told()


def test_a_run_is_told_live_from_beginning_to_end(console: Served, admin: dict[str, str]) -> None:
    stream = events(console, admin, "?source=springfield")
    order = requests.post(f"{console.url}/api/sources/springfield/sync", headers=admin, json={"full": True}).json()["order"]
    lines, states = [], []
    for name, told in stream:
        assert told["source"] == "springfield"
        if name == "line":
            lines.append(told["event"])
        else:
            states.append(told["state"])
        if "run finished" in lines and states[-1:] == ["applied"]:
            break
    assert lines[0] == "run started" and set(states[:-1]) <= {"running"}
    done = until(lambda: (found := requests.get(f"{console.url}/api/orders/{order}", headers=admin).json())["state"] == "done" and found)
    report = requests.get(f"{console.url}/api/runs/{done['run']}", headers=admin).json()
    assert report["state"] == "applied" and report["account"].startswith("token:") and report["mode"] == "full"


def test_who_begins_to_watch_a_run_that_has_just_ended_is_told_so(console: Served, admin: dict[str, str]) -> None:
    name, told = next(events(console, admin, "?run=1&stands=999999&stands=1"))
    assert (name, told["run"], told["state"]) == ("run", 1, "applied")


def test_health_is_told_to_anybody_and_says_when_nobody_pulls(console: Served) -> None:
    assert requests.get(f"{console.url}/healthz").text == "alive\n"
    assert requests.get(f"{console.url}/readyz").json() == {"store": True, "scheduler": True}
