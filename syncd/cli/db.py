"""`syncd db`: the store itself."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from syncd.account import here
from syncd.cli.app import Json, app, console, notes, opened, print_json, store
from syncd.errors import ConfigError, StoreError
from syncd.secret import MissingSecret, Secret
from syncd.settings import kept as sealed
from syncd.settings import vault
from syncd.settings.file import signed_in
from syncd.store import Store, migrations, open_store
from syncd.store import purge as purging
from syncd.store.move import move

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would go, and remove nothing.")]

group = typer.Typer(help="Look after the store.", no_args_is_help=True)
app.add_typer(group, name="db")


@group.command()
def status(json: Json = False) -> None:
    """Where the store is, how large it is, and which schema it has."""
    kept = store()
    with kept.read() as connection:
        found = {
            **kept.where(),
            "schema": migrations.current(connection),
            "newest": migrations.newest(),
        }
    if json:
        print_json(found)
    else:
        console.print(f"{found['place']}: {found['bytes'] / 1e6:.1f} MB, schema {found['schema']}", markup=False)


@group.command()
def upgrade() -> None:
    """Bring the store to the newest schema (opening it does that too)."""
    store(create=True)
    console.print(f"The store has schema {migrations.newest()}.")


@group.command()
def check() -> None:
    """Check that the store's file is sound."""
    problems = store().check()
    if problems:
        raise StoreError(f"the store is damaged ({len(problems)} faults).", advice="Restore the last backup, or sync anew.")
    console.print("The store is sound.")


@group.command(name="new-key")
def new_key() -> None:
    """Print a new key for [console] key, which seals the secrets that are pasted in the console. Nothing is changed."""
    typer.echo(vault.new_key())


@group.command()
def reseal() -> None:
    """Seal all pasted secrets with the first of several keys, so that the others can be taken away."""
    done, shut = sealed.reseal(*opened(create=False))
    console.print(f"{done} secret(s) are sealed with the first key.")
    if shut:
        raise StoreError(
            f"{', '.join(shut)}: has a secret that no key opens.", advice="Enter it again in the console, or bring back its key."
        )


@group.command()
def purge(dry_run: DryRun = False, json: Json = False) -> None:
    """Remove what [retention] says: personal data of records long inactive, old values, old lists and logs. Ids and dates stay."""
    configured, kept = opened(create=False)
    proof = purging.purge(kept, configured.retention, datetime.now(UTC), by=here(), dry_run=dry_run)
    _tell(kept, proof, json)


@group.command()
def forget(
    source: Annotated[str, typer.Argument(help="The source's name.")],
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    force: Annotated[bool, typer.Option("--force", help="Also one who is active.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Remove one user's personal data now, with all that is known of their enrollments. The ids and dates stay."""
    kept = store()
    proof = purging.forget(kept, source, user, datetime.now(UTC), by=here(), force=force, dry_run=dry_run)
    _tell(kept, proof, json)
    if force and not dry_run:
        notes.print("What the source still sends of this person comes back with the next full pull.")


@group.command()
def purges(json: Json = False) -> None:
    """What was purged so far: when, by whom, how much."""
    found = purging.history_of(store())
    if json:
        print_json({"purges": found})
        return
    table = Table(box=None, padding=(0, 2))
    for name in ("when", "source", "account", "why", "what"):
        table.add_column(name, overflow="fold")
    for one in found:
        why = "on request" if one["policy"] is None else _days(one["policy"])
        table.add_row(f"{one['at']:%Y-%m-%d %H:%M}", one["source"], Text(one["account"]), why, _counts(one["counts"]))
    console.print(table if found else "Nothing was ever purged.")


WHAT = {
    "again": "of them purged before, back from a backup",
    "changes": "changes' old and new values",
    "parts": "statements about these users",
    "waiting": "waiting enrollments of these users",
    "links": "links of these users with other sources",
    "held": "held changes",
    "passwords": "passwords' hashes",
    "quarantine": "quarantine rows",
    "log": "log lines",
    "orders": "orders that were asked for in the console",
}


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {WHAT.get(name, name)}" for name, count in counts.items() if count)


def _days(policy: dict[str, int]) -> str:
    return ", ".join(f"{name} = {days}" for name, days in policy.items()) or "purged before"


def document(kept: Store, proof: purging.Proof) -> dict[str, Any]:
    """A proof with the marks of what went, source by source, which are many."""

    def told(one: purging.Purged) -> dict[str, Any]:
        return {**asdict(one), "marks": {} if proof.dry_run else purging.marks(kept, one.source, proof.at)}

    return {**asdict(proof), "sources": map(told, proof.sources)}


def _tell(kept: Store, proof: purging.Proof, json: bool) -> None:
    """Print it; exit code 1 when a part could not be done."""
    if json:
        print_json(document(kept, proof))
    else:
        for one in proof.sources:
            console.print(Text(f"{one.source}: {'would go' if proof.dry_run else 'gone'}: {_counts(one.counts)}"), soft_wrap=True)
        if not proof.sources and not proof.busy:
            told = "Nothing is to be purged: nothing is as old as [retention] says, or nothing is said there."
            console.print(told, markup=False)
    for source in proof.busy:
        notes.print(f"syncd: {source}: a run is going on, so that nothing of it was purged. Purge again when it has ended.", soft_wrap=True)
    if proof.wiped is False:
        told = "syncd: the store's file could not be rewritten, so that bytes of what was purged may still be in it"
        notes.print(f"{told}: another program reads it, or there is too little room. Purge again later.", soft_wrap=True)
    if proof.busy or proof.wiped is False:
        raise typer.Exit(1)


@group.command()
def migrate(
    to: Annotated[str, typer.Option("--to", help="The new store's URL, as in postgresql+psycopg://syncd@localhost/roster")],
    password: Annotated[str | None, typer.Option(help="The environment variable that has the password of the new store's user.")] = None,
    json: Json = False,
) -> None:
    """Copy the store into another, empty database, and compare each row. Then put the new URL into the configuration."""
    if "@" in to and ":" in to.split("://")[-1].split("@")[0]:
        raise ConfigError("a password may not stand on the command line: name the variable that has it with --password NAME.")
    secret = Secret(env=password) if password else None
    try:
        target = open_store(signed_in(to, secret))
    except MissingSecret as problem:
        raise ConfigError(f"--password: {problem}") from None
    moved = move(store(), target)
    if json:
        print_json({"moved": moved})
        return
    console.print(f"Moved {sum(moved.values()):,} rows of {len(moved)} tables into {target.name}; each was compared.", markup=False)
    console.print(f'Now write it into the configuration: [store] url = "{to}"', markup=False, soft_wrap=True)
