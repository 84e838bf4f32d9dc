"""The roster: search."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from syncd.console.api.runs import Kind
from syncd.console.pages import page as frame
from syncd.console.pages.page import render
from syncd.console.who import Here, Operator, may_see
from syncd.observe.logs import escaped
from syncd.roster.fields import composed
from syncd.view import roster

router = APIRouter()

COLUMNS = {
    "orgs": ("type", "identifier"),
    "terms": ("type", "start_date", "end_date"),
    "courses": ("number", "org_id"),
    "sections": ("number", "school_id", "course_id"),
    "users": ("roles", "grades", "student_number"),
    "enrollments": ("section_id", "user_id", "role", "primary"),
}


def called(record: dict[str, Any], kind: str) -> str:
    """What a record is called by people."""
    if kind == "users":
        told = " ".join(part for part in (record["given_name"], record["family_name"]) if part)
    else:
        told = record.get("name") or ""
    return escaped(told or record["id"])


def short(value: Any) -> str:
    """A value in a cell of a list."""
    if isinstance(value, list):
        return ", ".join(sorted({escaped(str(item["role"] if isinstance(item, dict) and "role" in item else item)) for item in value}))
    return "" if value is None else frame.plain(value)


frame.add_filters(called=called, short=short)


@router.get("/roster")
def search(
    request: Request,
    site: Here,
    who: Operator,
    kind: Kind = "users",
    source: Annotated[str, Query(max_length=63)] = "",
    status: Literal["active", "inactive", "all"] = "active",
    q: Annotated[str, Query(max_length=200)] = "",
    after_source: Annotated[str, Query(max_length=63)] = "",
    after_id: Annotated[str, Query(max_length=1000)] = "",
) -> Response:
    """Search people, sections, orgs and the rest."""
    found = roster.page(
        site.store,
        kind,
        source=who.source or source or None,
        status=status,
        search=composed(q.strip()) if q.strip() else None,
        after=(after_source, after_id) if after_id else None,
    )
    return render(
        request,
        "roster.html",
        who,
        page=found,
        kind=kind,
        status=status,
        columns=COLUMNS[kind],
        sources=[name for name in site.settings.sources if may_see(who, name)],
    )
