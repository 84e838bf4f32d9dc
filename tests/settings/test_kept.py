"""Sources that are set up in the console: kept in the store, their secrets sealed, the others unharmed by one that is wrong."""

import io
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict, Field, field_validator
from sqlalchemy import select, text, update

from connectors.clever import CleverConnector
from syncd.contract import discovery
from syncd.contract.connector import LEADS_NOWHERE, ConnectorSettings, Context
from syncd.daemon import breaker
from syncd.daemon.configuration import Configuration
from syncd.errors import BadAnswer, ConfigError
from syncd.report import State
from syncd.secret import MissingSecret, Secret
from syncd.settings import kept, vault
from syncd.settings.file import Settings, load
from syncd.store import Store, configured, keyfile, open_store, runs
from syncd.store.tables import configured as table
from tests import stores
from tests.commands import syncd
from tests.faults.test_slowed_down import ended

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
TOKEN, CLIENT, SECRET = "pastedtoken8Hq2Vx", "pastedclient5Tr1Lm", "pastedsecret3Kw9Zp"
CLEVER = {"connector": "clever", "full": "0 3 * * *"}
SIS = {"connector": "oneroster", "url": "https://sis.example.org/ims/oneroster/v1p1", "token_url": "https://sis.example.org/oauth/token"}
PASTED = {"client_id": CLIENT, "client_secret": SECRET}


class Console:
    """A district's installation, and what somebody does in its console."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "syncd.toml"
        self.store: Store = open_store(stores.url(folder))
        self.configure("")

    def configure(self, more: str) -> None:
        self.config.write_text(f'{more}\n[store]\nurl = "{stores.url(self.folder)}"\n')

    @property
    def settings(self) -> Settings:
        return kept.complete(load(self.config), self.store)

    def version(self, name: str) -> int | None:
        return next((one.version for one in kept.listed(self.store) if one.source == name), None)

    def save(self, name: str, entered: dict[str, Any], secrets: dict[str, str | None] | None = None, **options: Any) -> list[str]:
        options = {"by": "lisa", "at": AT, "seen": self.version(name)} | options
        return [str(mistake) for mistake in kept.save(self.settings, self.store, name, entered, secrets or {}, **options)]

    def secret(self, name: str, key: str) -> str:
        found: str = getattr(self.settings.source(name).own, key).reveal()
        return found

    def tamper(self, name: str, **columns: Any) -> None:
        """What somebody does who can write to the database."""
        with self.store.write() as connection:
            connection.execute(update(table).where(table.c.source == name).values(**columns))

    def bytes(self) -> bytes:
        """All that lies in the database of these sources: of a file, all of its bytes."""
        with self.store.read() as connection:
            rows = connection.execute(select(table)).all()
        return repr(rows).encode() + b"".join(file.read_bytes() for file in self.folder.glob("roster.db*") if file.suffix != ".key")


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    made = Console(tmp_path)
    with closing(made.store):
        yield made


def test_a_pasted_secret_is_used_and_is_nowhere_to_be_seen(console: Console, strict_logs: io.StringIO) -> None:
    assert console.save("springfield", CLEVER, {"token": f" {TOKEN}\n"}) == []
    assert console.save("shelbyville", SIS, PASTED) == []
    assert console.secret("springfield", "token") == TOKEN
    assert (console.secret("shelbyville", "client_id"), console.secret("shelbyville", "client_secret")) == (CLIENT, SECRET)
    settings = console.settings
    assert {name: kept.origin(settings, name) for name in settings.sources} == {"springfield": "console", "shelbyville": "console"}
    shown = [repr(one) for one in kept.listed(console.store)] + [
        repr(settings.source("springfield").own),
        settings.source("springfield").reader,
    ]
    shown.append(strict_logs.getvalue())
    shown += [
        str(console.save("ogdenville", {**CLEVER, "colour": 3, "district": 7}, {"token": TOKEN, "client_id": CLIENT, "nonsense": SECRET}))
    ]
    for arguments in (["sources"], ["sources", "--json"], ["check"], ["check", "--json"], ["status"], ["sources", "export", "shelbyville"]):
        shown.append("".join(map(str, syncd(console.config, *arguments))))
    key = keyfile.path(console.store).read_text().strip()
    held = console.bytes()
    for word in (TOKEN, CLIENT, SECRET, key):
        assert word not in "\n".join(shown) and word.encode() not in held
    assert "kept in the store" in shown[2] and b"sis.example.org" in held


def test_a_secret_left_empty_stays_one_that_is_dropped_goes(console: Console) -> None:
    assert console.save("springfield", CLEVER, {"token": TOKEN}) == []
    assert console.save("springfield", {**CLEVER, "page_size": 500}, {"token": ""}) == []
    assert console.secret("springfield", "token") == TOKEN
    by_client = {"client_id": CLIENT, "client_secret": SECRET}
    assert console.save("springfield", CLEVER, by_client) == ["give either token, or client_id and client_secret, not both"]
    assert console.save("springfield", CLEVER, by_client | {"token": None}) == []
    assert kept.listed(console.store)[0].secrets == ("client_id", "client_secret")
    assert console.save("springfield", {"connector": "oneroster", **SIS, "auth": "bearer"}) == ['auth = "bearer" needs token']


ELSEWHERE = (
    {"url": "https://evil.example.com/ims/oneroster/v1p1"},
    {"url": "https://sis.example.org:8443/ims/oneroster/v1p1"},
    {"token_url": "https://evil.example.com/oauth/token"},
    {"proxy": "http://evil.example.com:3128"},
    {"ca_file": "/tmp/evil.pem"},
)


def test_who_leads_a_source_elsewhere_has_to_enter_its_secrets_anew(console: Console) -> None:
    assert console.save("shelbyville", SIS, PASTED) == []
    for elsewhere in ELSEWHERE:
        told = console.save("shelbyville", SIS | elsewhere, {"client_id": "another-id"})
        assert len(told) == 1 and told[0].startswith("client_secret: goes to another address than before: enter it anew"), elsewhere
        assert console.save("shelbyville", SIS | elsewhere, {}), "nor with both left empty"
    assert kept.listed(console.store)[0].settings == SIS
    assert console.save("shelbyville", SIS | ELSEWHERE[0], {"client_id": "another-id", "client_secret": "another-secret"}) == []
    assert console.secret("shelbyville", "client_secret") == "another-secret"


def test_what_leads_nowhere_else_asks_for_no_secret(console: Console) -> None:
    assert console.save("shelbyville", SIS, PASTED) == []
    same_host = {
        "url": "https://SIS.example.org/ims/oneroster/v1p2",
        "scope": ["roster.readonly"],
        "page_size": 100,
        "people": "shelbyville",
    }
    assert console.save("shelbyville", SIS | same_host) == []
    assert console.secret("shelbyville", "client_secret") == SECRET


class TheirSettings(ConnectorSettings):
    """A connector that takes its address under two names, takes more than it says, and is not careful."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)
    server: str = Field(alias="host")
    note: str = Field("", json_schema_extra=LEADS_NOWHERE)
    password: Secret

    @field_validator("note")
    @classmethod
    def _careless(cls, value: str) -> str:
        return value or {}["note"]


class TheirConnector(CleverConnector):
    settings_model = TheirSettings


def test_somebody_elses_connector_is_as_safe_and_harms_nobody_else(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = discovery.find
    monkeypatch.setattr(discovery, "find", lambda name: TheirConnector if name == "theirs" else ours(name))
    theirs = {"connector": "theirs", "host": "sftp.example.org"}
    assert console.save("ogdenville", theirs, {"password": SECRET}) == []
    assert console.save("springfield", CLEVER, {"token": TOKEN}) == []
    assert console.save("ogdenville", theirs | {"note": "ours", "schedule": "every 2 hours"}) == []
    for elsewhere in (
        {"connector": "theirs", "server": "evil.example.com"},
        theirs | {"host": "evil.example.com"},
        theirs | {"relay": "evil.example.com"},
        theirs | {"relay": {"host": ["evil.example.com"]}},
    ):
        assert console.save("ogdenville", elsewhere)[0].startswith("password: goes to another address than before"), elsewhere
    assert console.secret("ogdenville", "password") == SECRET
    console.tamper("ogdenville", settings=theirs | {"note": ""})
    assert list(console.settings.sources) == ["springfield"]
    told = "source ogdenville (set up in the console): its settings can not be read (KeyError)"
    assert console.settings.problems("ogdenville") == [told]
    assert console.save("shelbyville", theirs | {"note": ""}, {"password": SECRET}) == ["its settings can not be read (KeyError)"]


def test_who_can_write_to_the_database_can_not_lead_a_secret_elsewhere(console: Console) -> None:
    assert console.save("shelbyville", SIS, PASTED) == []
    assert console.save("ogdenville", {**SIS, "auth": "bearer", "url": "https://evil.example.com/v1p1"}, {"token": "of-evil"}) == []
    [ogdenville, shelbyville] = configured.rows(console.store)
    console.tamper("shelbyville", settings=SIS | {"token_url": "https://evil.example.com/token"})
    told = console.settings.problems("shelbyville")
    assert [line.split(": ")[:2] for line in told] == [
        ["source shelbyville (set up in the console) client_id", "can not be opened with the key that is there"],
        ["source shelbyville (set up in the console) client_secret", "can not be opened with the key that is there"],
    ]
    console.tamper("shelbyville", settings=SIS)
    console.tamper("ogdenville", sealed={"token": shelbyville.sealed["client_secret"]})
    assert list(console.settings.broken) == ["ogdenville"]
    console.tamper(
        "shelbyville", sealed={"client_id": shelbyville.sealed["client_secret"], "client_secret": shelbyville.sealed["client_id"]}
    )
    assert list(console.settings.broken) == ["ogdenville", "shelbyville"]


@pytest.mark.fault("S12")
def test_it_is_not_asked_inside_the_network_but_where_the_administrator_allows_it(console: Console) -> None:
    at_home = CLEVER | {"url": "http://127.0.0.1:9/"}
    assert console.save("springfield", at_home, {"token": TOKEN}) == []
    console.configure('[console]\nnetworks = ["10.0.0.0/8"]')
    source = console.settings.source("springfield")
    with closing(source.connect(Context("springfield"))) as connector, pytest.raises(BadAnswer, match=r"inside.*\[console\] networks"):
        connector.probe()
    console.configure('[console]\nnetworks = ["127.0.0.0/8", "fd00::/8"]')
    context = Context("springfield")
    console.settings.source("springfield").connect(context).close()
    assert context.networks == (ip_network("127.0.0.0/8"), ip_network("fd00::/8"))


def test_a_place_of_the_server_can_not_be_named_for_a_secret(console: Console) -> None:
    told = "token: is a secret: it is pasted as one, and may not stand among the settings"
    places: list[Any] = [{"env": "HOME"}, {"file": "/etc/passwd"}, {"credential": "springfield"}, TOKEN, [TOKEN]]
    for place in places:
        assert console.save("springfield", CLEVER | {"token": place}) == [told]
    assert console.save("springfield", CLEVER, {"token": TOKEN}) == []
    for place in places:
        console.tamper("springfield", settings=CLEVER | {"client_id": place})
        assert console.settings.problems("springfield") == [
            f"source springfield (set up in the console) {told.replace('token', 'client_id')}"
        ]


def test_mistakes_are_told_by_field_as_those_of_the_file(console: Console) -> None:
    wrong = {"connector": "clever", "schedule": "now and then", "guard": {"max_deactivations": "all"}}
    found = kept.save(console.settings, console.store, "springfield", wrong, {"token": TOKEN}, by="lisa", at=AT)
    assert [(one.key, one.words.split(":")[0]) for one in found] == [
        ("schedule", "is no schedule"),
        ("guard.max_deactivations", 'write a percentage such as "5%", a count such as 200, or both as in ["5%", 200]'),
    ]
    assert console.save("springfield", CLEVER | {"page_size": "many", "colour": 1}, {"token": TOKEN}) == [
        "page_size: must be a whole number",
        "colour: is not a key that is known here",
    ]
    assert console.save("springfield", {"connector": "cleverer"})[0].startswith("connector: there is no connector 'cleverer'")
    assert console.save("springfield", CLEVER) == ["needs token, or client_id and client_secret"]
    assert console.save("my school", CLEVER, {"token": TOKEN})[0].startswith("name: has small letters")
    assert console.save("springfield", CLEVER, {"token": TOKEN, "password": "x"}) == ["password: is no secret of this connector"]
    assert kept.listed(console.store) == [] and not keyfile.path(console.store).exists()


# ── the key ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_key_is_made_when_it_is_first_needed_and_is_its_owners_alone(console: Console) -> None:
    key = keyfile.path(console.store)
    assert console.settings.sources == {} and not key.exists()
    assert console.save("springfield", CLEVER, {"token": TOKEN}) == []
    assert key.stat().st_mode & 0o777 == 0o600
    first = key.read_bytes()
    keyfile.make(console.store, vault.new_key())
    assert key.read_bytes() == first, "who comes second takes the first one's"
    assert [file.name for file in console.folder.iterdir() if file.name.startswith(".")] == []


def test_a_lost_key_costs_the_secrets_and_nothing_else(console: Console) -> None:
    console.configure('[sources.capital]\nconnector = "clever"\ntoken = { env = "PATH" }')
    assert console.save("springfield", CLEVER, {"token": TOKEN}) == []
    assert console.save("shelbyville", SIS, PASTED) == []
    key = keyfile.path(console.store)
    key.unlink()
    settings = console.settings
    assert list(settings.sources) == ["capital"]
    assert settings.problems("springfield") == [
        f"source springfield (set up in the console): its secrets can not be opened (the key {key} is not there): "
        "enter them again, or bring back the key",
    ]
    assert not key.exists(), "who only looks makes no key"
    checked = syncd(console.config, "check")
    assert (
        checked.code == 1
        and "capital: the settings are right" in checked.out
        and "springfield: (set up in the console): its secrets can not be opened" in checked.out
    )
    refused = syncd(console.config, "sync", "springfield")
    assert refused.code == 2 and "enter them again" in refused.err
    assert "capital" in syncd(console.config, "status").out and "left out" not in syncd(console.config, "status").out
    assert console.save("springfield", CLEVER, {"token": ""}) == ["token: can not be opened with the key that is there: enter it again"]
    assert console.save("springfield", CLEVER, {"token": "entered-again"}) == []
    assert console.secret("springfield", "token") == "entered-again"
    assert list(console.settings.broken) == ["shelbyville"]


def test_one_key_takes_the_place_of_another(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    console.configure('[console]\nkey = { env = "CONSOLE_KEY" }')
    old, new = vault.new_key(), syncd(console.config, "db", "new-key").out.strip()
    monkeypatch.setenv("CONSOLE_KEY", old)
    assert console.save("springfield", CLEVER, {"token": TOKEN}) == []
    assert console.save("shelbyville", SIS, PASTED) == []
    assert not keyfile.path(console.store).exists()
    monkeypatch.setenv("CONSOLE_KEY", f"{new}\n{old}")
    assert console.secret("springfield", "token") == TOKEN
    done = syncd(console.config, "db", "reseal")
    assert done.code == 0 and "3 secret(s)" in done.out
    monkeypatch.setenv("CONSOLE_KEY", new)
    assert console.secret("springfield", "token") == TOKEN and console.secret("shelbyville", "client_secret") == SECRET
    assert {one.changed_by for one in kept.listed(console.store)} == {"lisa"}
    monkeypatch.setenv("CONSOLE_KEY", old)
    assert list(console.settings.broken) == ["shelbyville", "springfield"]
    done = syncd(console.config, "db", "reseal")
    assert done.code == 1 and "shelbyville, springfield: has a secret that no key opens" in done.err
    monkeypatch.setenv("CONSOLE_KEY", "no-key-at-all")
    assert "[console] key: is no key; `syncd db new-key` makes one" in console.settings.problems("springfield")[0]
    monkeypatch.delenv("CONSOLE_KEY")
    with pytest.raises(ConfigError, match=r"\[console\] key: the environment variable CONSOLE_KEY is not set"):
        load(console.config)


def test_several_machines_need_a_key_that_all_of_them_have(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    together = '[cluster]\nenabled = true\n[store]\nurl = "postgresql://localhost/roster"\n'
    console.config.write_text(together)
    told = console.save("springfield", CLEVER, {"token": TOKEN})
    assert len(told) == 1 and "[console] key: is needed where several machines share a store" in told[0] and "`syncd db new-key`" in told[0]
    assert kept.listed(console.store) == [] and not keyfile.path(console.store).exists()
    console.config.write_text(together + '[console]\nkey = { env = "CONSOLE_KEY" }\n')
    monkeypatch.setenv("CONSOLE_KEY", vault.new_key())
    assert console.save("springfield", CLEVER, {"token": TOKEN}) == []
    assert console.secret("springfield", "token") == TOKEN


@pytest.mark.file
def test_a_store_that_moves_takes_its_key_along(console: Console) -> None:
    assert console.save("springfield", CLEVER, {"token": TOKEN}) == []
    url = stores.server().fresh()
    with closing(open_store(url)) as new:
        keyfile.make(new, other := vault.new_key())
        assert syncd(console.config, "db", "migrate", "--to", url).code == 0
        console.config.write_text(f'[store]\nurl = "{url}"\n')
        moved = kept.complete(load(console.config), new)
        assert moved.source("springfield").own.token.reveal() == TOKEN
        assert keyfile.path(new).read_text().split() == [other, *keyfile.path(console.store).read_text().split()]
        assert keyfile.path(new).stat().st_mode & 0o777 == 0o600


# ── beside others ─────────────────────────────────────────────────────────────────────────────────────


def test_the_file_comes_first(console: Console) -> None:
    assert console.save("springfield", CLEVER, {"token": TOKEN}) == []
    console.configure('[sources.springfield]\nconnector = "clever"\ntoken = { env = "PATH" }\nenabled = false')
    settings = console.settings
    assert kept.origin(settings, "springfield") == "file" and not settings.source("springfield").common.enabled
    told = console.save("springfield", CLEVER, {"token": TOKEN})
    assert len(told) == 1 and told[0].startswith("name: stands in syncd.toml, which is the administrator's")
    listed = syncd(console.config, "sources").out
    assert "source springfield (set up in the console): stands in syncd.toml too, which wins" in listed
    refused = syncd(console.config, "init", "--connector", "clever", "--name", "springfield")
    assert refused.code == 2 and "has a source springfield already" in refused.err
    console.configure("")
    refused = syncd(console.config, "init", "--connector", "clever", "--name", "springfield")
    assert refused.code == 2 and "a source springfield was set up in the console" in refused.err


def test_one_that_is_wrong_keeps_no_other_from_working_and_nothing_of_it_is_purged(console: Console, strict_logs: io.StringIO) -> None:
    retention = "[retention]\ninactive_days = 30\n"
    console.configure(f'{retention}[sources.capital]\nconnector = "clever"\ntoken = {{ env = "PATH" }}')
    for name in ("ogdenville", "shelbyville", "springfield"):
        assert console.save(name, CLEVER | {"retention": {"inactive_days": 1825}}, {"token": TOKEN}) == []
    console.tamper("ogdenville", settings={"connector": "gone"})
    console.tamper("shelbyville", settings=CLEVER | {"colour": "red"})
    configuration = Configuration(console.config, load(console.config), console.store)
    settings = configuration.settings
    assert list(settings.sources) == ["capital", "springfield"] and list(settings.broken) == ["ogdenville", "shelbyville"]
    told = "source shelbyville (set up in the console) colour: is not a key that is known here"
    assert told in strict_logs.getvalue() and "there is no connector 'gone'" in strict_logs.getvalue()
    assert told in syncd(console.config, "status").out and told in syncd(console.config, "sources").out
    assert [settings.retention(name) for name in ("capital", "springfield", "shelbyville")] == [
        {"inactive_days": 30},
        {"inactive_days": 1825},
        {},
    ]
    with pytest.raises(ConfigError, match="colour: is not a key"):
        settings.source("shelbyville")
    done = syncd(console.config, "check", "--json")
    assert done.code == 1 and '"springfield"' in done.out


def test_who_only_looks_needs_no_key(console: Console) -> None:
    assert console.save("springfield", CLEVER, {"token": TOKEN}) == []
    keyfile.path(console.store).unlink()
    settings = kept.complete(load(console.config, secrets=()), console.store, secrets=())
    assert settings.source("springfield").common.full.text == "0 3 * * *"
    with pytest.raises(MissingSecret, match="kept in the store, and was not opened"):
        settings.source("springfield").own.token.reveal()
    for command in (
        ["status"],
        ["roster", "users", "--source", "springfield"],
        ["quarantine", "springfield"],
        ["db", "purge", "--dry-run"],
    ):
        assert syncd(console.config, *command).code == 0


def test_nobody_overwrites_what_another_has_changed_meanwhile(console: Console) -> None:
    assert console.save("springfield", CLEVER, {"token": TOKEN}) == []
    seen = console.version("springfield")
    assert console.save("springfield", CLEVER | {"page_size": 500}, by="bart", seen=seen) == []
    assert console.save("springfield", CLEVER, seen=seen) == ["was changed meanwhile by bart: look at it as it is now, and change it again"]
    assert console.save("springfield", CLEVER, seen=None) == ["name: is that of a source that was set up in the console already"]
    assert not configured.write(console.store, "springfield", {}, {}, at=AT, by="x", seen=seen)
    assert kept.listed(console.store)[0].settings == CLEVER | {"page_size": 500}


def test_each_change_is_a_new_version_also_when_one_goes_and_another_comes(console: Console) -> None:
    seen = [kept.version(console.store)]
    for step in (
        lambda: console.save("springfield", CLEVER, {"token": TOKEN}),
        lambda: console.save("shelbyville", SIS, PASTED),
        lambda: kept.remove(console.store, "shelbyville", by="lisa", at=AT),
        lambda: console.save("ogdenville", SIS, PASTED),
        lambda: kept.remove(console.store, "ogdenville", by="lisa", at=AT),
        lambda: console.save("ogdenville", SIS, PASTED),
    ):
        assert step() in ([], None)
        seen.append(kept.version(console.store))
    assert seen == sorted(set(seen))
    assert [row.sealed for row in configured.rows(console.store) if row.settings is None] == [{}], "what is gone has no secret left"
    assert [one.source for one in kept.listed(console.store)] == ["ogdenville", "springfield"]
    with pytest.raises(ConfigError, match="no source 'shelbyville' was set up in the console"):
        kept.remove(console.store, "shelbyville", by="lisa", at=AT)
    assert console.save("shelbyville", SIS) == ['auth = "oauth2" needs client_id and client_secret'], "its secrets went with it"


def test_a_process_takes_over_what_is_new_and_only_then(console: Console) -> None:
    configuration = Configuration(console.config, load(console.config), console.store)
    assert not configuration.look()
    assert console.save("springfield", CLEVER, {"token": TOKEN}) == []
    assert configuration.look() and list(configuration.settings.sources) == ["springfield"]
    before = configuration.settings
    assert not configuration.look() and configuration.settings is before
    console.config.write_text("this is not toml")
    assert not configuration.reload() and configuration.settings is before
    console.configure('[sources.capital]\nconnector = "clever"\ntoken = { env = "PATH" }')
    assert configuration.reload() and list(configuration.settings.sources) == ["capital", "springfield"]
    kept.remove(console.store, "springfield", by="lisa", at=AT)
    with console.store.write() as connection:
        connection.execute(text("ALTER TABLE configured RENAME TO away"))
    assert not configuration.look() and "springfield" in configuration.settings.sources, "a store that is away has told nothing"
    with console.store.write() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO configured"))
    assert configuration.look() and list(configuration.settings.sources) == ["capital"]


def test_a_source_that_is_left_alone_is_tried_again_once_somebody_has_changed_it(console: Console) -> None:
    now = datetime.now(UTC)
    for _ in range(3):
        ended(console.store, State.FAILED, at=now - timedelta(minutes=1), error="refused the credentials (401)")
    pulls = runs.latest_pulls(console.store, "springfield")
    assert breaker.suspicion(pulls, now).until is not None
    assert breaker.suspicion(pulls, now, now - timedelta(hours=1)).until is not None
    assert breaker.suspicion(pulls, now, now) == (0, 0, None)


def test_what_is_set_up_in_the_console_moves_into_the_file(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    own = SIS | {"guard": {"max_deactivations": ["5%", 200], "users": {"floor": 9}}, "enabled": False}
    own |= {"people": "shelbyville", "scope": ["a\\b", 'c"d\n'], "quiet": {"from": "2027-06-10", "to": "2027-08-25"}}
    assert console.save("shelby-ville", own, PASTED) == []
    before = console.settings.source("shelby-ville")
    printed = syncd(console.config, "sources", "export", "shelby-ville").out
    assert syncd(console.config, "sources", "remove", "shelby-ville").code == 0
    assert console.settings.sources == {}
    console.configure(printed)
    for name, value in (("SHELBY_VILLE_CLIENT_ID", CLIENT), ("SHELBY_VILLE_CLIENT_SECRET", SECRET)):
        monkeypatch.setenv(name, value)
    after = console.settings.source("shelby-ville")
    assert after.common == before.common and console.secret("shelby-ville", "client_secret") == SECRET
    assert after.own.model_dump(exclude={"client_id", "client_secret"}) == before.own.model_dump(exclude={"client_id", "client_secret"})
    assert syncd(console.config, "sources", "export", "shelby-ville").code == 2
