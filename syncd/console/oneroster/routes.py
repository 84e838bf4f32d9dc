"""The addresses of OneRoster's rostering service, 1.1 and 1.2, for clients alone: no cookie and no token of the console opens them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import structlog
from fastapi import APIRouter, Request, Response

from syncd.console.oneroster import answers, asked
from syncd.console.oneroster.asked import Refused
from syncd.console.site import Site
from syncd.console.who import Here
from syncd.errors import StoreError
from syncd.export.documents import Writer
from syncd.store import clients
from syncd.store.clients import CORE, DEMOGRAPHICS, ROSTERING, Access
from syncd.view.rostering import page as pages
from syncd.view.rostering.collections import IN_CLASS, NESTED, RESOURCES, NoRosterYet, NoSuch, NotTaken, Reader
from syncd.view.rostering.page import Page

log = structlog.get_logger()

BASES = {"1.1": "/ims/oneroster/v1p1", "1.2": "/ims/oneroster/rostering/v1p2"}
# Every address below either base, for the docs and the tests.
PATHS = (
    *(f"/{name}" for name in RESOURCES),
    *(f"/{name}/{{id}}" for name in RESOURCES),
    *(f"/{above}/{{id}}/{name}" for above, below in NESTED.items() for name in below),
    *(f"/schools/{{id}}/classes/{{class}}/{name}" for name in IN_CLASS),
)

router = APIRouter()


def _serve(version: str) -> None:
    # One route for all: an id may have a slash in it (%2F), which only the address as it was sent tells from others.
    @router.get(f"{BASES[version]}/{{path:path}}", name=f"oneroster {version}")
    def rostering(request: Request, site: Here) -> Response:
        """A list, or a single record."""
        try:
            return _answer(request, site, version)
        except Refused as refused:
            return answers.problem(refused, version)


for _version in BASES:
    _serve(_version)


def _answer(request: Request, site: Site, version: str) -> Response:
    try:
        access = _access(request, site)
        path = _path(request, version)
        _allow(access, path)
        if access.source not in site.settings.sources:
            raise Refused(403, "forbidden", "the source of this client is not offered any more.")
        base = f"{answers.origin(request, site)}{BASES[version]}"
        given = request.query_params.multi_items()
        return (_one if len(path) == 2 else _many)(site, access, path, given, base, version)
    except NoSuch:
        raise Refused(404, "unknownobject", "there is no record of that sourcedId.") from None
    except NotTaken as problem:
        raise asked.refused(problem.what, version, problem.message) from None
    except NoRosterYet:
        # Never an empty list: whoever believes it takes everybody away.
        raise Refused(503, "server_busy", "the roster was not filled yet.") from None
    except StoreError as problem:
        log.error("the provider could not read the store", error=problem.message)
        raise Refused(503, "server_busy", "the roster can not be read at the moment.") from None


def _access(request: Request, site: Site) -> Access:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    found = clients.who(site.store, token.strip(), datetime.now(UTC)) if kind.lower() == "bearer" else None
    if found is None:
        raise Refused(401, "unauthorisedrequest", "the token is not known, was revoked, or is over: ask for another one.")
    return found


def _path(request: Request, version: str) -> tuple[str, ...]:
    """The parts of the address below the base, as they are meant. Raises Refused for one that there is not."""
    raw = bytes(request.scope["raw_path"]).decode("latin-1").removeprefix(BASES[version])
    nothing = Refused(404, "unknownobject", "there is no such address.")
    try:
        path = tuple(unquote(part, errors="strict") for part in raw.removesuffix("/").split("/")[1:])
    except UnicodeDecodeError:
        raise nothing from None
    if any("\0" in part for part in path):
        raise nothing
    match path:
        case (name,) | (name, _) if name in RESOURCES:
            return path
        case (above, _, name) if name in NESTED.get(above, ()):
            return path
        case ("schools", _, "classes", _, name) if name in IN_CLASS:
            return path
    raise nothing


def _allow(access: Access, path: tuple[str, ...]) -> None:
    """Raises Refused when the token does not open it. The 1.2 definition lists two scopes for lists and single records: either will do."""
    if path[0] == "demographics":
        enough = {DEMOGRAPHICS}
    elif len(path) > 2:
        enough = {ROSTERING}
    else:
        enough = {CORE, ROSTERING}
    if not enough & access.scopes:
        raise Refused(403, "forbidden", f"this token lacks the scope {' or '.join(sorted(enough))}.")


def _many(site: Site, access: Access, path: tuple[str, ...], given: list[tuple[str, str]], base: str, version: str) -> Response:
    resource = RESOURCES[path[-1]]
    query = asked.read(given, resource.document, version)
    page = pages.page(site.store, Reader(access.source, access.schools), path, query.asked, version, site.places)
    write = _writer(page, path[-1], base, version, query.fields)
    limit, offset = query.asked.limit, query.asked.offset
    address = base + "".join(f"/{asked.quoted(part)}" for part in path)
    headers = {"X-Total-Count": str(page.total), "Link": answers.links(address, given, limit, offset, page.total)}
    return answers.json({resource.many: [write(row) for row in page.rows]}, headers=headers)


def _one(site: Site, access: Access, path: tuple[str, ...], given: list[tuple[str, str]], base: str, version: str) -> Response:
    name, record_id = path
    resource = RESOURCES[name]
    fields = asked.read([pair for pair in given if pair[0] == "fields"], resource.document, version).fields
    page = pages.one(site.store, Reader(access.source, access.schools), (name, record_id))
    return answers.json({resource.one: _writer(page, name, base, version, fields)(page.rows[0])})


def _writer(page: Page, name: str, base: str, version: str, fields: frozenset[str] | None) -> Callable[[Any], dict[str, Any]]:
    """What makes a row a document, with the fields that were chosen."""
    resource = RESOURCES[name]
    # 1.1 has one role a user: a list of students has them as students, whatever else they are.
    role = resource.part if version == "1.1" and resource.kind == "user" else None
    writer = Writer(version, base, page.orgs, page.taught, role)

    def write(row: Any) -> dict[str, Any]:
        found = writer.document(resource.document, row, page.changed_at(row))
        return found if fields is None else {field: value for field, value in found.items() if field in fields}

    return write
