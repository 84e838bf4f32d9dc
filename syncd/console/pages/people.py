"""People that are entered by hand: a form for one, with who is like them told before; changing and deactivating them later."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response

from syncd.console import actions
from syncd.console.pages.page import entered_done, filled_in, render
from syncd.console.who import Here, Operator, may_see
from syncd.hand import entered, handing
from syncd.hand.alike import Alike
from syncd.settings.mistakes import Mistake
from syncd.view import roster

router = APIRouter()

Name = Annotated[str, Query(max_length=63)]
# What the form asks for; a spreadsheet knows more.
ASKED = ("given_name", "family_name", "number", "grade", "username", "email", "state_id", "birth_date")


@router.get("/people/new")
def new(request: Request, source: Name, site: Here, who: Operator) -> Response:
    """The form for somebody new."""
    may_see(who, source, refuse=True)
    handing.check(site.settings.source(source))
    return _form(request, site, who, source, {})


@router.post("/people/new")
async def create(request: Request, source: Name, site: Here, who: Operator) -> Response:
    """Enter somebody; who is like them is told first."""
    sent = await filled_in(request)
    return await actions.in_thread(_create, request, site, who, source, sent)


@router.get("/people/edit")
def edit(request: Request, source: Name, id: Annotated[str, Query(max_length=1000)], site: Here, who: Operator) -> Response:
    """The form for somebody who was entered."""
    may_see(who, source, refuse=True)
    handing.check(site.settings.source(source))
    found = handing.held(site.store, site.settings.source(source), "user", id)
    filled = {name: str(found.get(name) or "") for name in ASKED} | {
        "grade": ", ".join(found["grades"] or []),
        "role": found["roles"][0]["role"],
    }
    return _form(request, site, who, source, filled, editing=id)


@router.post("/people/edit")
async def change(request: Request, source: Name, id: Annotated[str, Query(max_length=1000)], site: Here, who: Operator) -> Response:
    """Change what was entered."""
    sent = await filled_in(request)
    return await actions.in_thread(_change, request, site, who, source, id, sent)


@router.post("/people/deactivate")
def deactivate(
    source: Annotated[str, Form(max_length=63)], id: Annotated[str, Form(max_length=1000)], site: Here, who: Operator
) -> Response:
    """Deactivate somebody who was entered."""
    may_see(who, source, refuse=True)
    into = site.settings.source(source)
    report = actions.change(site, who, source, handing.gone(site.store, into, "user", id))
    return entered_done(report, "users", source, id, "deactivated")


def _create(request: Request, site: Here, who: Operator, source: str, sent: dict[str, str]) -> Response:
    may_see(who, source, refuse=True)
    role, place = sent.get("role", ""), sent.get("school", "")
    if role not in entered.ROLES or not place:
        return _form(request, site, who, source, sent, [Mistake("role" if role not in entered.ROLES else "school", "has to be chosen")])
    person, wrong = entered.check(role, place, sent, site.settings.today())
    if person is None:
        return _form(request, site, who, source, sent, wrong)
    found = actions.alike(site, who, person)
    if found and not sent.get("anyway"):
        return _form(request, site, who, source, sent, alike=found)
    record_id = person.new_id()
    return entered_done(actions.enter(site, who, source, place, [person.document(record_id)]), "users", source, record_id, "entered")


def _change(request: Request, site: Here, who: Operator, source: str, record_id: str, sent: dict[str, str]) -> Response:
    may_see(who, source, refuse=True)
    into = site.settings.source(source)
    handing.check(into)
    changes, wrong = entered.changes({name: value for name, value in sent.items() if name in ASKED}, site.settings.today())
    if wrong:
        return _form(request, site, who, source, sent, wrong, editing=record_id)
    report = actions.change(site, who, source, [handing.changed(site.store, into, "user", record_id, changes)])
    return entered_done(report, "users", source, record_id, "saved")


def _form(
    request: Request,
    site: Here,
    who: Operator,
    source: str,
    filled: Mapping[str, Any],
    problems: Sequence[Mistake] = (),
    *,
    alike: Sequence[Alike] = (),
    editing: str | None = None,
) -> Response:
    return render(
        request,
        "person_form.html",
        who,
        code=422 if problems else 200,
        source=source,
        fields=[entered.NAMES[name] for name in ASKED if editing is None or name != "number"],
        filled=filled,
        problems=problems,
        wrong={problem.key for problem in problems},
        roles=entered.ROLES,
        schools=roster.schools(site.store, [name for name in site.settings.sources if may_see(who, name)]),
        alike=alike,
        editing=editing,
    )
