"""Data quality: what each source sends wrong."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from syncd.console.pages.page import render
from syncd.console.who import Here, Viewer, may_see
from syncd.view import quality

router = APIRouter()


@router.get("/quality")
def wrong(
    request: Request,
    site: Here,
    who: Viewer,
    source: Annotated[str, Query(max_length=63)] = "",
    run: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    rule: Annotated[str, Query(max_length=64)] = "",
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
) -> Response:
    """What is sent wrong: of all sources in numbers, of one record by record."""
    store = site.store
    if not source:
        told = [_told(site, name) for name in sorted(site.settings.sources) if may_see(who, name)]
        return render(request, "quality.html", who, source="", sources=told)
    may_see(who, source, refuse=True)
    site.settings.source(source)
    page = quality.page(store, source, run, rule=rule or None, after=after)
    rules = quality.rules(store, source, page.run) if page.run else []
    return render(request, "quality.html", who, source=source, page=page, rules=rules)


def _told(site: Here, name: str) -> dict[str, Any]:
    run = quality.latest(site.store, name)
    rules = quality.rules(site.store, name, run) if run else []
    return {"source": name, "count": sum(rule.count for rule in rules), "first": rules[0].reason if rules else ""}
