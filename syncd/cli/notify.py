"""`syncd notify`: whether notices and reports arrive, and what did not."""

import threading
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from syncd.cli.app import Json, app, console, opened, print_json, store
from syncd.errors import ConfigError
from syncd.notices import people, text
from syncd.secret import MissingSecret, Secret
from syncd.store import deliveries
from syncd.store.deliveries import Delivered, Delivery

group = typer.Typer(help="Notices for people and reports for programs: do they arrive?", no_args_is_help=True)
app.add_typer(group, name="notify")


@group.command()
def test(
    source: Annotated[str | None, typer.Option(help="Those who are told of this source.")] = None,
    json: Json = False,
) -> None:
    """Send a test to each address, and say whether it went. The addresses themselves are never shown."""
    configured, _ = opened()
    if source is not None:
        configured.source(source)
    to = configured.notices(source).to
    if not to:
        where = "[notices] to" if source is None else f"[sources.{source}.notices] to"
        raise ConfigError(f"{configured.path}: {where}: names nobody to tell.")
    told = people.People(threading.Event())
    results = [{"number": number, **_tried(told, secret)} for number, secret in enumerate(to, 1)]
    if json:
        print_json({"targets": results})
    else:
        for result in results:
            line = f"{result['number']}: {result['place']}, {result['service'] or 'unknown'}: {result['found']}"
            console.print(Text(line, style="" if result["sent"] else "red"), soft_wrap=True)
    raise typer.Exit(0 if all(result["sent"] for result in results) else 1)


def _tried(told: people.People, secret: Secret) -> dict[str, Any]:
    result: dict[str, Any] = {"place": secret.place, "service": None, "sent": False}
    try:
        result["service"] = people.service(secret)
    except MissingSecret as problem:
        return result | {"found": str(problem)}
    if result["service"] is None:
        return result | {"found": "is no address that Apprise knows (https://appriseit.com lists them)"}
    sent = told.tell(secret, text.trial())
    found = "sent" if sent else "was not taken: check the address, and whether its host can be reached from here"
    return result | {"sent": sent, "found": found}


@group.command("deliveries")
def listed(
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    json: Json = False,
) -> None:
    """What did not arrive, newest first; then what did within the last day."""
    found = deliveries.listed(store(), limit)
    if json:
        print_json({"deliveries": [_shown(delivery) for delivery in found]})
    elif found:
        console.print(_table(found))
        if any(delivery.state == Delivered.DEAD for delivery in found):
            console.print("What was given up can be sent again: syncd notify retry ID")
    else:
        console.print("Nothing was sent within the last day, and nothing waits.")


@group.command()
def retry(
    number: Annotated[int, typer.Argument(metavar="ID", help="A delivery's number, as `syncd notify deliveries` lists it.")],
    json: Json = False,
) -> None:
    """Have a delivery tried again by the daemon: at once, and for another day."""
    delivery = deliveries.again(store(), number, datetime.now(UTC))
    if json:
        print_json(_shown(delivery))
    else:
        console.print(Text(f"Delivery {number} to {delivery.target} waits: the daemon sends it within seconds."), soft_wrap=True)


def _shown(delivery: Delivery) -> dict[str, Any]:
    kept = delivery._asdict()
    return {"id": kept.pop("number"), **{name: value for name, value in kept.items() if name != "body"}}


def _table(found: list[Delivery]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    for name in ("id", "to", "source", "about", "state", "tries", "last answer", "next or last"):
        table.add_column(name, overflow="fold", justify="right" if name in ("id", "tries") else "left")
    for one in found:
        colour = {Delivered.DEAD: "red", Delivered.WAITING: "yellow"}.get(one.state, "")
        state = Text({Delivered.DEAD: "given up"}.get(one.state, one.state.value), style=colour)
        answer = "" if not one.tries else "none" if one.status is None and one.state != Delivered.SENT else str(one.status or "")
        when = f"{one.next_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(str(one.number), one.target, one.source or "·", one.about, state, str(one.tries), answer, when)
    return table
