"""`syncd check`: is the configuration right, and do the sources answer?"""

from collections import Counter
from typing import Annotated

import typer

from syncd.cli.app import Json, app, config_path, configured, console, print_json
from syncd.contract.connector import Context
from syncd.errors import ConfigError, SyncdError


@app.command()
def check(
    connect: Annotated[bool, typer.Option("--connect", help="Sign in to each source and read one page.")] = False,
    json: Json = False,
) -> None:
    """Validate the configuration; with --connect, ask each source too."""
    settings = configured(config_path(), secrets=None)
    if missing := settings.console.missing():
        raise ConfigError(*(f"{settings.path}: [console] {line}" for line in missing))
    words = Counter(source.common.people for source in settings.sources.values())
    results = []
    for name, source in settings.sources.items():
        result = {"source": name, "connector": source.common.connector, "ok": True, "found": "the settings are right"}
        if connect:
            connector = source.connect(Context(name))
            try:
                result["found"] = connector.probe()
            except SyncdError as problem:
                result |= {"ok": False, "found": str(problem).removeprefix(f"{name}: ")}
            finally:
                connector.close()
        if source.common.people and words[source.common.people] == 1:
            result["found"] = f'{result["found"]}; it is linked with nobody: no other source has people = "{source.common.people}"'
        results.append(result)
    for name, problems in settings.broken.items():
        told = (mistake.at("(set up in the console)") for mistake in problems)
        results += [{"source": name, "connector": None, "ok": False, "found": line} for line in told]
    if json:
        print_json({"config": str(settings.path), "sources": results})
    else:
        console.print(f"{settings.path}: right, {len(settings.sources)} source(s).", markup=False)
        for result in results:
            console.print(f"  {result['source']}: {result['found']}", markup=False, style=None if result["ok"] else "red")
    raise typer.Exit(0 if all(result["ok"] for result in results) else 1)
