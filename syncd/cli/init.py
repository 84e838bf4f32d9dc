"""`syncd init`: a starting configuration, by asking or by options. It never asks for a secret, only for the place of one."""

import os
from pathlib import Path
from typing import Annotated

import typer

from syncd.cli.app import app, console, given_config
from syncd.contract import discovery
from syncd.errors import ConfigError

CLEVER = """connector = "clever"
# The district's token. A secret never stands in this file: { env = "…" }, { file = "…" } or { credential = "…" } (systemd).
token     = {secret}
version   = "3.1"
"""

ONEROSTER = """connector     = "oneroster"
# The whole address of the rostering service, as the SIS shows it.
url           = "{url}"
version       = "auto"
auth          = "oauth2"
token_url     = "{token_url}"
# A secret never stands in this file: { env = "…" }, { file = "…" } or { credential = "…" } (systemd).
client_id     = {id}
client_secret = {secret}
"""


@app.command()
def init(
    name: Annotated[str | None, typer.Option(help="The source's name, as in springfield.")] = None,
    connector: Annotated[str | None, typer.Option(help="clever or oneroster.")] = None,
    url: Annotated[str | None, typer.Option(help="OneRoster: the service's whole address.")] = None,
    token_url: Annotated[str | None, typer.Option(help="OneRoster: where tokens are asked for.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a starting configuration (syncd.toml, or the --config file)."""
    path = given_config() or Path("syncd.toml")
    if path.exists() and not force:
        raise ConfigError(f"{path} is there already; --force overwrites it.")
    connector = connector or typer.prompt("Where does the roster come from (clever or oneroster)?", default="clever")
    if connector not in discovery.names():
        raise ConfigError(f"there is no connector {connector!r}; installed are: {', '.join(discovery.names())}")
    name = name or typer.prompt("A short name for the district", default="springfield")
    variable = name.upper().replace("-", "_")
    if connector == "oneroster":
        url = url or typer.prompt("The address of its OneRoster service (https://…)")
        token_url = token_url or typer.prompt("The address where tokens are asked for (https://…)")
        body = ONEROSTER.replace("{url}", url).replace("{token_url}", token_url)
        places = {"id": f"{variable}_ID", "secret": f"{variable}_SECRET"}
    else:
        body, places = CLEVER, {"secret": f"{variable}_TOKEN"}
    for mark, place in places.items():
        body = body.replace(f"{{{mark}}}", f'{{ env = "{place}" }}')
    text = (
        '[store]\nurl = "sqlite:///roster.db"\n\n'
        f'[sources.{name}]\n{body}schedule  = "every 15 minutes"\nfull      = "0 2 * * *"\n\n'
        f'[sources.{name}.guard]\n# More than this waits for a person.\nmax_deactivations = "5%"\n'
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    console.print(f"Wrote {path}. Put the secret into {' and '.join(places.values())}, then:", markup=False)
    console.print("  syncd check --connect", f"  syncd sync {name} --dry-run", "  syncd serve", sep="\n", markup=False)
