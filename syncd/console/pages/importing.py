"""A school's spreadsheet: upload it, match its columns, have every row checked, look at what would change, and take it in."""

import io
from contextlib import closing
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import UploadFile

from syncd.console import actions
from syncd.console.desk import Upload
from syncd.console.pages.page import filled_in, go, render
from syncd.console.who import Here, Operator, may_see
from syncd.contract.document import Document
from syncd.contract.unread import is_password, is_unread
from syncd.errors import BadFile, ConfigError
from syncd.files import sheet as sheets
from syncd.files.rows import RowFile
from syncd.hand import entered, handing, spreadsheet
from syncd.report import RunReport
from syncd.store import matched as columns
from syncd.view import roster

router = APIRouter()

# Rows that are shown, and mistakes; all of them are in the error document.
SAMPLE, SHOWN = 3, 100


@router.get("/import")
def ask(request: Request, source: Annotated[str, Query(max_length=63)], site: Here, who: Operator) -> Response:
    """Ask for a file."""
    return _ask(request, site, who, source)


@router.post("/import")
async def upload(request: Request, source: Annotated[str, Query(max_length=63)], site: Here, who: Operator) -> Response:
    """Take a file, and show what its columns are taken for."""
    form = await request.form()
    file, school = form.get("file"), form.get("school")
    content = await file.read() if isinstance(file, UploadFile) else b""
    name = (file.filename if isinstance(file, UploadFile) else "") or "the file"
    return await actions.in_thread(_upload, request, site, who, source, str(school or ""), name, content)


@router.get("/import/{key}")
def look(request: Request, key: str, site: Here, who: Operator) -> Response:
    """The columns, and what each is taken for."""
    return _columns(request, site, who, key)


@router.post("/import/{key}")
async def check(request: Request, key: str, site: Here, who: Operator) -> Response:
    """Check every row with the columns as they were chosen; when all are right, show what would change."""
    sent = await filled_in(request)
    return await actions.in_thread(_check, request, site, who, key, sent)


@router.post("/import/{key}/apply")
def apply(key: str, site: Here, who: Operator) -> Response:
    """Take it in."""
    kept = site.desk.get(key, who.name)
    checked, people = _verify(site, kept)
    if checked.wrong:
        raise ConfigError("not every row is right: check the file once more.")
    report = actions.enter(site, who, kept.source, kept.school_id, people)
    columns.remember(site.store, kept.source, checked.matched)
    site.desk.remove(key)
    return go(f"/runs/{report.run}")


@router.get("/import/{key}/errors.csv")
def errors(key: str, site: Here, who: Operator) -> Response:
    """The error document: row, column, what is wrong and what to write instead."""
    kept = site.desk.get(key, who.name)
    headers = {"Content-Disposition": 'attachment; filename="errors.csv"'}
    return Response(spreadsheet.as_csv(kept.wrong), media_type="text/csv", headers=headers)


def _upload(request: Request, site: Here, who: Operator, source: str, school: str, name: str, content: bytes) -> Response:
    may_see(who, source, refuse=True)
    handing.check(site.settings.source(source))
    if not content or not school:
        return _ask(request, site, who, source, "Choose a school and a file.")
    kept = Upload(who.name, source, school, name, content, keeps=_keeps(site, source))
    try:
        with closing(_opened(kept)) as sheet:
            kept.header, kept.samples = list(sheet.header), [row.cells for row in islice(sheet.rows(), SAMPLE)]
    except BadFile as problem:
        return _ask(request, site, who, source, str(problem).removeprefix(f"{source}: "))
    kept.matched = spreadsheet.match(kept.header, columns.of(site.store, source))
    return go(f"/import/{site.desk.put(kept)}")


def _keeps(site: Here, source: str) -> bool:
    """Whether passwords are kept."""
    return handing.seal(actions.whole(site, source)) is not None


def _opened(kept: Upload) -> RowFile:
    return sheets.opened(kept.name, kept.source, io.BufferedReader(io.BytesIO(kept.content)))


def _verify(site: Here, kept: Upload) -> tuple[spreadsheet.Checked, list[Document]]:
    seal = handing.seal(actions.whole(site, kept.source))
    with closing(_opened(kept)) as sheet:
        checked = spreadsheet.verify(sheet, kept.school_id, kept.matched, site.settings.today(), passwords=seal is not None)
    return checked, [person.document(person.new_id(), seal) for person in checked.people.values()]


def _check(request: Request, site: Here, who: Operator, key: str, sent: dict[str, str]) -> Response:
    kept = site.desk.get(key, who.name)
    chosen = {column: sent.get(f"column.{place}", "") for place, column in enumerate(kept.header)}
    kept.matched = {column: name for column, name in chosen.items() if name in entered.NAMES}
    twice = sorted({entered.NAMES[name].title for name in kept.matched.values() if list(kept.matched.values()).count(name) > 1})
    if twice:
        return _columns(request, site, who, key, f"Two columns can not both be {', '.join(twice)}.")
    try:
        checked, people = _verify(site, kept)
    except BadFile as problem:
        return _columns(request, site, who, key, str(problem).removeprefix(f"{kept.source}: "))
    kept.wrong = checked.wrong
    if checked.wrong:
        return _columns(request, site, who, key, wrong=checked.wrong)
    planned = actions.enter(site, who, kept.source, kept.school_id, people, dry_run=True)
    return _columns(request, site, who, key, planned=planned, rows=len(people))


def _ask(request: Request, site: Here, who: Operator, source: str, problem: str = "") -> Response:
    may_see(who, source, refuse=True)
    handing.check(site.settings.source(source))
    schools = roster.schools(site.store, [name for name in site.settings.sources if may_see(who, name)])
    return render(
        request,
        "import.html",
        who,
        code=422 if problem else 200,
        source=source,
        schools=schools,
        problem=problem,
        fields=entered.FIELDS,
        keeps=_keeps(site, source),
    )


def _columns(
    request: Request,
    site: Here,
    who: Operator,
    key: str,
    problem: str = "",
    *,
    wrong: list[spreadsheet.Wrong] | None = None,
    planned: RunReport | None = None,
    rows: int = 0,
) -> Response:
    kept = site.desk.get(key, who.name)
    table: list[dict[str, Any]] = [
        {"name": name, "field": kept.matched.get(name, ""), "samples": [cells[place] for cells in kept.samples if place < len(cells)]}
        for place, name in enumerate(kept.header)
    ]
    for one in table:
        one["unread"] = is_unread(one["name"])
        one["kept"] = kept.keeps and is_password(one["name"])
        if one["unread"]:
            one["samples"] = []
    return render(
        request,
        "import_columns.html",
        who,
        code=422 if problem or wrong else 200,
        key=key,
        kept=kept,
        columns=table,
        fields=entered.FIELDS,
        problem=problem,
        wrong=(wrong or [])[:SHOWN],
        more=max(len(wrong or []) - SHOWN, 0),
        planned=planned,
        rows=rows,
    )
