"""The console's lists to download, as CSV or as an Excel file: all that the page shows with the same filters, and not only its first part.

Who downloads people's data stands in the audit log.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from syncd.account import Role, Who
from syncd.console.api.runs import Kind, seen
from syncd.console.who import Admin, Here, Operator, Viewer, may_see
from syncd.export import lists
from syncd.report import RunReport
from syncd.roster.fields import composed
from syncd.roster.kinds import SINGULAR, fields
from syncd.store import audit
from syncd.view import changes, lines, quality, roster, runs
from syncd.view.changes import Wanted
from syncd.words import REASONS, held_sentence

router = APIRouter()

Format = Literal["csv", "xlsx"]
Source = Annotated[str, Query(max_length=63)]
Run = Annotated[int, Path(ge=1, le=2**31 - 1)]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Records that are asked for at a time: whoever downloads slowly keeps no connection to the store.
BATCH = 1_000
# Lines of the log, the latest ones.
LINES = 20_000
BLOCK = 2**16

Rows = Iterable[Sequence[Any]]


@router.get("/roster.{format}")
def of_roster(
    site: Here,
    who: Operator,
    format: Format,
    kind: Kind = "users",
    source: Source = "",
    status: Literal["active", "inactive", "all"] = "active",
    q: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Records of a kind, with all of their fields."""
    names = [*fields(SINGULAR[kind]), "extra"]
    only = who.source or source or None
    search = composed(q.strip()) if q.strip() else None

    def rows() -> Iterator[Sequence[Any]]:
        after: tuple[str, str] | None = None
        while True:
            page = roster.page(site.store, kind, source=only, status=status, search=search, after=after, limit=BATCH)
            for record in page.records:
                yield [record["source"], record["id"], record["status"], record["deactivated_at"], *(record[name] for name in names)]
            if page.after is None:
                return
            after = (page.after.source, page.after.id)

    _note(site, who, kind, only)
    return _answer(kind, ["source", "id", "status", "deactivated_at", *names], rows(), format)


@router.get("/runs.{format}")
def of_runs(site: Here, who: Viewer, format: Format, source: Source = "", state: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Runs, the newest first."""
    only = who.source or source or None

    def rows() -> Iterator[Sequence[Any]]:
        before = None
        while True:
            page = runs.page(site.store, source=only, state=state or None, before=before, limit=BATCH)
            yield from map(_run, page.runs)
            if page.before is None:
                return
            before = page.before

    head = (
        "run", "source", "state", "mode", "scope", "trigger", "account", "started at", "finished at", "created", "updated", "reactivated",
        "deactivated", "held", "requests", "files", "error",
    )  # fmt: skip
    return _answer("runs", head, rows(), format)


@router.get("/runs/{run}/changes.{format}")
def of_changes(
    run: Run,
    site: Here,
    who: Viewer,
    format: Format,
    kind: Annotated[str, Query(max_length=20)] = "",
    action: Annotated[str, Query(max_length=20)] = "",
    field: Annotated[str, Query(max_length=64)] = "",
    search: Annotated[str, Query(max_length=200)] = "",
    held: bool = False,
) -> Response:
    """What a run changed or holds: a row for each field."""
    report, told = seen(site, who, run), who.role.covers(Role.OPERATOR)
    wanted = Wanted(kind=kind or None, action=action or None, field=field or None, search=search or None, held=held)

    def rows() -> Iterator[Sequence[Any]]:
        after = None
        while True:
            page = changes.page(site.store, run, wanted, after=after, limit=BATCH, values=told)
            for one in page.changes:
                waits = REASONS.get(one.rule or "", one.rule)
                about = (one.kind, one.id, one.name, one.action, waits)
                for name, values in one.fields.items() or [("", None)]:
                    yield [*about, name, *(values or (None, None))]
            if page.after is None:
                return
            after = page.after

    if told:
        _note(site, who, "changes", report.source, run=run)
    return _answer(f"run-{run}", ("kind", "id", "name", "action", "waits because", "field", "before", "after"), rows(), format)


@router.get("/quality.{format}")
def of_quality(
    site: Here,
    who: Viewer,
    format: Format,
    source: Source,
    run: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    rule: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """What a source sends wrong."""
    may_see(who, source, refuse=True)
    site.settings.source(source)

    def rows() -> Iterator[Sequence[Any]]:
        after: int | None = 0
        while after is not None:
            page = quality.page(site.store, source, run, rule=rule or None, after=after, limit=BATCH)
            for one in page.wrong:
                yield [one.resource, one.document_id, one.field, one.rule, one.reason]
            after = page.after

    return _answer(f"{source}-quality", ("list", "id", "field", "rule", "what is wrong"), rows(), format)


@router.get("/logs.{format}")
def of_logs(
    site: Here,
    who: Viewer,
    format: Format,
    source: Source = "",
    run: Annotated[str, Query(pattern="^[0-9]{0,9}$")] = "",
    level: Annotated[str, Query(pattern="^(debug|info|warning|error)$")] = "info",
) -> Response:
    """The latest log lines, the oldest first."""
    found = lines.latest(site.store, source=who.source or source or None, run=int(run) if run else None, level=level, limit=LINES)
    rows = ([line.at, line.level, line.source, line.run, line.event, line.fields] for line in found)
    return _answer("logs", ("at", "level", "source", "run", "event", "fields"), rows, format)


@router.get("/audit.{format}")
def of_audit(site: Here, who: Admin, format: Format) -> Response:
    """Who did what, the newest first."""

    def rows() -> Iterator[Sequence[Any]]:
        before = None
        while found := list(audit.listed(site.store, before=before, limit=BATCH, source=who.source)):
            for one in found:
                yield [one.at, one.account, one.via, one.action, one.source, one.subject]
            before = found[-1].id

    return _answer("audit", ("at", "who", "by", "did", "source", "what"), rows(), format)


def _run(run: RunReport) -> Sequence[Any]:
    count = {name: sum(getattr(one, name) for one in run.counts.values()) for name in ("created", "updated", "reactivated", "deactivated")}
    asked = f"{run.scope.kind} {run.scope.id}" if run.scope is not None else None
    told = [run.run, run.source, run.state, run.mode, asked, run.trigger, run.account, run.started_at, run.finished_at, *count.values()]
    return [*told, [held_sentence(held) for held in run.held], run.requests, run.files, run.error]


def _note(site: Here, who: Who, what: str, source: str | None, **about: Any) -> None:
    with site.store.write() as connection:
        audit.note(connection, who, "download", source=source, subject=what, **about)


def _answer(name: str, header: Sequence[str], rows: Rows, format: Format) -> Response:
    disposition = {"Content-Disposition": f'attachment; filename="{name}.{format}"'}
    if format == "csv":
        return StreamingResponse(lists.as_csv(header, rows), media_type="text/csv; charset=utf-8", headers=disposition)
    # On the disk: a large district's does not fit into memory.
    with ExitStack() as stack:
        held = stack.enter_context(tempfile.TemporaryFile())
        lists.as_xlsx(name[:20], header, rows, held)
        held.seek(0)
        sent = BackgroundTask(stack.pop_all().close)
    return StreamingResponse(iter(lambda: held.read(BLOCK), b""), media_type=XLSX, headers=disposition, background=sent)
