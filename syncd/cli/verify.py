"""`syncd verify`: is the roster equal to the source? A full pull that changes nothing."""

from typing import Annotated, Any

import typer
from sqlalchemy import Connection, func, select

from syncd.cli.app import Json, app, console, print_json, settings
from syncd.cli.show import changes_table, counts_table, run_summary
from syncd.cli.sync import watched
from syncd.report import Mode, State
from syncd.roster.kinds import PLURAL
from syncd.store import open_store
from syncd.store.runs import Change
from syncd.sync import planning
from syncd.sync.staging import planned

SHOWN = 50


@app.command()
def verify(
    source: Annotated[str, typer.Argument(help="The source's name.")],
    everything: Annotated[bool, typer.Option("--all", help=f"Print every difference, not only the first {SHOWN}.")] = False,
    json: Json = False,
) -> None:
    """Compare the roster with the source, record by record, and change nothing. Exit code 1 when they differ."""
    configured = settings(secrets=(source,))
    wanted = configured.source(source)
    found: list[Change] = []
    differ = 0

    def keep(connection: Connection) -> None:
        nonlocal differ
        with connection.begin():
            differ = connection.execute(select(func.count()).select_from(planned)).scalar_one()
        rows = planning.planned_changes(connection, None if everything else SHOWN)
        found.extend(Change(source, 0, kind, record_id, action, fields) for kind, record_id, action, fields in rows)

    store = open_store(configured.store_url)
    options: dict[str, Any] = {"mode": Mode.FULL, "dry_run": True, "anew": True, "on_plan": keep, "today": configured.today()}
    report = watched(store, wanted, quietly=json, **options)
    equal = report.state == State.PLANNED and not differ and not report.doubts
    if json:
        rows = [
            {"kind": PLURAL[change.kind], "id": change.record_id, "action": change.action, "fields": list(change.fields)}
            for change in found
        ]
        print_json({**report.model_dump(mode="json"), "equal": equal, "differing": differ, "differences": rows})
    elif report.state == State.FAILED:
        console.print(run_summary(report))
    elif equal:
        console.print(f"{source}: the roster equals the source.", markup=False)
        console.print(counts_table(report))
    else:
        if differ:
            console.print(f"{source}: the roster differs from the source in {differ} record{'s' if differ > 1 else ''}.", markup=False)
            console.print(changes_table(found))
            if differ > len(found):
                console.print(f"… and {differ - len(found)} more: syncd verify {source} --all", markup=False)
        else:
            console.print(f"{source}: nothing differs, but not all could be compared.", markup=False)
        for doubt in report.doubts:
            console.print(f"  not complete: {doubt}", markup=False)
    raise typer.Exit(0 if equal else 1)
