"""Things that go wrong on the way: faults armed on purpose, each for certain requests and for so many times.

A fault stands before the providers (it is ASGI around them) and sees only bytes; it does not know the roster.
What a provider does as a matter of course is a habit (`habits.py`).
"""

import asyncio
import re
import socket
import struct
import threading
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TRANSPORT = "sandbox.transport"
FIRST_PAGE = "sandbox.first_page"
LOGIN_PAGE = "<!doctype html><html><head><title>Sign in</title></head><body><form>Sign in</form></body></html>"
GARBAGE = bytes((number * 37 + 11) % 256 for number in range(512))


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One fault.

    Which requests: `path` (a part of path and query), `prefix` (their beginning) or `pattern` (a regular
    expression, searched in them), and `method`; none of them means all. It begins after `after` matching
    requests and happens `times` times (null: for ever).

    `effect`, and what it takes: `status` (status, retry_after in seconds or as an HTTP date, body, headers) ·
    `headers` (those of the true answer, with these in their place) · `recode` (the body in another `encoding`) ·
    `endless` (a body without end, packed with `gzip` if so told) · `slow`
    (seconds before the answer) · `drip` (bytes at a time, every `seconds`) · `cut` (the body ends after
    `bytes`; `ending` "length": Content-Length promises more, "close": no length, a clean end, "reset": the
    connection is torn down then) · `reset` (the connection is torn down at once) · `login` (a sign-in page,
    status 200) · `lose` (the page lacks its last `records` records; null: all) · `add` (the page also has
    `documents`, each given as JSON text and sent byte for byte) · `replace` (those stand in the place of the
    page's records of the same id) · `loop` (the next link leads to the page itself) · `first_page` (the first
    page again, whatever was asked) · `foreign` (the next link leads `to` somewhere else) · `garbage` (bytes
    that are no JSON) · `shape` (JSON of another shape, or `body`).
    """

    effect: Literal[
        "status",
        "headers",
        "recode",
        "endless",
        "slow",
        "drip",
        "cut",
        "reset",
        "login",
        "lose",
        "add",
        "replace",
        "loop",
        "first_page",
        "foreign",
        "garbage",
        "shape",
    ]
    path: str | None = None
    prefix: str | None = None
    pattern: str | None = None
    method: str | None = None
    after: int = 0
    times: int | None = None
    status: int = 500
    retry_after: int | float | str | None = None
    body: Any = None
    seconds: float = 1.0
    bytes: int = 100
    ending: Literal["length", "close", "reset"] = "length"
    headers: dict[str, str] = {}
    encoding: str = "utf-8-sig"
    gzip: bool = False
    to: str = "https://collector.example.com"
    records: int | None = None
    documents: list[str] = []
    seen: int = 0
    fired: int = 0

    def matches(self, method: str, target: str) -> bool:
        """Whether a request is one of those meant."""
        return (
            (self.method is None or self.method.upper() == method)
            and (self.path is None or self.path in target)
            and (self.prefix is None or target.startswith(self.prefix))
            and (self.pattern is None or re.search(self.pattern, target) is not None)
        )


def fault(fields: dict[str, Any]) -> Fault:
    """A fault from its fields. Raises ValueError with the reason when they make none."""
    try:
        made = msgspec.convert(fields, Fault)
        if made.pattern is not None:
            re.compile(made.pattern)
    except (msgspec.ValidationError, re.error) as error:
        raise ValueError(f"no such fault: {error}") from error
    made.seen = made.fired = 0
    return made


class Faults:
    """The faults armed now. The first armed one that is due for a request happens; only one does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.armed: list[Fault] = []
        self._lock = threading.Lock()

    def arm(self, new: Fault) -> None:
        """Arm one more fault."""
        with self._lock:
            self.armed.append(new)

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self.armed.clear()

    def due(self, method: str, target: str) -> Fault | None:
        """The fault that happens to this request, which is counted."""
        chosen: Fault | None = None
        with self._lock:
            for found in self.armed:
                if not found.matches(method, target):
                    continue
                found.seen += 1
                if chosen is None and found.seen > found.after and (found.times is None or found.fired < found.times):
                    found.fired += 1
                    chosen = found
        return chosen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
        found = None if target.startswith("/_sandbox") else self.due(scope["method"], target)
        if found is None:
            await self.app(scope, receive, send)
            return
        await _happen(found, self.app, scope, receive, send, target)


async def _happen(found: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send, target: str) -> None:
    transport = scope.get(TRANSPORT)
    if found.effect == "reset":
        await _reset(transport, receive)
    elif found.effect == "slow":
        await asyncio.sleep(found.seconds)
        await app(scope, receive, send)
    elif found.effect == "first_page":
        await app({**scope, FIRST_PAGE: True}, receive, send)
    elif found.effect == "status":
        headers = [] if found.retry_after is None else [(b"retry-after", str(found.retry_after).encode())]
        headers = _replace(headers, found.headers)
        body = {"message": "armed fault"} if found.body is None else found.body
        await _answer(send, found.status, *_bytes(body), headers)
    elif found.effect == "login":
        await _answer(send, 200, LOGIN_PAGE.encode(), b"text/html; charset=utf-8", [])
    elif found.effect == "garbage":
        await _answer(send, 200, GARBAGE, b"application/json", [])
    elif found.effect == "shape":
        body = {"result": {"items": 3}, "ok": True} if found.body is None else found.body
        await _answer(send, 200, *_bytes(body), [])
    elif found.effect == "endless":
        await _endless(found, receive, send)
    else:
        status, headers, raw = await _capture(app, scope, receive)
        if found.effect == "cut":
            await _cut(found, transport, receive, status, headers, raw)
        elif found.effect == "drip":
            await _drip(found, receive, send, status, headers, raw)
        elif found.effect == "headers":
            await _answer(send, status, raw, b"", _replace(headers, found.headers))
        elif found.effect == "recode":
            await _answer(send, status, raw.decode().encode(found.encoding, "replace"), b"", headers)
        else:
            raw, headers = _edit(found, raw, headers, target)
            await _answer(send, status, raw, b"", headers)


Headers = list[tuple[bytes, bytes]]


def _replace(headers: Headers, new: dict[str, str]) -> Headers:
    names = {name.lower().encode() for name in new}
    return [pair for pair in headers if pair[0].lower() not in names] + [(name.encode(), value.encode()) for name, value in new.items()]


def _bytes(body: Any) -> tuple[bytes, bytes]:
    """A body as bytes and its type: text is sent as text, anything else as JSON."""
    if isinstance(body, str):
        return body.encode(), b"text/html; charset=utf-8" if body.lstrip().startswith("<") else b"text/plain"
    return msgspec.json.encode(body), b"application/json"


async def _answer(send: Send, status: int, body: bytes, kind: bytes, headers: Headers) -> None:
    every = [pair for pair in headers if pair[0].lower() != b"content-length"]
    if kind:
        every.append((b"content-type", kind))
    every.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": every})
    await send({"type": "http.response.body", "body": body})


async def _capture(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[int, Headers, bytes]:
    status, headers, parts = 500, list[tuple[bytes, bytes]](), list[bytes]()

    async def keep(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", []))
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, keep)
    return status, headers, b"".join(parts)


def _edit(found: Fault, raw: bytes, headers: Headers, target: str) -> tuple[bytes, Headers]:
    """Change a page's records or its next link; an answer that is no page stays as it is."""
    try:
        body = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return raw, headers
    lists = [key for key, value in body.items() if isinstance(value, list) and key != "links"]
    if not lists:
        return raw, headers
    if found.effect in ("add", "replace"):
        return _said(found, raw, lists[0], headers)
    if found.effect == "lose":
        records = body[lists[0]]
        body[lists[0]] = [] if found.records is None else records[: max(0, len(records) - found.records)]
        if found.records is None:
            # Whoever loses everything counts nothing, too.
            headers = [(name, b"0" if name.lower() == b"x-total-count" else value) for name, value in headers]
    else:

        def lead(uri: str) -> str:
            if found.effect == "foreign":
                return found.to + re.sub(r"^https?://[^/]*", "", uri)
            return re.sub(r"^(https?://[^/]*)?.*$", lambda match: (match.group(1) or "") + target, uri, count=1)

        for link in body.get("links", []):
            if link.get("rel") == "next":
                link["uri"] = lead(link["uri"])
        headers = [(name, _next_header(value, lead) if name.lower() == b"link" else value) for name, value in headers]
    return msgspec.json.encode(body), headers


def _said(found: Fault, raw: bytes, key: str, headers: Headers) -> tuple[bytes, Headers]:
    """The page with the fault's documents in it, and the total counted anew; an empty page, which ends a list, stays empty."""
    page = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    there = msgspec.json.decode(page[key], type=list[msgspec.Raw])
    if not there:
        return raw, headers
    envelope = '{"data":%s}' if key == "data" else "%s"
    new = [msgspec.Raw((envelope % document).encode("utf-8", "surrogatepass")) for document in found.documents]
    kept = there
    if found.effect == "replace":
        names = {name for document in new if (name := _name_of(bytes(document)))}
        kept = [document for document in there if _name_of(bytes(document)) not in names]
    more = len(kept) + len(new) - len(there)
    headers = [(name, str(int(value) + more).encode()) if name.lower() == b"x-total-count" else (name, value) for name, value in headers]
    # Joined by hand, because what is sent byte for byte need not be JSON.
    page[key] = msgspec.Raw(b"[" + b",".join(bytes(document) for document in [*kept, *new]) + b"]")
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + bytes(part) for name, part in page.items()) + b"}", headers


def _name_of(document: bytes) -> str | None:
    """The id that stands in a document of either dialect; documents that are no JSON are searched for one."""
    match = re.search(rb'"(?:sourcedId|id)"\s*:\s*"([^"]*)"', document)
    return match[1].decode() if match else None


def _next_header(value: bytes, lead: Callable[[str], str]) -> bytes:
    return re.sub(
        r'<([^>]*)>; rel="next"',
        lambda match: f'<{lead(match.group(1))}>; rel="next"',
        value.decode("latin-1"),
    ).encode("latin-1")


async def _drip(found: Fault, receive: Receive, send: Send, status: int, headers: Headers, raw: bytes) -> None:
    """Byte by byte, for as long as somebody listens."""
    gone = asyncio.ensure_future(_gone(receive))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    size = max(1, found.bytes)
    for start in range(0, len(raw), size):
        await send({"type": "http.response.body", "body": raw[start : start + size], "more_body": True})
        if (await asyncio.wait([gone], timeout=found.seconds))[0]:
            return
    gone.cancel()
    await send({"type": "http.response.body", "body": b""})


async def _endless(found: Fault, receive: Receive, send: Send) -> None:
    """A list that begins well and never ends, for as long as somebody listens."""
    gone = asyncio.ensure_future(_gone(receive))
    packed = zlib.compressobj(9, wbits=31)
    headers = [(b"content-type", b"application/json"), *([(b"content-encoding", b"gzip")] if found.gzip else [])]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    part = b'{"data": ['
    while not gone.done():
        body = packed.compress(part) + packed.flush(zlib.Z_SYNC_FLUSH) if found.gzip else part
        await send({"type": "http.response.body", "body": body, "more_body": True})
        part = b" " * 1_000_000
        await asyncio.sleep(0)


async def _cut(found: Fault, transport: Any, receive: Receive, status: int, headers: Headers, raw: bytes) -> None:
    """Written straight to the connection: the server would notice a body shorter than promised."""
    if transport is None:
        raise RuntimeError("this server gives no connection to cut")
    lines = [f"HTTP/1.1 {status} -".encode()]
    lines += [name + b": " + value for name, value in headers if name.lower() != b"content-length"]
    if found.ending != "close":
        lines.append(b"content-length: " + str(len(raw) + 1).encode())
    lines.append(b"connection: close")
    transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + raw[: found.bytes])
    if found.ending == "reset":
        await _reset(transport, receive)
        return
    transport.close()
    await _gone(receive)


async def _reset(transport: Any, receive: Receive) -> None:
    """A close with SO_LINGER of zero is a reset instead of a goodbye."""
    if transport is None:
        raise RuntimeError("this server gives no connection to reset")
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


async def _gone(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
