"""The roster: search, and one record with its history. Names and values: for operators and admins."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from syncd.console.api.answers import WRONG, Links
from syncd.console.api.runs import Kind
from syncd.console.who import Here, Operator, Viewer, may_see
from syncd.errors import Unknown
from syncd.store import audit, links
from syncd.view import roster
from syncd.view.roster import Record, RosterPage

router = APIRouter(tags=["roster"], responses=WRONG)


@router.get("/api/roster/{kind}")
def search(
    kind: Kind,
    site: Here,
    who: Operator,
    source: Annotated[str | None, Query(max_length=63)] = None,
    status: Literal["active", "inactive", "all"] = "active",
    search: Annotated[str | None, Query(max_length=200, description="Part of an id, a number, an email or a name.")] = None,
    after_source: Annotated[str | None, Query(max_length=63)] = None,
    after_id: Annotated[str | None, Query(max_length=1000)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = roster.PAGE,
) -> RosterPage:
    """Records of a kind by source and id, page by page."""
    after = (after_source, after_id) if after_source is not None and after_id is not None else None
    return roster.page(site.store, kind, source=who.source or source, status=status, search=search, after=after, limit=limit)


def look(site: Here, who: Operator, kind: str, source: str, record_id: str) -> Record:
    """One record, and a line in the audit log that it was looked at. Raises Unknown."""
    may_see(who, source, refuse=True)
    found = roster.record(site.store, kind, source, record_id)
    if found is None:
        raise Unknown(f"{source} has no such record among its {kind}.")
    if kind == "users":
        with site.store.write() as connection:
            audit.note(connection, who, "look", source=source, subject=f"user {found.record['id']}")
    return found


@router.get("/api/record")
def record(
    kind: Kind,
    source: Annotated[str, Query(max_length=63)],
    id: Annotated[str, Query(max_length=1000)],
    site: Here,
    who: Operator,
) -> Record:
    """One record: as it stands, all that ever happened to it, what waits for a person, and the same person in other sources."""
    return look(site, who, kind, source, id)


@router.get("/api/links")
def linked(
    site: Here,
    who: Viewer,
    source: Annotated[str | None, Query(max_length=63)] = None,
    proposed: Annotated[bool, Query(description="Only those that wait for a person.")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Links:
    """Who is the same person in several sources: ids, schools and grades, no names."""
    found = links.listed(site.store, who.source or source, proposed=proposed)
    return Links(links=[link for _, link in zip(range(limit), found, strict=False)])
