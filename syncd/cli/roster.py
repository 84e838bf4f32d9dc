"""`syncd roster`: what we hold true."""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from syncd.cli.app import Json, app, console, notes, opened, print_each, print_json
from syncd.cli.show import in_pieces
from syncd.errors import ConfigError
from syncd.observe.logs import escaped
from syncd.roster.fields import composed
from syncd.roster.kinds import SINGULAR
from syncd.store import Store, runs
from syncd.store import roster as held


class Kind(StrEnum):
    ORGS = "orgs"
    TERMS = "terms"
    COURSES = "courses"
    SECTIONS = "sections"
    USERS = "users"
    ENROLLMENTS = "enrollments"


class Status(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"
    ALL = "all"


COLUMNS = {
    "orgs": ("name", "type", "identifier", "parent_id"),
    "terms": ("name", "type", "start_date", "end_date"),
    "courses": ("name", "number", "org_id"),
    "sections": ("name", "number", "school_id", "course_id"),
    "users": ("given_name", "family_name", "roles", "grades", "student_number"),
    "enrollments": ("section_id", "user_id", "role", "primary"),
}


@app.command()
def roster(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    source: Annotated[str | None, typer.Option(help="Only this source's.")] = None,
    status: Annotated[Status, typer.Option(help="Which records.")] = Status.ACTIVE,
    search: Annotated[str | None, typer.Option(help="Part of an id or a name.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="As it was when a run had ended, or at a time (2026-11-23T08:00).")] = None,
    json: Json = False,
) -> None:
    """List the roster's records."""
    configured, store = opened()
    if source is not None:
        configured.source(source)
    words = composed(search) if search else None
    if as_of is None:
        found = held.records(store, SINGULAR[kind], source, status, words)
    else:
        found = _noting(held.records_as_of(store, SINGULAR[kind], _when(store, as_of), source, status, words))
    if json:
        print_json({"records": islice(found, limit)})
        return
    if not print_each(in_pieces(islice(found, limit or 50), partial(_table, kind))):
        console.print(f"No {kind}.")
    elif next(found, None):
        console.print(f"… and more: --limit shows more than {limit or 50}, --json all of them.")


def _when(store: Store, as_of: str) -> int | datetime:
    """A run's number or a time. Raises ConfigError, and StoreError for a run that there is not."""
    if as_of.isascii() and as_of.isdigit():
        return runs.get(store, int(as_of)).run
    try:
        moment = datetime.fromisoformat(as_of)
    except ValueError:
        raise ConfigError("--as-of takes a run's number, or a time such as 2026-11-23T08:00 (UTC if it names no zone).") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _noting(found: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Say at the end, beside what is printed, that some values are not what they were then."""
    purged = 0
    for record in found:
        purged += "purged_at" in record
        yield record
    if purged:
        notes.print(f"Of {purged} records values were purged, by policy or on request: what is empty there may not have been empty then.")


def _table(kind: str, found: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2))
    for name in ("source", "id", "status", *COLUMNS[kind]):
        table.add_column(name, overflow="fold")
    for record in found:
        table.add_row(
            record["source"],
            Text(escaped(record["id"])),
            record["status"],
            *(Text(escaped(_plain(record[name]))) for name in COLUMNS[kind]),
        )
    return table


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(item["role"] if isinstance(item, dict) else str(item) for item in value)
    return "" if value is None else str(value)
