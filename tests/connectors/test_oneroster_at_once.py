"""Several pages at once, over real sockets: where the provider lets us, never more than asked for, and gently when it stumbles."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.oneroster import OneRosterConnector
from connectors.oneroster.settings import OneRosterSettings
from syncd.contract.connector import Context
from syncd.contract.document import Finished, Page
from syncd.secret import Secret

USERS = 100
PAGE = 10
WAIT = 20


class Provider:
    """A hundred users and nothing else; a test says what stands in the way. most: how many requests for users were under way at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.under_way = self.most = 0
        self.asked: list[int] = []
        self.together: threading.Barrier | None = None
        self.fails: Counter[int] = Counter()
        self.headers: dict[int, dict[str, str]] = {}
        self.hangs: int | None = None
        self.hanging = threading.Event()
        self.released = threading.Event()
        self.cap = PAGE
        self.totals = True

    def users(self, offset: int, limit: int) -> tuple[int, dict[str, str], bytes]:
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            self.asked.append(offset)
            failed = self.fails[offset] > 0
            self.fails[offset] -= failed
        try:
            if self.hangs == offset:
                self.hanging.set()
                self.released.wait(WAIT)
            if self.together is not None and offset:
                # Answers nobody before somebody else has asked too.
                self.together.wait(WAIT)
            if failed:
                return 503, self.headers.get(offset, {}), b"{}"
            found = [
                {"sourcedId": f"u{number:03}", "status": "active"} for number in range(offset, min(offset + min(limit, self.cap), USERS))
            ]
            total = {"X-Total-Count": str(USERS)} if self.totals else {}
            return 200, {**total, **self.headers.get(offset, {})}, json.dumps({"users": found}).encode()
        finally:
            with self.lock:
                self.under_way -= 1


@contextmanager
def served(provider: Provider) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            target = urlsplit(self.path)
            asked = parse_qs(target.query)
            resource = target.path.rsplit("/", 1)[1]
            status, headers, body = 200, {"X-Total-Count": "0"}, json.dumps({resource: []}).encode()
            if resource == "users":
                status, headers, body = provider.users(int(asked["offset"][0]), int(asked["limit"][0]))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/ims/oneroster/v1p1"
    finally:
        provider.released.set()
        server.shutdown()
        server.server_close()
        thread.join(WAIT)


@contextmanager
def connected(provider: Provider, **settings: Any) -> Iterator[OneRosterConnector]:
    with served(provider) as url:
        chosen = OneRosterSettings(url=url, auth="bearer", token=Secret(env="AT_ONCE"), page_size=PAGE, **settings)
        connector = OneRosterConnector(chosen, Context("springfield"))
        try:
            yield connector
        finally:
            connector.close()


def pulled(connector: OneRosterConnector) -> list[str]:
    """The users' ids, in the order in which they came; every list came whole."""
    items = list(connector.pull())
    assert {item.resource: item.doubt for item in items if isinstance(item, Finished) and item.doubt} == {}
    return [str(document.id) for page in items if isinstance(page, Page) and page.resource == "users" for document in page.documents]


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AT_ONCE", "token-of-the-at-once-tests")


ALL = [f"u{number:03}" for number in range(USERS)]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(Context, "wait", lambda _context, seconds: waited.append(seconds))
    return waited


@pytest.mark.parametrize("at_once", [2, 3])
def test_pages_are_asked_for_at_once_and_come_in_their_order(at_once: int) -> None:
    provider = Provider()
    # Nine pages follow the first: with three at once, thrice three.
    provider.together = threading.Barrier(3) if at_once == 3 else None
    with connected(provider, requests_at_once=at_once) as connector:
        assert pulled(connector) == ALL
    assert provider.most <= at_once
    assert sorted(provider.asked) == list(range(0, USERS, PAGE))


def test_one_at_a_time_where_that_is_asked_for() -> None:
    provider = Provider()
    with connected(provider, requests_at_once=1) as connector:
        assert pulled(connector) == ALL
    assert provider.most == 1
    assert provider.asked == list(range(0, USERS, PAGE))


@pytest.mark.parametrize("habit", ["cut", "no totals"])
def test_a_provider_whose_next_page_nobody_can_tell_is_asked_one_at_a_time(habit: str) -> None:
    provider = Provider()
    provider.cap, provider.totals = (7, True) if habit == "cut" else (PAGE, False)
    with connected(provider, requests_at_once=4) as connector:
        assert pulled(connector) == ALL
    assert provider.most == 1


def test_a_page_that_failed_before_its_turn_is_asked_for_again_and_the_rest_one_at_a_time(waits: list[float]) -> None:
    provider = Provider()
    provider.fails[2 * PAGE] = 1
    with connected(provider, requests_at_once=2) as connector:
        assert pulled(connector) == ALL
    assert provider.asked.count(2 * PAGE) == 2
    after = provider.asked[len(provider.asked) - provider.asked[::-1].index(2 * PAGE) :]
    assert after == sorted(after)
    assert waits == []


def test_a_provider_that_asks_to_wait_is_waited_for_whoever_it_told(waits: list[float]) -> None:
    provider = Provider()
    provider.fails[2 * PAGE] = 1
    provider.headers[2 * PAGE] = {"Retry-After": "17"}
    with connected(provider, requests_at_once=2) as connector:
        assert pulled(connector) == ALL
    assert waits == [17.0]


def test_a_limit_that_is_used_up_is_kept_whoever_used_it_up(waits: list[float]) -> None:
    provider = Provider()
    provider.headers[2 * PAGE] = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9999999999", "Retry-After": "23"}
    with connected(provider, requests_at_once=2) as connector:
        assert pulled(connector) == ALL
    assert waits == [23.0]


def test_a_connector_that_is_closed_does_not_wait_for_what_is_under_way() -> None:
    provider = Provider()
    provider.hangs = 2 * PAGE
    with connected(provider, requests_at_once=2) as connector:
        pages = connector.pull()
        while not (isinstance(page := next(pages), Page) and page.resource == "users"):
            pass
        next(pages)
        assert provider.hanging.wait(WAIT)
        connector.close()
        for thread in [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]:
            thread.join(WAIT / 2)
            assert not thread.is_alive()
        assert not provider.released.is_set()
