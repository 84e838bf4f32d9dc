"""`[console]`: what is open to others is closed by TLS, and only known names are answered."""

from pathlib import Path

import pytest

from syncd.errors import ConfigError
from syncd.settings.console import ConsoleSettings
from syncd.settings.file import load
from tests.commands import syncd

OIDC = '[console.oidc]\nissuer = "https://login.example.org"\nclient_id = "syncd"\nclient_secret = { env = "OIDC_SECRET" }\n'


def console(folder: Path, text: str) -> ConsoleSettings:
    config = folder / "syncd.toml"
    config.write_text(text)
    return load(config).console


def test_without_a_word_it_is_served_to_this_very_machine(tmp_path: Path) -> None:
    found = console(tmp_path, "")
    assert (found.enabled, found.host, found.port, found.url, found.key) == (True, "127.0.0.1", 8420, None, None)
    assert found.names == {"127.0.0.1", "localhost", "::1"} and found.missing() == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('host = "0.0.0.0"', 'console: host = "0.0.0.0" is reached from other machines: give certificate and private_key (TLS), or say'),
        ('host = "syncd.example.org"', "is reached from other machines"),
        ('host = "0.0.0.0"\ncertificate = "a.pem"', "console: certificate and private_key go together"),
        ('url = "http://syncd.example.org"', "console.url: must begin with https:// (plain http only for this very machine)"),
        ('url = "https://syncd.example.org/console"', "console.url: is the console's own address, without a path"),
        ('url = "https://"', "console.url: must begin with https://"),
        ('hosts = ["https://syncd.example.org"]', 'console.hosts.0: write names of hosts alone, as in "syncd.example.org"'),
        ("port = 70000", "console.port: must be less than or equal to 65535"),
        ('key = "hunter2hunter2"', "console.key: a secret may not stand in the file"),
        (OIDC, "console: oidc needs url: the provider sends people back to it"),
        (OIDC.replace("https://login", "http://login"), "console.oidc.issuer: must begin with https://"),
        (OIDC + 'roles = { "all" = "king" }', "console.oidc.roles.all: must be 'viewer', 'operator' or 'admin'"),
        (OIDC + 'scopes = ["email"]', 'console.oidc.scopes: must have "openid" among them'),
    ],
)
def test_a_mistake_is_told_in_one_line(text: str, told: str, tmp_path: Path) -> None:
    head = "" if text.startswith("[") else "[console]\n"
    with pytest.raises(ConfigError) as refused:
        console(tmp_path, head + text)
    assert len(refused.value.problems) == 1 and told in refused.value.problems[0] and "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        'host = "0.0.0.0"\nbehind_proxy = true',
        'host = "::1"',
        'host = "localhost"',
        'host = "127.0.0.9"',
        'host = "0.0.0.0"\nenabled = false',
    ],
)
def test_what_is_closed_otherwise_needs_no_tls_of_its_own(text: str, tmp_path: Path) -> None:
    assert console(tmp_path, f"[console]\n{text}").certificate is None


def test_it_answers_to_its_own_names_only(tmp_path: Path) -> None:
    named = 'url = "https://Syncd.example.org:8443/"\nhosts = ["Syncd.Internal", "10.0.0.5", "fe80::1"]'
    text = f'[console]\nbehind_proxy = true\n{named}\nhost = "{{}}"'
    assert console(tmp_path, text.format("0.0.0.0")).names == {"syncd.example.org", "syncd.internal", "10.0.0.5", "fe80::1"}
    assert console(tmp_path, text.format("roster.example.org")).names >= {"syncd.example.org", "roster.example.org"}


def test_files_and_secrets_that_it_needs_are_looked_for_where_it_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f'[console]\nurl = "https://syncd.example.org"\ncertificate = "tls.pem"\nprivate_key = "/nowhere/tls.key"\n{OIDC}'
    found = console(tmp_path, text)
    assert (found.certificate, found.private_key) == (tmp_path / "tls.pem", Path("/nowhere/tls.key"))
    assert found.missing() == [
        f"certificate: file {tmp_path}/tls.pem can not be read (FileNotFoundError)",
        "private_key: file /nowhere/tls.key can not be read (FileNotFoundError)",
        "oidc.client_secret: the environment variable OIDC_SECRET is not set",
    ]
    for command in ("check", "serve"):
        refused = syncd(tmp_path / "syncd.toml", command)
        assert refused.code == 2 and "[console] private_key: file /nowhere/tls.key can not be read" in refused.err
    (tmp_path / "tls.pem").write_text("certificate")
    key = tmp_path / "tls.key"
    key.write_text("private key")
    monkeypatch.setenv("OIDC_SECRET", "something")
    assert console(tmp_path, text.replace("/nowhere/tls.key", "tls.key")).missing() == []
