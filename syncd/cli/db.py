"""`syncd db`: the store itself."""

import typer

from syncd.cli.app import Json, app, console, print_json, store
from syncd.errors import StoreError
from syncd.store import engine, migrations

group = typer.Typer(help="Look after the store.", no_args_is_help=True)
app.add_typer(group, name="db")


@group.command()
def status(json: Json = False) -> None:
    """Where the store is, how large it is, and which schema it has."""
    opened = store()
    with opened.read() as connection:
        found = {
            "path": str(opened.path),
            "bytes": opened.path.stat().st_size,
            "schema": migrations.current(connection),
            "newest": migrations.newest(),
        }
    if json:
        print_json(found)
    else:
        console.print(f"{found['path']}: {opened.path.stat().st_size / 1e6:.1f} MB, schema {found['schema']}", markup=False)


@group.command()
def upgrade() -> None:
    """Bring the store to the newest schema (opening it does that too)."""
    store(create=True)
    console.print(f"The store has schema {migrations.newest()}.")


@group.command()
def check() -> None:
    """Check that the store's file is sound."""
    problems = engine.check(store())
    if problems:
        raise StoreError(f"the store is damaged ({len(problems)} faults).", advice="Restore the last backup, or sync anew.")
    console.print("The store is sound.")
