"""`syncd links`: who is the same person in several sources, and a person's word where the data does not tell.

Names are printed only with --names: ids, schools and grades are mostly enough to look both up at their sources, and what a terminal showed
may stay in its scrollback, in a ticket or on a projector. No log ever has them.
"""

from itertools import islice
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from syncd.account import here
from syncd.cli.app import Json, app, console, opened, print_each, print_json
from syncd.cli.show import in_pieces
from syncd.errors import ConfigError
from syncd.observe.logs import escaped
from syncd.settings.file import Settings
from syncd.store import links as kept
from syncd.sync.link import LINKED, REFUSED, Person, decide
from syncd.words import link_reason

group = typer.Typer(help="Who is the same person in several sources.", invoke_without_command=True)
app.add_typer(group, name="links")

Source = Annotated[str, typer.Argument(help="A source's name.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="A user's id in that source.")]


@group.callback()
def links(
    context: typer.Context,
    source: Annotated[str | None, typer.Option(help="Only this source's.")] = None,
    proposed: Annotated[bool, typer.Option("--proposed", help="Only those that wait for a person.")] = False,
    names: Annotated[bool, typer.Option("--names", help="Print the names too.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    json: Json = False,
) -> None:
    """List the links, and what waits for a person."""
    if context.invoked_subcommand:
        return
    configured, store = opened()
    if source is not None:
        configured.source(source)
    found = kept.listed(store, source, proposed=proposed, names=names)
    if json:
        print_json({"links": islice(found, limit)})
        return
    if not print_each(in_pieces(islice(found, limit or 50), _table)):
        console.print("Nothing waits for a person." if proposed else "No links.")
    elif next(found, None):
        console.print(f"… and more: --limit shows more than {limit or 50}, --json all of them.")


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2))
    for name in ("source", "id", "source", "id", "state", "by", "the one", "the other"):
        table.add_column(name, overflow="fold")
    for link in found:
        ends = (link["source"], Text(escaped(link["id"])), link["other_source"], Text(escaped(link["other_id"])))
        table.add_row(*ends, link["state"], link_reason(link), *(Text(escaped(_told(user))) for user in link["users"]))
    return table


def _told(user: dict[str, Any]) -> str:
    names = " ".join(user[name] for name in kept.NAMES if user.get(name))
    status = "" if user["status"] == "active" else user["status"] or "not in the roster"
    return " · ".join(part for part in (names, ", ".join(user["roles"]), ", ".join(user["grades"]), user["school"], status) if part)


@group.command()
def accept(source: Source, user_id: Id, other_source: Source, other_id: Id, json: Json = False) -> None:
    """They are the same person, whether or not that was proposed. No sync takes the link back."""
    _decide(Person(source, user_id), Person(other_source, other_id), LINKED, json)


@group.command()
def refuse(source: Source, user_id: Id, other_source: Source, other_id: Id, json: Json = False) -> None:
    """They are not: never propose the two again. A link between them, of whatever origin, ends."""
    _decide(Person(source, user_id), Person(other_source, other_id), REFUSED, json)


def _decide(one: Person, other: Person, state: str, json: bool) -> None:
    configured, store = opened()
    if one.source == other.source:
        raise ConfigError(f"a link joins two sources; both are of {one.source}.")
    if state == LINKED:
        _check_same_people(configured, one.source, other.source)
    decide(store, one, other, state, by=here())
    all_of_one = kept.of_user(store, one.source, one.id)
    [link] = [link for link in all_of_one if (link["other_source"], link["other_id"]) == (other.source, other.id)]
    if json:
        print_json(link)
        return
    told = "are linked" if state == LINKED else "are not the same person, and are not proposed again"
    console.print(escaped(f"{one} and {other} {told}."), markup=False, highlight=False, soft_wrap=True)


def _check_same_people(configured: Settings, one: str, other: str) -> None:
    """Raises ConfigError unless the two sources are said to have the same people."""
    whose = [configured.source(name).common.people for name in (one, other)]
    if whose[0] is None or whose[0] != whose[1]:
        raise ConfigError(
            f"{one} and {other} are not said to have the same people. If they are of one district, give both the same word in "
            f'{configured.path.name}, as in people = "springfield".'
        )
