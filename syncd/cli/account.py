"""`syncd account`: who may sign in to the console and the API, and as what. A password is never part of a command."""

import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from syncd.account import Account, Accounts, NewToken, Role, Token, Tokens, folded, here
from syncd.cli import client
from syncd.cli.app import Json, app, console, notes, opened, print_json, store
from syncd.errors import ConfigError
from syncd.store import Store, accounts, clients, tokens
from syncd.words import ago

group = typer.Typer(help="Who may sign in to the console and the API.", no_args_is_help=True)
app.add_typer(group, name="account")
token_group = typer.Typer(help="What programs sign in to the API with.", no_args_is_help=True)
group.add_typer(token_group, name="token")
group.add_typer(client.group, name="client")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]
As = Annotated[Role, typer.Option("--role", help="What it may do.")]
Force = Annotated[bool, typer.Option("--force", help="Also if no admin is left.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")]
Sso = Annotated[bool, typer.Option("--sso", help="No password: single sign-on only.")]


@group.command()
def add(name: Name, role: As, password_stdin: FromStdin = False, sso: Sso = False, json: Json = False) -> None:
    """Make an account, of one of three roles.

    A viewer sees how syncs go: states, counts, ids, and no names. An operator also searches the roster, sees names and values, starts
    syncs, pauses and resumes. An admin also approves, rejects, undoes, sets up sources, and manages accounts.
    """
    opened = store(create=True)
    password = _password(password_stdin, sso)
    _tell(accounts.add(opened, name, role, password=password, by=here(), now=datetime.now(UTC)), json)


@group.command("list")
def list_accounts(json: Json = False) -> None:
    """All accounts."""
    found = accounts.listed(store(create=True))
    if json:
        print_json(Accounts(accounts=found))
        return
    table = Table(box=None, padding=(0, 2))
    for column in ("name", "role", "signs in with", "signed in", "made", "by", ""):
        table.add_column(column, overflow="fold")
    for one in found:
        disabled = "" if one.disabled_at is None else f"disabled {ago(one.disabled_at)}"
        how = "a password" if one.password else "single sign-on"
        made = one.created_at.strftime("%Y-%m-%d")
        table.add_row(Text(one.name), one.role.value, how, ago(one.signed_in_at), made, Text(one.created_by), disabled)
    console.print(table if found else "No account yet. Make one with `syncd account add NAME --role admin`.")


@group.command("role")
def change_role(
    name: Name, role: Annotated[Role, typer.Argument(help="What it may do.")], force: Force = False, json: Json = False
) -> None:
    """Give an account another role. It holds at once; who is signed in has to do so anew."""
    _tell(accounts.set_role(store(), name, role, by=here(), force=force), json)


@group.command("password")
def change_password(name: Name, password_stdin: FromStdin = False, sso: Sso = False, json: Json = False) -> None:
    """Give an account another password. Who is signed in has to do so anew; a name that too many wrong tries have blocked is free again."""
    opened = store()
    _tell(accounts.set_password(opened, name, _password(password_stdin, sso), by=here()), json)


@group.command()
def disable(name: Name, force: Force = False, json: Json = False) -> None:
    """Let somebody in no more; the account stays."""
    opened = store()
    done = accounts.disable(opened, name, by=here(), now=datetime.now(UTC), force=force)
    _tell(done, json)
    _warn_of_tokens(opened, done.name)


@group.command()
def enable(name: Name, json: Json = False) -> None:
    """Let somebody in again; also one whose name too many wrong tries have blocked."""
    _tell(accounts.enable(store(), name, by=here()), json)


@group.command()
def remove(name: Name, force: Force = False, json: Json = False) -> None:
    """Remove an account. What it did stays in the audit log."""
    opened = store()
    accounts.remove(opened, name, by=here(), force=force)
    if json:
        print_json(Accounts(accounts=accounts.listed(opened)))
    else:
        console.print(f"{folded(name)} is removed.", markup=False, highlight=False)
    _warn_of_tokens(opened, folded(name))


@token_group.command("add")
def add_token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, as in lunch-program.")],
    role: As,
    source: Annotated[str | None, typer.Option(help="The only source that it is for.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="So long it can be used.")] = 365,
    json: Json = False,
) -> None:
    """Make a token. It is shown this once."""
    configured, kept = opened()
    if source is not None:
        configured.source(source)
    now = datetime.now(UTC)
    token = tokens.add(kept, name, role, source=source, expires_at=now + timedelta(days=days), by=here(), now=now)
    made = tokens.described(kept, token)
    if json:
        print_json(NewToken(**made.model_dump(), token=token))
        return
    notes.print(f"Token {made.id}, {_scope(made)}, until {made.expires_at:%Y-%m-%d}. It is shown this once:", markup=False, soft_wrap=True)
    console.print(token, markup=False, highlight=False, soft_wrap=True)


@token_group.command("list")
def list_tokens(json: Json = False) -> None:
    """All tokens, the latest first; never what they are."""
    found = tokens.listed(store(create=True))
    if json:
        print_json(Tokens(tokens=found))
        return
    table = Table(box=None, padding=(0, 2))
    for column in ("id", "role", "source", "used", "made", "by", "until", ""):
        table.add_column(column, overflow="fold")
    for one in found:
        made, until = one.created_at.strftime("%Y-%m-%d"), one.expires_at.strftime("%Y-%m-%d")
        which = one.source or "all"
        table.add_row(Text(one.id), one.role.value, which, ago(one.used_at), made, Text(one.created_by), until, _ended(one))
    console.print(table if found else "No token yet. Make one with `syncd account token add NAME --role viewer`.")


@token_group.command("revoke")
def revoke_token(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The token's id, as `list` shows it.")], json: Json = False
) -> None:
    """Let nobody in by a token any more."""
    done = tokens.revoke(store(), token_id, by=here(), now=datetime.now(UTC))
    if json:
        print_json(done)
    else:
        console.print(f"Token {done.id} is revoked.", markup=False, highlight=False)


def _password(from_stdin: bool, sso: bool) -> str | None:
    """The password that is asked for; None for single sign-on. Raises ConfigError when there is no way to ask."""
    if sso:
        if from_stdin:
            raise ConfigError("--sso means no password: leave out --password-stdin.")
        return None
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask for the password: give it on stdin with --password-stdin, or use --sso.")
    password: str = typer.prompt("Password (12 characters or more)", hide_input=True, confirmation_prompt="Once more", err=True)
    return password


def _tell(account: Account, json: bool) -> None:
    if json:
        print_json(account)
        return
    how = "with a password" if account.password else "by single sign-on"
    state = "is disabled" if account.disabled_at else f"may sign in {how}"
    console.print(f"{account.name} ({account.role.value}) {state}.", markup=False, highlight=False)


def _warn_of_tokens(opened: Store, name: str) -> None:
    """A token or a client is not its maker's: it outlives the account."""
    for one in tokens.listed(opened):
        if one.created_by == name and not _ended(one):
            told = f"{name} made the token {one.id}, which can still be used. To end it: syncd account token revoke {one.id}"
            notes.print(told, markup=False, highlight=False, soft_wrap=True)
    for made in clients.listed(opened):
        if made.created_by == name and not client.ended(made):
            told = f"{name} made the client {made.id}, which can still be used. To end it: syncd account client revoke {made.id}"
            notes.print(told, markup=False, highlight=False, soft_wrap=True)


def _scope(token: Token) -> str:
    return f"{token.role.value} of {token.source or 'all sources'}"


def _ended(token: Token) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "over" if datetime.now(UTC) >= token.expires_at else ""
