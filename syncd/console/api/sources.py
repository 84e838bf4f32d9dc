"""Sources: how they stand, and what can be done with one."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from syncd.console import actions
from syncd.console.api.answers import WRONG, Done, Found, Ordered, Sources
from syncd.console.who import Admin, Here, Operator, Viewer, may_see
from syncd.errors import SourceError
from syncd.roster.scope import Scope
from syncd.settings import kept
from syncd.settings.file import load
from syncd.view import quality, sources
from syncd.view.quality import Rule, WrongPage
from syncd.view.sources import SourceState

router = APIRouter(tags=["sources"], responses=WRONG)

Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="The source's name.")]


class Sync(BaseModel):
    """full: pull everything, also where the source can tell what changed. anew: read also what is known from the last full pull. dry_run:
    show what would change, and change nothing. scope: one school or one user only."""

    full: bool = False
    anew: bool = False
    dry_run: bool = False
    scope: Scope | None = None


@router.get("/api/sources")
def all_sources(site: Here, who: Viewer) -> Sources:
    """Each source, and how it stands."""
    names = [name for name in site.settings.sources if may_see(who, name)]
    return Sources(sources=sources.states(site.store, site.settings, names))


@router.get("/api/sources/{source}")
def one_source(source: Name, site: Here, who: Viewer) -> SourceState:
    """One source, and how it stands."""
    may_see(who, source, refuse=True)
    [state] = sources.states(site.store, site.settings, [source])
    return state


@router.post("/api/sources/{source}/sync", status_code=202)
def sync(source: Name, wanted: Sync, site: Here, who: Operator) -> Ordered:
    """Sync now: the whole source, one school or one user; with dry_run, only show what would change."""
    options: dict[str, Any] = {"full": wanted.full, "anew": wanted.anew, "dry_run": wanted.dry_run, "scope": wanted.scope}
    return Ordered(order=actions.sync(site, who, source, **options))


@router.post("/api/sources/{source}/pause")
def pause(source: Name, site: Here, who: Operator) -> Done:
    """No longer pull the source by its schedule; a sync by hand works all the same."""
    actions.pause(site, who, source)
    return Done()


@router.post("/api/sources/{source}/resume")
def resume(source: Name, site: Here, who: Operator) -> Done:
    """Pull the source by its schedule again."""
    actions.resume(site, who, source)
    return Done()


def test(site: Here, who: Admin, source: str) -> Found:
    """Sign in to a source and read one page."""
    may_see(who, source, refuse=True)
    site.settings.source(source)
    with_secrets = kept.complete(load(site.path, secrets=()), site.store, secrets=(source,))
    try:
        return Found(ok=True, found=actions.probe(with_secrets.source(source)))
    except SourceError as problem:
        return Found(ok=False, found=str(problem))


@router.post("/api/sources/{source}/check")
def check(source: Name, site: Here, who: Admin) -> Found:
    """Sign in to the source and read one page."""
    return test(site, who, source)


@router.get("/api/sources/{source}/quality")
def rules(source: Name, site: Here, who: Viewer) -> list[Rule]:
    """What the source sends wrong, counted by rule, by its latest full pull."""
    may_see(who, source, refuse=True)
    site.settings.source(source)
    run = quality.latest(site.store, source)
    return [] if run is None else quality.rules(site.store, source, run)


@router.get("/api/sources/{source}/quarantine")
def quarantine(
    source: Name,
    site: Here,
    who: Viewer,
    run: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Of this run; of the latest full pull if left out.")] = None,
    rule: Annotated[str | None, Query(max_length=64)] = None,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = quality.PAGE,
) -> WrongPage:
    """What the source sent that could not be used, page by page: ids and fields, no values."""
    may_see(who, source, refuse=True)
    site.settings.source(source)
    return quality.page(site.store, source, run, rule=rule, after=after, limit=limit)
