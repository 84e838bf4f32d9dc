"""Sections that are entered by hand: a form for one, changing and deactivating it later."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response

from syncd.console import actions
from syncd.console.pages.page import entered_done, filled_in, render
from syncd.console.who import Here, Operator, may_see
from syncd.hand import handing, sections
from syncd.settings.mistakes import Mistake
from syncd.view import roster

router = APIRouter()

Name = Annotated[str, Query(max_length=63)]
Id = Annotated[str, Query(max_length=1000)]


@router.get("/sections/new")
def new(request: Request, source: Name, site: Here, who: Operator) -> Response:
    """The form for a new section."""
    may_see(who, source, refuse=True)
    handing.check(site.settings.source(source))
    return _form(request, site, who, source, {})


@router.post("/sections/new")
async def create(request: Request, source: Name, site: Here, who: Operator) -> Response:
    """Enter a section."""
    sent = await filled_in(request)
    return await actions.in_thread(_create, request, site, who, source, sent)


@router.get("/sections/edit")
def edit(request: Request, source: Name, id: Id, site: Here, who: Operator) -> Response:
    """The form for a section that was entered."""
    may_see(who, source, refuse=True)
    into = site.settings.source(source)
    handing.check(into)
    found = handing.held(site.store, into, "section", id)
    people = "\n".join(sections.people_of(site.store, source, id))
    return _form(request, site, who, source, {"name": found["name"] or "", "number": found["number"] or "", "people": people}, editing=id)


@router.post("/sections/edit")
async def change(request: Request, source: Name, id: Id, site: Here, who: Operator) -> Response:
    """Change what was entered of a section, and who is in it."""
    sent = await filled_in(request)
    return await actions.in_thread(_change, request, site, who, source, id, sent)


@router.post("/sections/deactivate")
def deactivate(
    source: Annotated[str, Form(max_length=63)], id: Annotated[str, Form(max_length=1000)], site: Here, who: Operator
) -> Response:
    """Deactivate a section that was entered; who was in it stays, and is no longer in it."""
    may_see(who, source, refuse=True)
    report = actions.change(site, who, source, handing.gone(site.store, site.settings.source(source), "section", id))
    return entered_done(report, "sections", source, id, "deactivated")


def _create(request: Request, site: Here, who: Operator, source: str, sent: dict[str, str]) -> Response:
    may_see(who, source, refuse=True)
    into, school = site.settings.source(source), sent.get("school", "")
    handing.check(into)
    section, wrong = sections.check(site.store, into, sent)
    wrong += [] if school else [Mistake("school", "has to be chosen")]
    if section is None or wrong:
        return _form(request, site, who, source, sent, wrong)
    record_id = section.new_id()
    documents = [section.document(record_id, school), *sections.enrollments(site.store, into, record_id, school, section.people)]
    return entered_done(actions.enter(site, who, source, school, documents), "sections", source, record_id, "entered")


def _change(request: Request, site: Here, who: Operator, source: str, record_id: str, sent: dict[str, str]) -> Response:
    may_see(who, source, refuse=True)
    into = site.settings.source(source)
    handing.check(into)
    section, wrong = sections.check(site.store, into, sent)
    if section is None:
        return _form(request, site, who, source, sent, wrong, editing=record_id)
    report = actions.change(site, who, source, sections.changed(site.store, into, record_id, section))
    return entered_done(report, "sections", source, record_id, "saved")


def _form(
    request: Request,
    site: Here,
    who: Operator,
    source: str,
    filled: Mapping[str, str],
    problems: Sequence[Mistake] = (),
    *,
    editing: str | None = None,
) -> Response:
    return render(
        request,
        "section_form.html",
        who,
        code=422 if problems else 200,
        source=source,
        fields=sections.FIELDS,
        filled=filled,
        problems=problems,
        wrong={problem.key for problem in problems},
        schools=roster.schools(site.store, [name for name in site.settings.sources if may_see(who, name)]),
        editing=editing,
    )
