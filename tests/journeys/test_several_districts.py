"""One Clever app that several districts have connected: one source, each district with a token and a place in the events of its own."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from connectors.clever import CleverConnector
from connectors.clever.settings import CleverSettings
from syncd.contract.connector import Context
from syncd.report import Mode, RunReport
from syncd.roster.kinds import PLURALS, SINGULAR
from syncd.sandbox import District, Sandbox, running
from syncd.secret import Secret
from syncd.store import Store, open_store, roster
from syncd.sync.run import Order, run
from tests import stores


class App:
    """Clever as one app sees it: the district is known by the token."""

    def __init__(self, districts: dict[str, Sandbox]) -> None:
        self.districts = districts
        self.requests: list[str] = []
        app = self

        class Front(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                app.requests.append(self.path)
                body = app.tokens() if self.path.startswith("/oauth") else app.answer(self.path, self.headers["Authorization"])
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def tokens(self) -> bytes:
        entries = [
            {"owner": {"type": "district", "id": sandbox.district.district().clever_id}, "access_token": token}
            for token, sandbox in self.districts.items()
        ]
        return json.dumps({"data": entries}).encode()

    def answer(self, path: str, authorization: str) -> bytes:
        sandbox = self.districts[authorization.removeprefix("Bearer ")]
        found = requests.get(sandbox.clever_url + path, headers={"Authorization": authorization}, timeout=10)
        return found.content if found.status_code == 200 else b""


@contextmanager
def connected(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[App, Store, Any]]:
    """Two districts, the app between, and a function that runs a sync."""
    monkeypatch.setenv("I", "sandbox")
    monkeypatch.setenv("S", "sandbox-secret")
    with ExitStack() as stack:
        districts = {
            token: stack.enter_context(running(District.generate(students=20, seed=seed), token=token))
            for token, seed in (("north-token", 91), ("south-token", 92))
        }
        app = App(districts)
        thread = threading.Thread(target=app.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        stack.callback(app.server.server_close)
        stack.callback(app.server.shutdown)
        settings = CleverSettings(
            url=app.url, token_url=f"{app.url}/oauth/tokens", client_id=Secret(env="I"), client_secret=Secret(env="S"), demographics=True
        )
        store = open_store(stores.url(folder))

        def sync(mode: Mode = Mode.INCREMENTAL) -> RunReport:
            return run(store, Order("both", lambda context: CleverConnector(settings, context), mode=mode), Context("both"))

        for sandbox in districts.values():
            sandbox.day(1)
        yield app, store, sync


def equal(app: App, store: Store) -> bool:
    return all(
        {record["id"]: record for record in roster.records(store, SINGULAR[plural], "both")}.keys()
        == {record["id"] for sandbox in app.districts.values() for record in sandbox.expected("clever-3.1", plural, demographics=True)}
        for plural in PLURALS
    )


def test_each_district_is_read_on_from_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(tmp_path, monkeypatch) as (app, store, sync):
        assert sync().mode == "full" and equal(app, store)
        app.requests.clear()
        assert sync().mode == "incremental"
        assert [path.split("?")[0] for path in app.requests] == ["/oauth/tokens", "/v3.1/events", "/v3.1/events"]
        for sandbox in app.districts.values():
            sandbox.day(1)
            report = sync()
            assert (report.mode, report.state) == ("incremental", "applied")
            assert report.counts["users"].created > 0 and equal(app, store)


def test_a_district_that_leaves_the_app_takes_nobody_along_without_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(tmp_path, monkeypatch) as (app, store, sync):
        sync()
        before = roster.active_counts(store, "both")
        del app.districts["south-token"]
        report = sync()
        assert (report.mode, report.state) == ("full", "held")
        assert roster.active_counts(store, "both")["users"] == before["users"]
