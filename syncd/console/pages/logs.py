"""The live log of all runs, the audit log, and the API's own documentation."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from syncd.console.pages.page import link, render
from syncd.console.who import Admin, Here, Viewer, may_see
from syncd.store import audit
from syncd.view import lines

router = APIRouter()

NOTES = 100


@router.get("/logs")
def logs(
    request: Request,
    site: Here,
    who: Viewer,
    source: Annotated[str, Query(max_length=63)] = "",
    run: Annotated[str, Query(pattern="^[0-9]{0,9}$")] = "",
    level: Annotated[str, Query(pattern="^(debug|info|warning|error)$")] = "info",
) -> Response:
    """The latest log lines, and those that come."""
    number = int(run) if run else None
    found = lines.latest(site.store, source=who.source or source or None, run=number, level=level)
    query = link("", source=source, run=run, level=level)
    sources = [name for name in site.settings.sources if may_see(who, name)]
    return render(request, "logs.html", who, lines=found, query=query, sources=sources)


@router.get("/audit")
def audited(request: Request, site: Here, who: Admin, before: Annotated[int | None, Query(ge=1)] = None) -> Response:
    """Who did what."""
    found = list(audit.listed(site.store, before=before, limit=NOTES + 1, source=who.source))
    more = found[NOTES - 1].id if len(found) > NOTES else None
    return render(request, "audit.html", who, noted=found[:NOTES], before=more)


@router.get("/api/docs")
def docs(request: Request, who: Viewer) -> Response:
    """The API, for people to read."""
    document = request.app.openapi()
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, operations in document["paths"].items():
        for method, told in operations.items():
            tags.setdefault(told["tags"][0], []).append({"method": method, "path": path, "told": told})
    return render(request, "docs.html", who, tags=tags, schemas=document["components"]["schemas"])
