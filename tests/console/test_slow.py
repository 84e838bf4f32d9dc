"""Who asks too slowly, and who watches too much: nobody else is kept waiting by them."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import uvicorn
from fastapi import FastAPI, Request

from syncd.console import prompt, safety, tail
from syncd.console.prompt import Prompt
from syncd.console.tail import Tail, TooMany
from syncd.settings.console import ConsoleSettings
from syncd.store import open_store
from tests import stores

PATIENCE = 20.0


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with the console's safety around it, and less patience."""
    monkeypatch.setattr(prompt, "HEAD", 1.0)
    monkeypatch.setattr(safety, "SLOWEST", 1.0)
    app = FastAPI()

    @app.post("/")
    async def take(request: Request) -> int:
        return len(await request.body())

    safety.guard(app, ConsoleSettings())
    server = uvicorn.Server(uvicorn.Config(app, http=Prompt, log_config=None))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def ends(url: str, head: bytes) -> bool:
    """Say something, then a byte now and then: whether the server ends the connection."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.settimeout(0.2)
        until = time.monotonic() + PATIENCE
        try:
            connection.sendall(head)
            while time.monotonic() < until:
                try:
                    if connection.recv(65536) == b"":
                        return True
                except TimeoutError:
                    connection.sendall(b"x" if head else b"")
        except OSError:
            return True
    return False


@pytest.mark.fault("S15")
@pytest.mark.parametrize(
    "head",
    [b"", b"POST / HTTP/1.1\r\nX-Slow: ", b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\n"],
    ids=["silent", "head", "body"],
)
def test_who_asks_too_slowly_is_let_go_and_who_asks_in_time_is_not(head: bytes, url: str) -> None:
    with requests.Session() as session:
        assert session.post(url, data=b"abc").json() == 3
        assert ends(url, head)
        assert session.post(url, data=b"abcd").json() == 4, "the same connection, idle for longer than a head may take"


@pytest.mark.fault("S15")
def test_watchers_beyond_what_can_be_served_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MOST", 2)
    store = open_store(stores.url(tmp_path))

    async def watch() -> None:
        found = Tail(store)
        watching = [found.watch() for _ in range(2)]
        for each in watching:
            found.has_room()
            assert await anext(each) == tail.ALIVE
        with pytest.raises(TooMany):
            found.has_room()
        await watching[0].aclose()
        found.has_room()
        found.close()

    # A browser's tests in the same process have an event loop in this thread.
    with ThreadPoolExecutor(1) as beside:
        beside.submit(asyncio.run, watch()).result()
    store.close()
