"""What keeps other sites out: who may be named as host, what a page may load, and that no answer with data is kept by anybody."""

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
# Bytes of a request's body: forms and orders are small.
LARGEST = 1_000_000


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

        refused = self._refusal(host.hostname, told)
        if refused is not None:
            await refused(scope, receive, with_headers)
        else:
            await self._app(scope, receive, with_headers)

    def _refusal(self, host: str | None, told: dict[bytes, bytes]) -> Response | None:
        if host is None or host.lower() not in self._hosts:
            return PlainTextResponse("This console is not reached by that name. If it should be, add it to [console] hosts.\n", 421)
        length = told.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > LARGEST:
            return PlainTextResponse("The request is too large.\n", 413)
        return None


def guard(app: FastAPI, console: ConsoleSettings) -> None:
    """Put the safety around an application."""
    app.add_middleware(Safety, console=console)
