"""`syncd import`: the students of one school, by a spreadsheet."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from syncd.account import here
from syncd.cli.app import Json, app, console, notes, opened, print_json
from syncd.cli.show import run_summary
from syncd.cli.sync import EXIT
from syncd.errors import ConfigError
from syncd.files import sheet as sheets
from syncd.hand import handing, spreadsheet
from syncd.hand.entered import NAMES
from syncd.report import State
from syncd.store import matched as columns

# Rows with mistakes that are shown; all stand in the error document.
SHOWN = 20


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The spreadsheet, as CSV or XLSX.", exists=True, dir_okay=False)],
    source: Annotated[str, typer.Option("--source", help='The source of what is entered by hand (connector = "by-hand").')],
    school: Annotated[str, typer.Option("--school", help="The id of the school whose students these are.")],
    column: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="COLUMN=FIELD", help="What a column is. May be given often; remembered."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row and show what would change; change nothing.")] = False,
    errors: Annotated[Path | None, typer.Option("--errors", help="Write what is wrong into this file, row by row.")] = None,
    json: Json = False,
) -> None:
    """Take in the students of one school. Every row is checked before anything is changed; who is in it already is updated."""
    configured, store = opened(secrets=(source,))
    into = configured.source(source)
    handing.check(into)
    chosen, seal = _chosen(column or []), handing.seal(into)
    with file.open("rb") as stream:
        remembered = columns.of(store, source) | chosen
        with closing(sheets.opened(file.name, source, stream)) as sheet:
            matched = spreadsheet.match(sheet.header, remembered)
            checked = spreadsheet.verify(sheet, school, matched, configured.today(), passwords=seal is not None)
    if checked.wrong:
        _tell(checked, errors, json)
        raise typer.Exit(2)
    before = handing.school(store, into, school, [one for one in configured.sources if one != source])
    people = [person.document(person.new_id(), seal) for person in checked.people.values()]
    report = handing.hand_in(store, into, [*before, *people], by=here(), today=configured.today(), dry_run=dry_run)
    columns.remember(store, source, checked.matched)
    if json:
        print_json({"matched": checked.matched, "left": checked.left, "rows": len(people), "run": report})
    else:
        for left in checked.left:
            notes.print(f"not taken in: the column {left}", markup=False, highlight=False)
        console.print(run_summary(report))
    raise typer.Exit(EXIT.get(State(report.state), 0))


def _chosen(given: list[str]) -> dict[str, str]:
    """{column in small letters: field}. Raises ConfigError."""
    found = {}
    for one in given:
        name, _, wanted = one.rpartition("=")
        if not name.strip() or wanted.strip() not in NAMES:
            raise ConfigError(f"--column takes COLUMN=FIELD, where FIELD is one of: {', '.join(NAMES)}.")
        found[name.strip().lower()] = wanted.strip()
    return found


def _tell(checked: spreadsheet.Checked, errors: Path | None, json: bool) -> None:
    if errors is not None:
        errors.write_text(spreadsheet.as_csv(checked.wrong), encoding="utf-8")
    if json:
        print_json({"wrong": [{"row": one.line, "column": one.column, "words": one.words} for one in checked.wrong]})
        return
    for one in checked.wrong[:SHOWN]:
        notes.print(
            f"row {one.line}, {one.column}: {one.words}" if one.column else f"row {one.line}: {one.words}", markup=False, highlight=False
        )
    if len(checked.wrong) > SHOWN:
        notes.print(f"… and {len(checked.wrong) - SHOWN} more; --errors FILE writes all of them.", markup=False, highlight=False)
    notes.print("Nothing was taken in. Correct these rows, and send the file again.", markup=False, highlight=False)
