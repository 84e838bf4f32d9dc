"""One record: a person's page above all."""

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Form, Query, Request, Response

from syncd.console import actions
from syncd.console.api.roster import look
from syncd.console.api.runs import Kind
from syncd.console.pages.page import go, record_link, render
from syncd.console.who import Admin, Here, Operator
from syncd.roster.kinds import SINGULAR
from syncd.view import roster
from syncd.view.roster import Record

router = APIRouter()

# What a field's ids are of.
NAMED = {
    "parent_id": None, "org_id": "orgs", "school_id": "orgs", "course_id": "courses", "section_id": "sections", "user_id": "users",
    "term_ids": "terms", "guardian_ids": "users", "roles": "orgs",
}  # fmt: skip
# Where what was entered by hand is changed.
EDITED_AT = {"users": "/people", "sections": "/sections"}
BESIDE = ("source", "id", "status", "deactivated_at", "purged_at", "extra")


class Part(NamedTuple):
    """One record that a field names."""

    kind: str
    id: str
    name: str


@router.get("/record")
def record(
    request: Request,
    kind: Kind,
    source: Annotated[str, Query(max_length=63)],
    id: Annotated[str, Query(max_length=1000)],
    site: Here,
    who: Operator,
) -> Response:
    """One record with all that is known of it."""
    found = look(site, who, kind, source, id)
    shown = {name: value for name, value in found.record.items() if name not in BESIDE and value not in (None, [], {}, "")}
    shown |= {f"extra {name}": value for name, value in (found.record.get("extra") or {}).items()}
    enrolled = None
    if kind == "users":
        enrolled = roster.enrollments(site.store, source, user=found.record["id"])
    elif kind == "sections":
        enrolled = roster.enrollments(site.store, source, section=found.record["id"])
    configured = site.settings.sources.get(source)
    return render(
        request,
        "record.html",
        who,
        found=found,
        fields=list(shown.items()),
        links_to=_links(site, found, kind),
        enrollments=enrolled,
        can_sync=configured is not None and _has_scope(configured, kind),
        edited_at=EDITED_AT.get(kind) if configured is not None and configured.connector.abilities.handed else None,
    )


@router.post("/links")
def decide(
    site: Here,
    who: Admin,
    source: Annotated[str, Form()],
    id: Annotated[str, Form()],
    other_source: Annotated[str, Form()],
    other_id: Annotated[str, Form()],
    state: Annotated[str, Form(pattern="^(linked|refused)$")],
) -> Response:
    """A person's word on whether two are the same."""
    actions.decide(site, who, (source, id), (other_source, other_id), state)
    return go(record_link("users", source, id))


def _links(site: Here, found: Record, kind: str) -> dict[str, list[Part]]:
    """The records that the fields of one name, by what they are called."""
    parts: dict[str, list[Part]] = {}
    for name, of in NAMED.items():
        value = found.record.get(name)
        if not value:
            continue
        target = of or kind
        ids = [part["org_id"] if isinstance(part, dict) else part for part in (value if isinstance(value, list) else [value])]
        names = roster.names(site.store, SINGULAR[target], found.record["source"], [one for one in ids if one])
        told = [part["role"] + " at " if isinstance(part, dict) else "" for part in (value if isinstance(value, list) else [value])]
        parts[name] = [Part(target, one, before + names.get(one, one)) for one, before in zip(ids, told, strict=True) if one]
    return parts


def _has_scope(configured: Any, kind: str) -> bool:
    return {"users": "user", "orgs": "school"}.get(kind) in configured.connector.abilities.scopes
