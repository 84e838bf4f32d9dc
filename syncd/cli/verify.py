"""`syncd verify`: is the roster equal to the source? A full pull that changes nothing."""

from collections.abc import Iterator
from functools import partial
from tempfile import TemporaryFile
from typing import Annotated, Any

import typer
from msgspec.json import decode
from sqlalchemy import Connection, Select, case, func, select

from syncd.cli.app import Json, app, console, opened, print_each, print_json
from syncd.cli.show import changes_table, counts_table, in_pieces, run_summary
from syncd.cli.sync import watched
from syncd.report import Mode, RunReport, State
from syncd.roster.kinds import PLURAL
from syncd.store.columns import canonical
from syncd.store.runs import FIRST, Change
from syncd.sync.staging import planned

SHOWN = 50


@app.command()
def verify(
    source: Annotated[str, typer.Argument(help="The source's name.")],
    everything: Annotated[bool, typer.Option("--all", help=f"Print every difference, not only the first {SHOWN}.")] = False,
    json: Json = False,
) -> None:
    """Compare the roster with the source, record by record, and change nothing. Exit code 1 when they differ."""
    configured, store = opened(secrets=(source,))
    wanted = configured.source(source)
    differ = 0
    with TemporaryFile("w+", encoding="utf-8") as kept:

        def keep(connection: Connection) -> None:
            """The plan goes with the run, and its report comes after: until then the differences lie in a file."""
            nonlocal differ
            with connection.begin():
                differ = connection.execute(select(func.count()).select_from(planned)).scalar_one()
                for row in connection.execute(_plan(None if everything else SHOWN)):
                    kept.write(canonical([row.kind, row.record_id, row.action, list(row.fields or {})]) + "\n")

        options: dict[str, Any] = {"mode": Mode.FULL, "dry_run": True, "anew": True, "on_plan": keep, "today": configured.today()}
        report = watched(store, wanted, quietly=json, **options)
        kept.seek(0)
        equal = report.state == State.PLANNED and not differ and not report.doubts
        _tell(report, equal, differ, map(partial(_difference, source), kept), everything, json)
    raise typer.Exit(0 if equal else 1)


def _plan(limit: int | None) -> Select[Any]:
    """What of the plan is told, people first, by id."""
    people_first = (case(FIRST, value=planned.c.kind), planned.c.record_id)
    query = select(planned.c.kind, planned.c.record_id, planned.c.action, planned.c.fields).order_by(*people_first).limit(limit)
    return query.execution_options(yield_per=1000)


def _difference(source: str, line: str) -> Change:
    kind, record_id, action, names = decode(line)
    return Change(source, 0, kind, record_id, action, dict.fromkeys(names))


def _tell(report: RunReport, equal: bool, differ: int, found: Iterator[Change], everything: bool, json: bool) -> None:
    if json:
        rows = (
            {"kind": PLURAL[change.kind], "id": change.record_id, "action": change.action, "fields": list(change.fields)}
            for change in found
        )
        print_json({**report.model_dump(mode="json"), "equal": equal, "differing": differ, "differences": rows})
    elif report.state == State.FAILED:
        console.print(run_summary(report))
    elif equal:
        console.print(f"{report.source}: the roster equals the source.", markup=False)
        console.print(counts_table(report))
    else:
        if differ:
            console.print(
                f"{report.source}: the roster differs from the source in {differ} record{'s' if differ > 1 else ''}.", markup=False
            )
            print_each(in_pieces(found, changes_table))
            if not everything and differ > SHOWN:
                console.print(f"… and {differ - SHOWN} more: syncd verify {report.source} --all", markup=False)
        else:
            console.print(f"{report.source}: nothing differs, but not all could be compared.", markup=False)
        for doubt in report.doubts:
            console.print(f"  not complete: {doubt}", markup=False)
