"""One source: how it stands, what can be done with it, and the guided form by which it is set up."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Query, Request, Response

from syncd.console import actions
from syncd.console.api.answers import Found
from syncd.console.api.sources import test
from syncd.console.pages import notes
from syncd.console.pages.page import filled_in, go, render
from syncd.console.who import Admin, Here, Operator, Proof, Viewer, may_see
from syncd.contract import discovery
from syncd.roster.scope import Scope
from syncd.settings import form
from syncd.settings.mistakes import Mistake
from syncd.view import quality, runs, sources

router = APIRouter()

Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Choice = Annotated[str, Form(max_length=300)]
LATEST = 10


@router.get("/sources/new")
def new(request: Request, site: Here, who: Admin, connector: Annotated[str, Query(max_length=63)] = "") -> Response:
    """The guided form for a new source; first, which connector."""
    return _form(request, who, "", connector, _as_kept(connector, {}) if connector else {}, [], None)


@router.post("/sources/new")
async def create(request: Request, site: Here, who: Admin) -> Response:
    """Keep a new source, switched off: it is tested and previewed before anything is pulled by itself."""
    entered = await filled_in(request)
    return await actions.in_thread(_save, request, site, who, entered.get("source", "").strip(), entered, None)


@router.get("/sources/{source}/edit")
def edit(request: Request, source: Name, site: Here, who: Admin) -> Response:
    """The guided form for one that is there."""
    as_it_is = actions.kept_of(site, who, source)
    connector = as_it_is.settings["connector"]
    return _form(request, who, source, connector, _as_kept(connector, as_it_is.settings), [], as_it_is.version, as_it_is.secrets)


@router.post("/sources/{source}/edit")
async def change(request: Request, source: Name, site: Here, who: Admin) -> Response:
    """Keep it as it was filled in; secrets left empty stay as they are."""
    entered = await filled_in(request)
    seen = int(entered["seen"]) if entered.get("seen", "").isdecimal() else 0
    return await actions.in_thread(_save, request, site, who, source, entered, seen)


@router.get("/sources/{source}")
def one(request: Request, source: Name, site: Here, who: Viewer) -> Response:
    """How a source stands."""
    return _page(request, site, who, source, None)


@router.post("/sources/{source}/check")
def check(request: Request, source: Name, site: Here, who: Admin) -> Response:
    """Test the connection, and say what was found."""
    return _page(request, site, who, source, test(site, who, source))


@router.post("/sources/{source}/sync")
def sync(source: Name, site: Here, who: Operator, full: Choice = "", dry_run: Choice = "", scope: Choice = "", id: Choice = "") -> Response:
    """Sync now."""
    part = Scope("school" if scope == "school" else "user", id.strip()) if scope and id.strip() else None
    return go(f"/orders/{actions.sync(site, who, source, full=bool(full), dry_run=bool(dry_run), scope=part)}")


@router.post("/sources/{source}/pause")
def pause(source: Name, site: Here, who: Operator) -> Response:
    """No longer pull it by its schedule."""
    actions.pause(site, who, source)
    return go(f"/sources/{source}", done="paused")


@router.post("/sources/{source}/resume")
def resume(source: Name, site: Here, who: Operator) -> Response:
    """Pull it by its schedule again."""
    actions.resume(site, who, source)
    return go(f"/sources/{source}", done="resumed")


@router.post("/sources/{source}/on")
def on(source: Name, site: Here, who: Admin) -> Response:
    """Pull it by its schedule from now on."""
    actions.switch(site, who, source, True)
    return go(f"/sources/{source}", done="on")


@router.post("/sources/{source}/off")
def off(source: Name, site: Here, who: Admin) -> Response:
    """Pull it no longer."""
    actions.switch(site, who, source, False)
    return go(f"/sources/{source}", done="off")


@router.post("/sources/{source}/remove")
def remove(source: Name, site: Here, who: Admin, proof: Proof) -> Response:
    """Forget how it is reached; its roster stays."""
    proof()
    actions.remove(site, who, source)
    return go("/", done="removed")


def _page(request: Request, site: Here, who: Viewer, source: str, found: Found | None) -> Response:
    may_see(who, source, refuse=True)
    store, configured = site.store, site.settings.source(source)
    [state] = sources.states(store, site.settings, [source])
    run = quality.latest(store, source)
    wrong = sum(rule.count for rule in quality.rules(store, source, run)) if run else 0
    return render(
        request,
        "source.html",
        who,
        state=state,
        notes=notes.of_source(state),
        found=found,
        wrong=wrong,
        trend=notes.trend_values(sources.trend(store, source)),
        runs=runs.page(store, source=source, limit=LATEST).runs,
        scopes=sorted(configured.connector.abilities.scopes),
        handed=configured.connector.abilities.handed,
    )


def _as_kept(connector: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the form shows of settings, defaults where they say nothing."""
    return {one.name: form.shown(one, settings) for one in actions.fields_of(connector)}


def _as_entered(entered: Mapping[str, str]) -> dict[str, Any]:
    """What the form shows once more of what was sent: a flag that was not is not checked."""
    fields = actions.fields_of(entered["connector"])
    return {one.name: one.name in entered if one.kind == form.Kind.FLAG else entered.get(one.name, "") for one in fields}


def _form(
    request: Request,
    who: Admin,
    source: str,
    connector: str,
    shown: Mapping[str, Any],
    problems: list[Mistake],
    seen: int | None,
    secrets: Sequence[str] = (),
) -> Response:
    fields = actions.fields_of(connector) if connector else []
    return render(
        request,
        "source_form.html",
        who,
        code=422 if problems else 200,
        source=source,
        connector=connector,
        connectors=discovery.names(),
        fields=fields,
        shown=shown,
        problems=problems,
        wrong={problem.key for problem in problems},
        seen=seen,
        secrets=secrets,
    )


def _save(request: Request, site: Here, who: Admin, source: str, entered: dict[str, str], seen: int | None) -> Response:
    problems = actions.save(site, who, source, entered, seen=seen)
    if problems:
        # What was pasted is not sent back: it is entered anew.
        return _form(request, who, source, entered["connector"], _as_entered(entered), problems, seen)
    return go(f"/sources/{source}", done="saved")
