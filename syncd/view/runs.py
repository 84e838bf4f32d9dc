"""The list of runs, newest first, page by page."""

from pydantic import BaseModel
from sqlalchemy import select

from syncd.report import RunReport
from syncd.store import Store
from syncd.store.runs import reports
from syncd.store.tables import runs

PAGE = 50


class RunsPage(BaseModel):
    """Some runs, newest first. before: what to ask the next page with; None when this is the last one."""

    runs: list[RunReport]
    before: int | None


def page(store: Store, *, source: str | None = None, state: str | None = None, before: int | None = None, limit: int = PAGE) -> RunsPage:
    """The runs older than `before`, or the newest."""
    query = select(runs).order_by(runs.c.id.desc()).limit(limit + 1)
    if source:
        query = query.where(runs.c.source == source)
    if state:
        query = query.where(runs.c.state == state)
    if before is not None:
        query = query.where(runs.c.id < before)
    found = reports(store, query)
    return RunsPage(runs=found[:limit], before=found[limit - 1].run if len(found) > limit else None)
