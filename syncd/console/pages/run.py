"""Runs: the list, one run with all that it did, a person's answer to it, and an order until it is done."""

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request, Response

from syncd.account import Role
from syncd.console import actions
from syncd.console.api.runs import seen
from syncd.console.pages import notes
from syncd.console.pages.page import go, render
from syncd.console.who import Admin, Here, Proof, Viewer, may_see
from syncd.errors import ConfigError
from syncd.report import State
from syncd.store import members, orders
from syncd.store import runs as kept
from syncd.view import changes, lines, quality, runs
from syncd.view.changes import Wanted
from syncd.view.sources import Progress

router = APIRouter()

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Choice = Annotated[str, Form()]
TITLES = {"sync": "Sync", "approve": "Approval", "undo": "Undo"}


@router.get("/runs")
def all_runs(
    request: Request,
    site: Here,
    who: Viewer,
    source: str = "",
    state: str = "",
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Response:
    """The runs, newest first."""
    page = runs.page(site.store, source=who.source or source or None, state=state or None, before=before)
    return render(request, "runs.html", who, page=page, sources=[name for name in site.settings.sources if may_see(who, name)])


@router.get("/runs/{run}")
def one_run(
    request: Request,
    run: Number,
    site: Here,
    who: Viewer,
    kind: str = "",
    action: str = "",
    field: Annotated[str, Query(max_length=64)] = "",
    search: Annotated[str, Query(max_length=200)] = "",
    held: bool = False,
    after: Annotated[str, Query(max_length=1000)] = "",
) -> Response:
    """One run: its progress while it goes on, then its counts, changes and log."""
    report = seen(site, who, run)
    store = site.store
    made, waits = changes.tallies(store, run), changes.tallies(store, run, held=True)
    held = held or bool(waits and not made)
    wanted = Wanted(kind=kind or None, action=action or None, field=field or None, search=search or None, held=held)
    progress = kept.progress(store, run)
    return render(
        request,
        "run.html",
        who,
        run=report,
        progress=Progress(**progress) if progress else None,
        notes=notes.of_run(report),
        approval=notes.approval(report) if report.state == State.HELD else "",
        pairs=any(one.rule in ("same-person", "rekey") for one in report.held),
        shares=notes.shares(report),
        tallies=made,
        held=waits if report.state == State.HELD else [],
        wanted=wanted,
        page=changes.page(store, run, wanted, after=after or None, values=who.role.covers(Role.OPERATOR)),
        wrong=quality.rules(store, report.source, run),
        lines=lines.latest(store, run=run, limit=500),
    )


@router.post("/runs/{run}/approve")
def approve(
    run: Number, site: Here, who: Admin, proof: Proof, dry_run: Choice = "", same: Annotated[str, Form(max_length=100_000)] = ""
) -> Response:
    """Apply what a run holds."""
    if not dry_run:
        proof()
    order = actions.approve(site, who, run, dry_run=bool(dry_run), same=_pairs(same))
    return go(f"/orders/{order}")


@router.post("/runs/{run}/reject")
def reject(run: Number, site: Here, who: Admin) -> Response:
    """Drop what a run holds."""
    actions.reject(site, who, run)
    return go(f"/runs/{run}", done="rejected")


@router.post("/runs/{run}/undo")
def undo(run: Number, site: Here, who: Admin, proof: Proof, dry_run: Choice = "", force: Choice = "") -> Response:
    """Take a run back."""
    if not dry_run:
        proof()
    return go(f"/orders/{actions.undo(site, who, run, dry_run=bool(dry_run), force=bool(force))}")


@router.get("/orders/{order}")
def one_order(request: Request, order: Number, site: Here, who: Viewer) -> Response:
    """An order, until it is done; then the run that did it."""
    given = orders.get(site.store, order)
    may_see(who, given.source, refuse=True)
    run = kept.get(site.store, given.run) if given.run else None
    if run is not None and run.state != State.PLANNED and not given.error:
        return go(f"/runs/{run.run}")
    source = site.settings.sources.get(given.source)
    return render(
        request,
        "order.html",
        who,
        order=given,
        title=("Preview of a " + TITLES[given.what].lower()) if given.options.dry_run else TITLES[given.what],
        run=run,
        notes=notes.of_run(run) if run else [],
        samples=orders.preview(site.store, order) if run and who.role.covers(Role.ADMIN) else [],
        scheduler=members.serving(site.store, site.silence),
        switch_on=source is not None and not source.common.enabled and who.role.covers(Role.ADMIN),
    )


def _pairs(written: str) -> dict[str, str]:
    """{old id: new id}, a pair a line. Raises ConfigError."""
    pairs = [tuple(part.strip() for part in line.split("=", 1)) for line in written.splitlines() if line.strip()]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise ConfigError("each line takes a pair of user ids, the old one first: OLD = NEW.")
    same = {pair[0]: pair[1] for pair in pairs}
    if len(same) < len(pairs) or len(set(same.values())) < len(pairs):
        raise ConfigError("an id stands in two pairs; nobody is the same as two others.")
    return same
