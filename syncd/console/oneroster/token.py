"""`POST /oauth/token`: a client's id and secret for a token (RFC 6749, section 4.4), and how that is refused (section 5.2)."""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from syncd.console.oneroster import answers
from syncd.console.site import Site
from syncd.console.who import Here
from syncd.errors import SignInDenied, StoreError, TooManyTries
from syncd.store import clients
from syncd.store.clients import LIFE, SCOPES, NotGranted

router = APIRouter()

# How a scope may be written: by OneRoster's address of either version, over http too (some products write it so), or by its name alone.
_SCOPE = re.compile(r"(?:https?://purl\.imsglobal\.org/spec/or/v1p[12]/scope/)?([a-z.-]+)")
_FULL = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
_ID = re.compile(r"[a-z0-9._-]{1,200}")
MOST_FIELDS = 50


class _Wrong(Exception):
    """error: RFC 6749's word for it. told: for people."""

    def __init__(self, status: int, error: str, told: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(told)
        self.status, self.error, self.told, self.headers = status, error, told, headers


@router.post("/oauth/token")
async def token(request: Request, site: Here) -> Response:
    """A token for an hour."""
    body = await request.body()
    address = request.client.host if request.client else ""
    try:
        return await run_in_threadpool(_grant, site, request.headers.get("authorization"), body, request.url.query, address)
    except _Wrong as wrong:
        told = {"error": wrong.error, "error_description": wrong.told}
        return answers.json(told, wrong.status, {"Pragma": "no-cache", **(wrong.headers or {})})


def _grant(site: Site, header: str | None, body: bytes, query: str, address: str) -> Response:
    form = _form(body)
    # Some products send what is no secret in the address, with an empty body. What is secret may not stand there (section 2.3.1).
    asked = {name: value for name, value in _form(query.encode()).items() if name in ("grant_type", "scope")} | form
    if asked.get("grant_type") != "client_credentials":
        error = "invalid_request" if "grant_type" not in asked else "unsupported_grant_type"
        raise _Wrong(400, error, "the grant_type is client_credentials.")
    client, secret = _credentials(header, form)
    # {scope: how the client writes it}, so that it finds what it asked for in the answer.
    read = ((_SCOPE.fullmatch(written), written) for written in asked.get("scope", "").split())
    wanted = {match[1]: written for match, written in read if match is not None and match[1] in SCOPES}
    if asked.get("scope", "").strip() and not wanted:
        raise _Wrong(400, "invalid_scope", "none of these scopes is offered here.")
    try:
        given = clients.grant(site.store, client, secret, wanted.keys() or None, address, datetime.now(UTC))
    except SignInDenied as problem:
        raise _Wrong(401, "invalid_client", problem.message, {"WWW-Authenticate": 'Basic realm="syncd"'}) from None
    except TooManyTries as problem:
        raise _Wrong(429, "invalid_client", problem.message, {"Retry-After": str(problem.seconds)}) from None
    except NotGranted as problem:
        raise _Wrong(400, "invalid_scope", problem.message) from None
    except StoreError:
        raise _Wrong(503, "temporarily_unavailable", "the store can not be used at the moment.", {"Retry-After": "60"}) from None
    kind = "Bearer"  # nosec B105  # the kind of token (RFC 6750), and no token
    told: dict[str, Any] = {"access_token": given.token, "token_type": kind, "expires_in": int(LIFE.total_seconds())}
    told["scope"] = " ".join(wanted.get(scope, _FULL + scope) for scope in given.scopes)
    return answers.json(told, headers={"Pragma": "no-cache"})


def _form(text: bytes) -> dict[str, str]:
    """The fields of a form. None may come twice (section 3.2)."""
    try:
        pairs = parse_qsl(text.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise _Wrong(400, "invalid_request", "the request can not be read.") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Wrong(400, "invalid_request", "a parameter stands there twice.")
    return found


def _credentials(header: str | None, form: dict[str, str]) -> tuple[str, str]:
    """Id and secret: by HTTP Basic, where both may be encoded as in a form (section 2.3.1), or in the form."""
    if header is None:
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
    else:
        kind, _, word = header.partition(" ")
        try:
            plain = base64.b64decode(word.strip(), validate=True).decode() if kind.lower() == "basic" else ""
        except (binascii.Error, ValueError):
            plain = ""
        # Neither has a sign in it that would be written otherwise: whether it was encoded does not matter.
        client, _, secret = (unquote_plus(part) for part in plain.partition(":"))
    # What is no id of a client is looked up as none.
    return (client if _ID.fullmatch(client) else ""), secret
