"""`syncd account client`: the products that may read the roster as from a OneRoster provider."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from syncd.account import Client, Clients, NewClient, here
from syncd.cli.app import Json, console, notes, opened, print_json, store
from syncd.store import clients
from syncd.words import ago

group = typer.Typer(help="Products that read the roster by OneRoster.", no_args_is_help=True)


@group.command("add")
def add_client(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which product it is, as in reading-program.")],
    source: Annotated[str, typer.Option(help="The source whose roster it reads.")],
    school: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this school; may be given several times.")] = None,
    demographics: Annotated[bool, typer.Option("--demographics", help="Also birth date, sex, race and the rest.")] = False,
    days: Annotated[int, typer.Option(min=1, max=3650, help="So long it can be used.")] = 365,
    json: Json = False,
) -> None:
    """Let a product read a source's roster. Its secret is shown this once."""
    configured, kept = opened()
    configured.source(source)
    now = datetime.now(UTC)
    made, secret = clients.add(
        kept, name, source, schools=school or None, demographics=demographics, expires_at=now + timedelta(days=days), by=here(), now=now
    )
    if json:
        print_json(NewClient(**made.model_dump(), secret=secret))
        return
    notes.print(f"Client {made.id}, {_scope(made)}, until {made.expires_at:%Y-%m-%d}.", markup=False, soft_wrap=True)
    if not configured.console.oneroster:
        notes.print("Nothing is offered before the configuration says `[console] oneroster = true`.", markup=False, soft_wrap=True)
    notes.print("Its secret, which is shown this once:", markup=False)
    console.print(secret, markup=False, highlight=False, soft_wrap=True)


@group.command("list")
def list_clients(json: Json = False) -> None:
    """All clients, the latest first; never their secrets."""
    found = clients.listed(store(create=True))
    if json:
        print_json(Clients(clients=found))
        return
    table = Table(box=None, padding=(0, 2))
    for column in ("id", "source", "schools", "demographics", "used", "made", "by", "until", ""):
        table.add_column(column, overflow="fold")
    for one in found:
        made, until = one.created_at.strftime("%Y-%m-%d"), one.expires_at.strftime("%Y-%m-%d")
        schools = "all" if one.schools is None else ", ".join(one.schools)
        personal = "yes" if clients.DEMOGRAPHICS in one.scopes else "no"
        table.add_row(Text(one.id), one.source, Text(schools), personal, ago(one.used_at), made, Text(one.created_by), until, ended(one))
    console.print(table if found else "No client yet. Make one with `syncd account client add NAME --source SOURCE`.")


@group.command("revoke")
def revoke_client(
    client_id: Annotated[str, typer.Argument(metavar="ID", help="The client's id, as `list` shows it.")], json: Json = False
) -> None:
    """Let a product read nothing more, from this instant."""
    done = clients.revoke(store(), client_id, by=here(), now=datetime.now(UTC))
    if json:
        print_json(done)
    else:
        console.print(f"Client {done.id} is revoked.", markup=False, highlight=False)


def ended(client: Client) -> str:
    """Why it can not be used any more; nothing when it can."""
    if client.revoked_at is not None:
        return "revoked"
    return "over" if datetime.now(UTC) >= client.expires_at else ""


def _scope(client: Client) -> str:
    which = "all schools" if client.schools is None else f"{len(client.schools)} school{'' if len(client.schools) == 1 else 's'}"
    personal = "with demographics" if clients.DEMOGRAPHICS in client.scopes else "without demographics"
    return f"{which} of {client.source}, {personal}"
