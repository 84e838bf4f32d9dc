"""How a provider answers: lists with their count and the ways to the other pages, single records, and errors in each version's shape."""

from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from fastapi import Request, Response

from syncd.console.oneroster.asked import Refused
from syncd.console.site import Site
from syncd.settings.console import is_own

# How 1.1 spells what 1.2 writes in one word.
_IN_11 = {"unknownobject": "unknown object", "invaliddata": "invalid data", "fullsuccess": "full success"}


def json(found: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(found), status, headers, media_type="application/json")


def problem(refused: Refused, version: str) -> Response:
    """An error in the shape of the version."""
    told = {"imsx_codeMajor": "failure", "imsx_severity": "error", "imsx_description": refused.description}
    if version == "1.1":
        body: dict[str, Any] = {"statusInfoSet": [told | {"imsx_codeMinor": _IN_11.get(refused.minor, refused.minor)}]}
    else:
        field = {"imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": refused.minor}
        body = told | {"imsx_CodeMinor": {"imsx_codeMinorField": [field]}}
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "60"}}.get(refused.status)
    return json(body, refused.status, headers)


def origin(request: Request, site: Site) -> str:
    """Scheme and host as whoever asks sees them. A proxy that asks for this very machine does not tell; `[console] url` does."""
    console = site.console
    if console.behind_proxy and console.url is not None and is_own(urlsplit(f"//{request.url.netloc}").hostname):
        return console.url
    return f"{request.url.scheme}://{request.url.netloc}"


def links(address: str, given: list[tuple[str, str]], limit: int, offset: int, total: int) -> str:
    """The Link header (RFC 8288): the first and the last page, and those beside this one, where there are any."""
    places = {"first": 0, "last": max(total - 1, 0) // limit * limit}
    if offset > 0:
        places["prev"] = max(offset - limit, 0)
    if offset + limit < total:
        places["next"] = offset + limit
    kept = [(name, value) for name, value in given if name not in ("limit", "offset")]
    return ", ".join(
        f'<{address}?{urlencode([*kept, ("limit", limit), ("offset", place)], quote_via=quote)}>; rel="{name}"'
        for name, place in places.items()
    )
