"""Puts the pretend providers on a socket: one server for Clever, both OneRosters and the remote control.

It logs nothing: addresses of requests can carry personal data. The server runs in a thread of its own;
`serve` waits for the end in the caller's, `running` gives the sandbox to a test or a demo.
"""

import signal
import socket
import threading
from asyncio import Transport
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from syncd import signals
from syncd.sandbox.clever import Clever
from syncd.sandbox.control import Controls, Requests, Seen, routes
from syncd.sandbox.district import District
from syncd.sandbox.faults import TRANSPORT, Faults, fault
from syncd.sandbox.habits import Habits
from syncd.sandbox.oauth import SCOPES, Access
from syncd.sandbox.oneroster import BASES, OneRoster
from syncd.sandbox.tokens import TokenEndpoint

STARTUP = 20  # seconds


class Sandbox:
    """A running sandbox: where it is, how to sign in, and what can be done to it."""

    def __init__(self, controls: Controls, url: str) -> None:
        self.district = controls.district
        self.url = url
        self.clever_url = url
        self.clever_token_url = f"{url}/oauth/tokens"
        self.oneroster_11_url = f"{url}{BASES['1.1']}"
        self.oneroster_12_url = f"{url}{BASES['1.2']}"
        self.token_url = f"{url}/oauth/token"
        self.token = controls.access.token
        self.client_id = controls.access.client_id
        self.client_secret = controls.access.client_secret
        self._controls = controls

    def state(self) -> dict[str, Any]:
        """Day, date, counts, events and requests so far."""
        return self._controls.state()

    def day(self, days: int = 1) -> dict[str, int]:
        """Let school days pass; counts what happened."""
        return self._controls.day(days)

    def rehearse(self, name: str) -> None:
        """Let a scenario happen (`scenarios.py`). Raises ValueError for an unknown one."""
        self._controls.rehearse(name)

    def put(self, kind: str, **fields: Any) -> Any:
        """Add a record or change one; returns it. Raises ValueError when the fields make none."""
        return self._controls.put(kind, fields)

    def delete(self, kind: str, name: str) -> None:
        """Remove a record. Raises KeyError when there is none."""
        self._controls.delete(kind, name)

    def expected(
        self,
        as_: str,
        kind: str,
        status: str = "active",
        *,
        demographics: bool = False,
    ) -> list[dict[str, Any]]:
        """The neutral records that a correct sync ends up with."""
        return self._controls.expected(as_, kind, status, demographics=demographics)

    def fault(self, effect: str, **fields: Any) -> None:
        """Arm a fault (`faults.Fault`). Raises ValueError when the fields make none."""
        self._controls.faults.arm(fault({"effect": effect, **fields}))

    def clear_faults(self) -> None:
        """Forget all faults."""
        self._controls.faults.clear()

    def habits(self, **changes: Any) -> None:
        """Change habits (`habits.Habits`). Raises ValueError for an unknown one."""
        self._controls.habits.set(changes)

    def revoke_tokens(self) -> None:
        """Forget every OAuth 2 token that was given."""
        self._controls.access.revoke()

    def change_token(self, token: str) -> None:
        """Give the district another Clever token; the one before is not taken any more."""
        self.token = self._controls.access.token = token

    def let_tokens_last(self, seconds: float) -> None:
        """How long the OAuth 2 tokens last that are given from now on."""
        self._controls.access.token_seconds = seconds

    def set_clock(self, ahead: float) -> None:
        """Set the providers' clock so many seconds ahead of ours (or behind, below 0)."""
        self._controls.access.clock_ahead = ahead

    def requests(self) -> list[Seen]:
        """The last requests to the providers, oldest first."""
        return list(self._controls.requests.seen)


class _Connection(H11Protocol):
    """uvicorn's protocol, which shows the connection to the application: `faults.py` cuts and resets it."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does this only for sockets that name their protocol. Without it each answer on a kept
        # connection waits 40 ms for the other side's acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        inner: Any = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            await inner({**scope, TRANSPORT: transport}, receive, send)

        self.app: Any = with_transport


def application(district: District, habits: Habits, access: Access) -> tuple[ASGIApp, Controls]:
    """The sandbox as an ASGI application, and the controls of it."""
    clever = Clever(district, habits, access)
    one = {version: OneRoster(district, habits, access, version) for version in BASES}
    inner = Starlette()
    faults = Faults(inner)
    requests = Requests(faults)
    controls = Controls(district, habits, access, faults, requests)
    inner.router.routes += [
        Route("/oauth/tokens", clever.tokens, methods=["GET"]),
        Route("/oauth/token", TokenEndpoint(access).token, methods=["POST"]),
        Route("/v{version}/{path:path}", clever.data, methods=["GET"]),
        *[Route(f"{base}/{{path:path}}", one[version].data, methods=["GET"]) for version, base in BASES.items()],
        *routes(controls),
    ]
    return _dated(requests, access), controls


def _dated(app: ASGIApp, access: Access) -> ASGIApp:
    """Tells the providers' clock with each answer that does not tell one."""

    async def with_date(scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start" and all(name.lower() != b"date" for name, _ in message["headers"]):
                message["headers"] = [*message["headers"], (b"date", formatdate(access.time(), usegmt=True).encode())]
            await send(message)

        await app(scope, receive, tell)

    return with_date


@contextmanager
def running(
    district: District,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    habits: Habits | None = None,
    token: str = "TEST_TOKEN",
    client_id: str = "sandbox",
    client_secret: str = "sandbox-secret",
    token_seconds: float = 3600,
    scopes: tuple[str, ...] = SCOPES,
) -> Iterator[Sandbox]:
    """Serve a district while the block runs. port 0 takes a free one. Raises OSError when the address is
    taken.

    token is Clever's district token and OneRoster's fixed bearer token; token_seconds how long an OAuth 2
    token lasts; scopes those that OneRoster grants.
    """
    access = Access(
        token=token,
        client_id=client_id,
        client_secret=client_secret,
        token_seconds=token_seconds,
        scopes=scopes,
    )
    app, controls = application(district, habits or Habits(), access)
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    config = uvicorn.Config(
        app,
        http=_Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            server.run(sockets=[listener])
        except BaseException as error:  # told to the caller below, who waits for the start
            failed.append(error)

    thread = threading.Thread(target=run, name="syncd-sandbox", daemon=True)
    thread.start()
    try:
        waited = threading.Event()
        for _ in range(STARTUP * 100):
            if server.started or failed or not thread.is_alive():
                break
            waited.wait(0.01)
        if not server.started:
            raise RuntimeError("the sandbox did not start") from (failed[0] if failed else None)
        name = f"[{host}]" if ":" in host else host
        yield Sandbox(controls, f"http://{name}:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def serve(
    district: District,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    day_every: float | None = None,
    on_ready: Callable[[Sandbox], None] | None = None,
    **options: Any,
) -> None:
    """Serve a district until interrupted (Ctrl-C), from the main thread. Prints nothing: `on_ready` gets the sandbox with its
    address.

    day_every: seconds after which a school day passes, again and again. options: those of `running`.
    Raises OSError when the address is taken, ValueError when day_every is not above 0.
    """
    if day_every is not None and day_every <= 0:
        raise ValueError("day_every is a number of seconds above 0")
    with running(district, host=host, port=port, **options) as sandbox:
        if on_ready is not None:
            on_ready(sandbox)
        # Not KeyboardInterrupt, which could break into the middle of a day and leave the district locked.
        ended = threading.Event()
        with signals.on({signal.SIGINT: ended.set, signal.SIGTERM: ended.set}):
            while not ended.wait(day_every):
                sandbox.day()
