"""Runs: the list, one with its changes and log, and a person's answer to one."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from syncd.account import Role
from syncd.console import actions
from syncd.console.api.answers import WRONG, Done, Log, Ordered
from syncd.console.who import Admin, Here, Proof, Viewer, may_see
from syncd.order import OrderReport, Previewed
from syncd.report import RunReport, State
from syncd.store import orders
from syncd.store import runs as kept
from syncd.view import changes, lines, runs
from syncd.view.changes import ChangesPage, Tally, Wanted
from syncd.view.runs import RunsPage

router = APIRouter(tags=["runs"], responses=WRONG)

Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The run's number.")]
Kind = Literal["orgs", "terms", "courses", "sections", "users", "enrollments"]


class Filter(Wanted):
    """Which changes, and how many of them behind which place."""

    kind: Kind | None = None
    action: Literal["create", "update", "reactivate", "deactivate", "rekey"] | None = None
    field: str | None = Field(None, max_length=64)
    search: str | None = Field(None, max_length=200)
    after: str | None = Field(None, max_length=1000)
    limit: int = Field(changes.PAGE, ge=1, le=1000)


class Approval(BaseModel):
    """same: {old id: new id} of held users whom a person knows to be the same. dry_run: show what would be applied."""

    dry_run: bool = False
    same: dict[str, str] = {}


class Undo(BaseModel):
    """force: also where later runs changed the same records. dry_run: show what would change."""

    dry_run: bool = False
    force: bool = False


def seen(site: Here, who: Viewer, run: Number) -> RunReport:
    """The report of a run that whoever asks may see."""
    report = kept.get(site.store, run)
    may_see(who, report.source, refuse=True)
    return report


@router.get("/api/runs")
def all_runs(
    site: Here,
    who: Viewer,
    source: Annotated[str | None, Query(max_length=63)] = None,
    state: State | None = None,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Only runs older than this one.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = runs.PAGE,
) -> RunsPage:
    """The runs, newest first."""
    return runs.page(site.store, source=who.source or source, state=state, before=before, limit=limit)


@router.get("/api/runs/{run}")
def one_run(run: Number, site: Here, who: Viewer) -> RunReport:
    """One run's report."""
    return seen(site, who, run)


@router.get("/api/runs/{run}/changes")
def changes_of(run: Number, wanted: Annotated[Filter, Query()], site: Here, who: Viewer) -> ChangesPage:
    """What the run changed or holds, page by page, people first. A viewer sees ids and names of fields, no values."""
    seen(site, who, run)
    values = who.role.covers(Role.OPERATOR)
    return changes.page(site.store, run, wanted, after=wanted.after, limit=wanted.limit, values=values)


@router.get("/api/runs/{run}/tallies")
def tallies(run: Number, site: Here, who: Viewer, held: bool = False) -> list[Tally]:
    """How many changes of each kind and action the run made, or holds."""
    seen(site, who, run)
    return changes.tallies(site.store, run, held=held)


@router.get("/api/runs/{run}/log")
def log_of(run: Number, site: Here, who: Viewer, limit: Annotated[int, Query(ge=1, le=5000)] = 1000) -> Log:
    """The latest lines of the run's log, oldest first."""
    seen(site, who, run)
    return Log(lines=lines.latest(site.store, run=run, limit=limit))


@router.post("/api/runs/{run}/approve", status_code=202)
def approve(run: Number, wanted: Approval, site: Here, who: Admin, proof: Proof) -> Ordered:
    """Apply what the run holds, as far as the roster still stands where it stood then."""
    if not wanted.dry_run:
        proof()
    return Ordered(order=actions.approve(site, who, run, dry_run=wanted.dry_run, same=wanted.same))


@router.post("/api/runs/{run}/reject")
def reject(run: Number, site: Here, who: Admin) -> Done:
    """Drop what the run holds. The next full pull looks again, and holds again what is still so."""
    actions.reject(site, who, run)
    return Done()


@router.post("/api/runs/{run}/undo", status_code=202)
def undo(run: Number, wanted: Undo, site: Here, who: Admin, proof: Proof) -> Ordered:
    """Bring the roster back to what it was before the run."""
    if not wanted.dry_run:
        proof()
    return Ordered(order=actions.undo(site, who, run, dry_run=wanted.dry_run, force=wanted.force))


@router.get("/api/orders/{order}")
def one_order(order: Annotated[int, Path(ge=1, le=2**31 - 1)], site: Here, who: Viewer) -> OrderReport:
    """How an order stands."""
    given = orders.get(site.store, order)
    may_see(who, given.source, refuse=True)
    return given


@router.get("/api/orders/{order}/preview")
def preview(order: Annotated[int, Path(ge=1, le=2**31 - 1)], site: Here, who: Admin) -> list[Previewed]:
    """Samples of what a dry run would change, kept for a day: the first of each kind and action, with values."""
    may_see(who, orders.get(site.store, order).source, refuse=True)
    return orders.preview(site.store, order)
