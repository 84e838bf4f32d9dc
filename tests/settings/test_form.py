"""What the console asks for is told by a connector's own model: ours, and anybody's."""

import enum
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from connectors.clever import CleverConnector
from connectors.oneroster import OneRosterConnector
from syncd.contract.connector import ADVANCED, LEADS_NOWHERE, Connector, ConnectorSettings, Resource, shown_for
from syncd.contract.document import Cursor, Document, Finished, Page, Reading
from syncd.secret import Secret
from syncd.settings import form
from syncd.settings.form import Kind


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Folder(BaseModel):
    """path: where the files lie. password: of the account."""

    path: str = "/roster"
    password: Secret | None = None


class TheirSettings(ConnectorSettings):
    """host: the name of the server.
    port: where it listens. note: for yourself: anything."""

    host: str
    port: int = Field(22, ge=1, le=65535, json_schema_extra={"leads": True})
    key: Secret
    mode: Literal["fast", "slow"] | None = None
    tries: Literal[1, 3] = 3
    colour: Colour = Colour.RED
    share: Annotated[float, Field(ge=0)] = 0.5
    verify: bool = True
    schools: list[str] = Field(default_factory=lambda: ["s-1"], title="Which schools", description="One id a line.")
    note: str = Field("", json_schema_extra=ADVANCED | LEADS_NOWHERE | shown_for(mode=["fast"]))
    folder: Folder = Folder()


class TheirConnector(Connector):
    settings_model = TheirSettings

    def resources(self) -> tuple[Resource, ...]:
        return ()

    def pull(self) -> Iterator[Page | Finished | Cursor]:
        yield from ()

    def read(self, document: Document) -> Reading:
        return Reading()

    def probe(self) -> str:
        return ""


def by_name(connector: type[Connector]) -> dict[str, form.Field]:
    return {field.name: field for field in form.form(connector)}


def test_somebody_elses_connector_needs_no_code_in_the_console() -> None:
    found = by_name(TheirConnector)
    assert {name: field.kind for name, field in found.items()} == {
        "host": Kind.TEXT,
        "port": Kind.NUMBER,
        "key": Kind.SECRET,
        "mode": Kind.CHOICE,
        "tries": Kind.CHOICE,
        "colour": Kind.CHOICE,
        "share": Kind.NUMBER,
        "verify": Kind.FLAG,
        "schools": Kind.LIST,
        "note": Kind.TEXT,
        "folder.path": Kind.TEXT,
        "folder.password": Kind.SECRET,
    }
    assert [name for name, field in found.items() if field.required] == ["host", "key"]
    assert [name for name, field in found.items() if field.leads] == ["host", "port", "schools", "folder.path"]
    assert (found["host"].title, found["host"].help) == ("Host", "the name of the server.")
    assert (found["schools"].title, found["schools"].help, found["schools"].default) == ("Which schools", "One id a line.", ["s-1"])
    assert (found["note"].help, found["note"].advanced, found["note"].shown_for) == ("for yourself: anything.", True, {"mode": ("fast",)})
    assert (found["folder.password"].title, found["folder.password"].help) == ("Password", "of the account.")
    assert (found["port"].default, found["port"].least, found["port"].most) == (22, 1, 65535)
    assert (found["mode"].choices, found["tries"].choices, found["colour"].choices) == (("fast", "slow"), (1, 3), ("red", "blue"))
    assert (found["colour"].default, found["share"].least) == ("red", 0)


def test_what_a_browser_sends_becomes_settings_as_the_file_would_have_them() -> None:
    entered = {
        "host": " sis.example.org ", "port": "2222", "key": "pasted", "mode": "slow", "tries": "1", "colour": "red", "share": "0.25",
        "schools": "s-1\r\n\r\n s-2 ", "note": "", "folder.path": "/roster", "forget.folder.password": "on",
    }  # fmt: skip
    settings, secrets = form.read(form.form(TheirConnector), entered)
    assert settings == {
        "host": "sis.example.org", "port": 2222, "mode": "slow", "tries": 1, "share": 0.25, "verify": False, "schools": ["s-1", "s-2"],
    }  # fmt: skip
    assert secrets == {"key": "pasted", "folder.password": None}
    made = TheirSettings.model_validate(settings | {"key": Secret.kept("pasted")})
    assert made.port == 2222 and made.colour is Colour.RED and made.folder.path == "/roster"
    unchanged, _ = form.read(form.form(TheirConnector), {"verify": "on", "port": "22", "schools": "s-1"})
    assert unchanged == {}
    wrong, _ = form.read(form.form(TheirConnector), {"verify": "on", "port": "ssh", "mode": "warp", "folder.path": "/other"})
    assert wrong == {"port": "ssh", "mode": "warp", "folder": {"path": "/other"}}


def test_a_form_shows_what_there_is_and_keeps_what_it_does_not_ask_for() -> None:
    before = {
        "host": "old.example.org",
        "port": 22,
        "verify": False,
        "folder": {"path": "/other"},
        "guard": {"floor": 9},
        "schools": ["a", "b"],
    }
    fields = by_name(TheirConnector)
    assert {name: form.shown(field, before) for name, field in fields.items()} == {
        "host": "old.example.org", "port": "22", "key": "", "mode": "", "tries": "3", "colour": "red", "share": "0.5", "verify": False,
        "schools": "a\nb", "note": "", "folder.path": "/other", "folder.password": "",
    }  # fmt: skip
    limit = next(field for field in form.common() if field.name == "guard.max_updates")
    assert [form.shown(limit, {"guard": {"max_updates": value}}) for value in (200, ["5%", 200], None)] == ["200", "5% or 200", "75%"]
    for field in (*fields.values(), limit):
        entered = {field.name: str(form.shown(field, before) or "")}
        assert form.read([field], entered, before)[0].get("guard") == {"floor": 9}
    settings, _ = form.read(form.form(TheirConnector), {"host": "new.example.org", "verify": "on"}, before)
    assert settings == {"host": "new.example.org", "guard": {"floor": 9}} and before["host"] == "old.example.org"


def test_what_every_source_has_is_asked_for_the_same_way() -> None:
    common = {field.name: field for field in form.common()}
    assert [name for name, field in common.items() if not field.advanced] == ["schedule", "full", "enabled", "people"]
    assert (common["schedule"].default, common["full"].default, common["enabled"].default) == ("every 15 minutes", "0 2 * * *", True)
    limit = common["guard.max_deactivations"]
    assert (limit.kind, limit.default) == (Kind.LIMIT, "5%") and "vanished school" in limit.help
    assert {"quiet.from", "quiet.to", "retention.inactive_days"} <= common.keys() and not any(field.required for field in common.values())
    for text, value in (("10%", "10%"), ("200", 200), ("5% or 200", ["5%", 200]), ("5%, 200", ["5%", 200]), ("all", "all")):
        settings, _ = form.read([limit], {limit.name: text})
        assert settings == {"guard": {"max_deactivations": value}}
    assert form.read([limit], {limit.name: "5%"}) == ({}, {})


@pytest.mark.parametrize("connector", [CleverConnector, OneRosterConnector])
def test_each_field_of_ours_has_a_title_and_a_help_for_people(connector: type[Connector]) -> None:
    fields = connector.settings_model.model_fields
    assert [name for name, info in fields.items() if not (info.title and info.description)] == []
    assert {name: (field.title, field.help) for name, field in by_name(connector).items()} == {
        name: (info.title, info.description) for name, info in fields.items()
    }


def test_ours_ask_first_for_what_everybody_has_to_give() -> None:
    def asked(connector: type[Connector]) -> dict[str, Any]:
        return {name: field.kind for name, field in by_name(connector).items() if not field.advanced}

    assert asked(CleverConnector) == {
        "token": Kind.SECRET, "client_id": Kind.SECRET, "client_secret": Kind.SECRET, "district": Kind.TEXT, "demographics": Kind.FLAG,
        "events": Kind.FLAG,
    }  # fmt: skip
    assert asked(OneRosterConnector) == {
        "url": Kind.TEXT, "auth": Kind.CHOICE, "token_url": Kind.TEXT, "client_id": Kind.SECRET, "client_secret": Kind.SECRET,
        "token": Kind.SECRET, "demographics": Kind.FLAG,
    }  # fmt: skip
    sis = by_name(OneRosterConnector)
    assert sis["url"].required and sis["token"].shown_for == {"auth": ("bearer",)} and sis["token_url"].shown_for == {"auth": ("oauth2",)}
    assert {name for name, field in sis.items() if field.leads} == {"url", "token_url", "ca_file", "proxy"}
    assert {name for name, field in by_name(CleverConnector).items() if field.leads} == {"url", "token_url", "ca_file", "proxy"}
