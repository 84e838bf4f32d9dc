"""`syncd sandbox`: a pretend district to rehearse with, served as Clever and OneRoster at once."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

import requests
import typer

from syncd.cli.app import app, console
from syncd.errors import ConfigError
from syncd.sandbox import District, Sandbox
from syncd.sandbox import serve as serve_district
from syncd.settings.schedule import Schedule

LOOPBACK = ("127.0.0.1", "::1", "localhost")
USUAL = "http://127.0.0.1:8810"


@app.command()
def sandbox(
    students: Annotated[int, typer.Option(min=1, help="How many students to make up.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same district.")] = 1,
    data: Annotated[Path | None, typer.Option(help="Serve this OneRoster CSV folder instead.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8810,
    host: Annotated[str, typer.Option(help="This very machine only.")] = "127.0.0.1",
    day_every: Annotated[str | None, typer.Option(help='Live a school day every so often, as in "30s".')] = None,
) -> None:
    """Serve a pretend district until Ctrl-C."""
    if host not in LOOPBACK:
        raise ConfigError("the sandbox serves this very machine only: --host 127.0.0.1")
    if data is not None and not data.is_dir():
        raise ConfigError(f"{data} is not a folder.")
    district = District.load(data) if data is not None else District.generate(students=students, seed=seed)
    serve_district(district, host=host, port=port, day_every=_seconds(day_every), on_ready=_told)


@app.command()
def rehearse(
    what: Annotated[str, typer.Argument(help="`day`, or a scenario.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="What can happen.")] = False,
    at: Annotated[str, typer.Option(help="Where the sandbox is served.")] = USUAL,
) -> None:
    """Let something happen at a sandbox that is being served: a school day, a mass removal, a SIS migration."""
    if urlsplit(at).hostname not in LOOPBACK:
        raise ConfigError("a sandbox is served on this very machine only.")
    try:
        if listed or not what:
            found = requests.get(f"{at}/_sandbox/scenarios", timeout=30).json()["scenarios"]
            for name, told in {"day": "A school day passes.", **found}.items():
                console.print(f"{name:<16} {told}", markup=False, highlight=False)
            return
        path = "day" if what == "day" else f"scenarios/{quote(what, safe='')}"
        answer = requests.post(f"{at}/_sandbox/{path}", timeout=300)
        body = answer.json()
    except (requests.RequestException, KeyError, ValueError):
        raise ConfigError(f"no sandbox is served at {at}. Start one with `syncd sandbox`.") from None
    if answer.status_code != 200:
        raise ConfigError(f"{body.get('message')}")
    happened = body["happened"]
    told = happened if isinstance(happened, str) else ", ".join(f"{count} {kind}" for kind, count in happened.items())
    console.print(f"Happened: {told}.", markup=False, highlight=False)


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    words = text.strip().removesuffix("s")
    try:
        return float(words) if words != text.strip() or words.isdigit() else float(Schedule(f"every {text}").seconds or 0)
    except ValueError:
        raise ConfigError('--day-every takes a time such as "30s" or "5 minutes".') from None


def _told(served: Sandbox) -> None:
    at = "" if served.url == USUAL else f" --at {served.url}"
    console.print(
        f"""A pretend district is served at {served.url} (Ctrl-C ends it). Its keys are no secrets:

  export SANDBOX_TOKEN={served.token} SANDBOX_ID={served.client_id} SANDBOX_SECRET={served.client_secret}

[sources.clever]
connector = "clever"
url       = "{served.clever_url}"
token     = {{ env = "SANDBOX_TOKEN" }}

[sources.oneroster]
connector     = "oneroster"
url           = "{served.oneroster_12_url}"
version       = "1.2"
token_url     = "{served.token_url}"
client_id     = {{ env = "SANDBOX_ID" }}
client_secret = {{ env = "SANDBOX_SECRET" }}

A school day passes with:  syncd rehearse day{at}
What else can happen:      syncd rehearse --list{at}""",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
