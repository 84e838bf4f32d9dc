"""`syncd init`: a starting configuration, by asking or by options. It never asks for a secret, only for the place of one."""

import os
from pathlib import Path
from typing import Annotated

import typer

from syncd.cli.app import app, configured, console, given_config
from syncd.contract import discovery
from syncd.errors import ConfigError
from syncd.settings import kept
from syncd.settings.file import is_name

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
    """Write a starting configuration (syncd.toml, or the --config file), or add a source to the one that is there."""
    path = given_config() or Path("syncd.toml")
    settings = configured(path) if path.exists() and not force else None
    connector = connector or typer.prompt("Where does the roster come from (clever or oneroster)?", default="clever")
    if connector not in discovery.names():
        raise ConfigError(f"there is no connector {connector!r}; installed are: {', '.join(discovery.names())}")
    name = name or typer.prompt("A short name for the district", default="springfield")
    if not is_name(name):
        raise ConfigError(f"{name!r} can not be a source's name: it has small letters, digits, - and _ only (63 at most).")
    if settings is not None and kept.origin(settings, name) == "console":
        raise ConfigError(f"a source {name} was set up in the console; give this one another name, or `syncd sources export {name}`.")
    if settings is not None and name in settings.sources:
        raise ConfigError(f"{path} has a source {name} already; give this one another name, or overwrite the file with --force.")
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
        f'[sources.{name}]\n{body}schedule  = "every 15 minutes"\nfull      = "0 2 * * *"\n\n'
        f'[sources.{name}.guard]\n# More than this waits for a person.\nmax_deactivations = "5%"\n'
    )
    if settings is None:
        text = f'[store]\nurl = "sqlite:///roster.db"\n\n{text}'
    try:
        how = os.O_TRUNC if settings is None else os.O_APPEND
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o600), "w", encoding="utf-8") as file:
            file.write(text if settings is None else f"\n{text}")
    except OSError as problem:
        raise ConfigError(f"{path} can not be written ({problem.strerror}).") from None
    with_it = f" --config {path}" if given_config() else ""
    verb = "Wrote" if settings is None else f"Added {name} to"
    console.print(f"{verb} {path}. Put the secret into {' and '.join(places.values())}, then:", markup=False)
    for command in ("check --connect", f"sync {name} --dry-run", "serve"):
        console.print(f"  syncd {command}{with_it}", markup=False, highlight=False, soft_wrap=True)
