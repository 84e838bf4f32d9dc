"""The feed: all changes in order, for programs that follow the roster."""

from typing import Annotated

from fastapi import APIRouter, Query

from syncd.account import Role
from syncd.console.api.answers import WRONG
from syncd.console.api.runs import Kind
from syncd.console.who import Here, Viewer
from syncd.view import feed
from syncd.view.feed import Feed

router = APIRouter(tags=["changes"], responses=WRONG)


@router.get("/api/changes")
def changes(
    site: Here,
    who: Viewer,
    after: Annotated[str, Query(max_length=1000, description="The place to go on behind: 0, or what the last answer gave.")] = feed.START,
    source: Annotated[str | None, Query(max_length=63)] = None,
    kind: Kind | None = None,
    school: Annotated[
        str | None, Query(max_length=1000, description="The id of an org: only what concerns records that are or were there.")
    ] = None,
    records: Annotated[bool, Query(description="Also tell each record as it is now (operators and admins).")] = False,
    limit: Annotated[int, Query(ge=1, le=10_000)] = feed.PAGE,
) -> Feed:
    """All changes in the order in which they became so, behind a place. Ask again with `after` of the answer: nothing comes twice, and
    nothing is left out. A viewer sees ids and names of fields, no values."""
    values = who.role.covers(Role.OPERATOR)
    wanted = {"source": who.source or source, "kind": kind, "school": school}
    return feed.page(site.store, after, **wanted, limit=limit, values=values, records=records)
