"""The overview: every source with its state, and what waits for a person."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from syncd.console.pages import notes
from syncd.console.pages.page import render
from syncd.console.who import Here, Viewer, may_see
from syncd.view import sources

router = APIRouter()

# Sources on one page: each has a chart.
PAGE = 48


@router.get("/")
def overview(
    request: Request,
    site: Here,
    who: Viewer,
    q: Annotated[str, Query(max_length=63)] = "",
    after: Annotated[str, Query(max_length=63)] = "",
) -> Response:
    """Each source, and how it stands."""
    settings, store = site.settings, site.store
    names = sorted(name for name in settings.sources if may_see(who, name) and q.lower() in name)
    shown = [name for name in names if name > after][: PAGE + 1]
    states = sources.states(store, settings, shown[:PAGE])
    waiting = sources.waiting(store, [name for name in settings.sources if may_see(who, name)])
    trends: dict[str, Any] = {name: notes.trend_values(sources.trend(store, name)) for name in shown[:PAGE]}
    return render(
        request,
        "overview.html",
        who,
        states=states,
        waiting=waiting,
        trends=trends,
        left_out={name: why for name, why in site.left_out.items() if may_see(who, name)},
        notes={state.source: notes.of_source(state) for state in states},
        after=shown[PAGE - 1] if len(shown) > PAGE else None,
    )
