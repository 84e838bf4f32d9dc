"""What keeps other sites out: who may be named as host, what a page may load, and that no answer with data is kept by anybody."""

import asyncio
from urllib.parse import urlsplit

from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncd.settings.console import ConsoleSettings

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# Bytes of a request's body, and seconds in which it has to come: forms and orders are small.
LARGEST, SLOWEST = 1_000_000, 30.0
# A spreadsheet of ten thousand students has two or three million.
UPLOADS, LARGEST_UPLOAD = ("/import",), 20_000_000
READING = ("GET", "HEAD", "OPTIONS")


class Safety:
    """ASGI middleware, so that a stream of events passes through it as it comes."""

    def __init__(self, app: ASGIApp, console: ConsoleSettings) -> None:
        # Any other name means that a foreign one was made to point here (DNS rebinding).
        self._app, self._hosts = app, console.names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = {name.lower(): value for name, value in scope["headers"]}
        host = urlsplit(f"//{told.get(b'host', b'').decode('latin-1')}")
        secure = scope["scheme"] == "https"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                extra = dict(HEADERS)
                if not scope["path"].startswith("/static/"):
                    extra["Cache-Control"] = "no-store"
                if secure:
                    extra["Strict-Transport-Security"] = "max-age=31536000"
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in extra.items() if name.lower().encode() not in own),
                ]
            await send(message)

        largest = LARGEST_UPLOAD if scope["path"] in UPLOADS else LARGEST
        refused = self._refusal(host.hostname, host.netloc, scope["method"], told, largest)
        if refused is not None:
            await refused(scope, receive, with_headers)
            return
        if scope["method"] not in READING:
            whole = await _whole(receive, largest)
            if isinstance(whole, Response):
                await whole(scope, receive, with_headers)
                return
            receive = whole
        await self._app(scope, receive, with_headers)

    def _refusal(self, host: str | None, at: str, method: str, told: dict[bytes, bytes], largest: int) -> Response | None:
        if host is None or host.lower() not in self._hosts:
            return PlainTextResponse("This console is not reached by that name. If it should be, add it to [console] hosts.\n", 421)
        length = told.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > largest:
            return PlainTextResponse("The request is too large.\n", 413)
        if method not in READING and _is_foreign(at, told):
            return PlainTextResponse("This was sent by a page of another site.\n", 403)
        return None


def _is_foreign(at: str, told: dict[bytes, bytes]) -> bool:
    """Whether a browser says that another site's page sent it. (Programs say nothing of it.)"""
    if b"sec-fetch-site" in told:
        return told[b"sec-fetch-site"] not in (b"same-origin", b"none")
    return b"origin" in told and urlsplit(told[b"origin"].decode("latin-1")).netloc != at


async def _whole(receive: Receive, largest: int) -> Receive | Response:
    """The body, before anything looks at it: what gives it at once, or the answer to one that is too large or too slow, whatever it said of
    its length before."""
    parts: list[Message] = []
    size = 0
    try:
        async with asyncio.timeout(SLOWEST):
            while not parts or parts[-1].get("more_body", False):
                parts.append(await receive())
                size += len(parts[-1].get("body", b""))
                if size > largest:
                    return PlainTextResponse("The request is too large.\n", 413, {"Connection": "close"})
    except TimeoutError:
        return PlainTextResponse("The request took too long to come.\n", 408, {"Connection": "close"})
    came = iter(parts)

    async def again() -> Message:
        part = next(came, None)
        return await receive() if part is None else part

    return again


def guard(app: FastAPI, console: ConsoleSettings) -> None:
    """Put the safety around an application."""
    app.add_middleware(Safety, console=console)
