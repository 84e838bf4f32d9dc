"""`syncd account` and `syncd audit` as an administrator meets them."""

import json
import os
import pty
import re
import select
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import insert

from syncd import password
from syncd.account import Account, Accounts, Clients, Entry, NewClient, NewToken, Token, Tokens, of_system
from syncd.sandbox import District, running
from syncd.store import accounts, open_store
from syncd.store.tables import ROSTER
from tests import stores
from tests.commands import Commands, Ended, syncd

PASSWORD = "purple monkey dishwasher"
Command = Callable[..., Ended]


def entries_of(printed: str) -> list[Entry]:
    """What `syncd audit --json` told."""
    return [Entry.model_validate(one) for one in json.loads(printed)["entries"]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """syncd, with what stdin says."""
    monkeypatch.setattr(password, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    monkeypatch.setenv("T", "a-token-for-tests")
    config = tmp_path / "syncd.toml"
    source = 'connector = "clever"\nurl = "http://127.0.0.1:9"\ntoken = { env = "T" }'
    config.write_text(f'[store]\nurl = "{stores.url(tmp_path)}"\n[sources.springfield]\n{source}\n')

    def run(*arguments: str, stdin: str = "") -> Ended:
        read, write = os.pipe()
        os.write(write, stdin.encode())
        os.close(write)
        with os.fdopen(read) as typed, pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", typed)
            return syncd(config, *arguments)

    return run


def test_an_account_is_made_changed_and_removed_and_the_log_tells_who_did_that(command: Command) -> None:
    assert "No account yet" in command("account", "list").out
    made = command("account", "add", "Skinner", "--role", "admin", "--password-stdin", "--json", stdin=f"{PASSWORD}\r\nmore\n")
    told = Account.model_validate_json(made.out)
    assert (told.name, told.role, told.password, told.created_by) == ("skinner", "admin", True, of_system())
    done = command("account", "add", "chalmers", "--role", "viewer", "--sso")
    assert done.out == "chalmers (viewer) may sign in by single sign-on.\n"
    assert "chalmers (operator)" in command("account", "role", "chalmers", "operator").out
    assert "with a password" in command("account", "password", "chalmers", "--password-stdin", stdin=PASSWORD).out
    assert "chalmers (operator) is disabled" in command("account", "disable", "chalmers").out
    shown = command("account", "list").out
    assert "skinner" in shown and "disabled" in shown and "never" in shown
    assert "may sign in" in command("account", "enable", "chalmers").out
    assert command("account", "remove", "chalmers").out == "chalmers is removed.\n"
    left = Accounts.model_validate_json(command("account", "list", "--json").out)
    assert [one.name for one in left.accounts] == ["skinner"]

    log = entries_of(command("audit", "--json").out)
    assert {(one.account, one.via) for one in log} == {(of_system(), "cli")}
    acts = ["remove", "enable", "disable", "password", "role", "add", "add"]
    assert [(one.action, one.subject) for one in log] == [
        (f"account {act}", "skinner" if number == 6 else "chalmers") for number, act in enumerate(acts)
    ]
    table = command("audit", "--limit", "5").out
    assert "account role" in table and "role operator, was viewer" in table and "… and more: --limit shows more than 5" in table
    first = entries_of(command("audit", "--after", "0", "--limit", "1", "--json").out)
    assert [one.subject for one in first] == ["skinner"]
    assert command("audit", "--account", "nobody").out == "Nothing.\n"


def test_the_last_admin_is_asked_about_and_a_mistake_is_one_line(command: Command) -> None:
    assert command("account", "add", "skinner", "--role", "admin", "--password-stdin", stdin=PASSWORD).code == 0
    for code, told, *arguments in (
        (2, "skinner is the last admin", "account", "remove", "skinner"),
        (2, "skinner is the last admin", "account", "disable", "skinner"),
        (2, "skinner is the last admin", "account", "role", "skinner", "viewer"),
        (2, "an account skinner already", "account", "add", "skinner", "--role", "viewer", "--sso"),
        (2, "the password has 0 characters", "account", "add", "moe", "--role", "viewer", "--password-stdin"),
        (2, "no terminal to ask", "account", "add", "moe", "--role", "viewer"),
        (2, "means no password", "account", "add", "moe", "--role", "viewer", "--sso", "--password-stdin"),
        (2, "no account of that name", "account", "password", "moe", "--sso"),
        (2, "has no source 'shelbyville'", "account", "token", "add", "x", "--role", "viewer", "--source", "shelbyville"),
        (2, "no token of that id", "account", "token", "revoke", "x"),
        (0, "", "account", "role", "skinner", "viewer", "--force"),
    ):
        done = command(*arguments)
        assert done.code == code and told in done.err, (arguments, done)
        assert len(done.err.splitlines()) == (1 if code else 0)
    refused = command("account", "add", "moe", "--role", "principal", "--sso")
    assert refused.code == 2 and "principal" in refused.err


def test_a_token_is_shown_once_and_outlives_its_maker(command: Command, tmp_path: Path) -> None:
    made = command("account", "token", "add", "lunch", "--role", "operator", "--source", "springfield", "--days", "30")
    assert made.out.startswith("syncd_") and "operator of springfield" in made.err and made.out.strip() not in made.err
    whole = NewToken.model_validate_json(command("account", "token", "add", "lunch", "--role", "viewer", "--json").out)
    assert (whole.expires_at - whole.created_at).days == 365 and whole.source is None
    listed = command("account", "token", "list", "--json").out
    assert [one.name for one in Tokens.model_validate_json(listed).tokens] == ["lunch", "lunch"]
    assert whole.token not in listed and made.out.strip() not in listed
    command("account", "add", of_system().lower(), "--role", "viewer", "--sso")
    warned = command("account", "disable", of_system().lower()).err
    assert warned.count("which can still be used") == 2
    done = Token.model_validate_json(command("account", "token", "revoke", whole.id, "--json").out)
    assert done.revoked_at and "revoked" in command("account", "token", "list").out
    assert command("account", "remove", of_system().lower()).err.count("which can still be used") == 1


def test_a_terminal_is_asked_twice_and_shows_nothing_of_the_password(tmp_path: Path) -> None:
    url = stores.url(tmp_path)
    config = tmp_path / "syncd.toml"
    config.write_text(f'[store]\nurl = "{url}"\n')
    command = [sys.executable, "-m", "syncd", "--config", str(config), "account", "add", "skinner", "--role", "admin"]
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, command)  # noqa: S606
    shown = ""
    for prompt, typed in (
        ("(12 characters or more): ", PASSWORD), ("Once more: ", PASSWORD + "?"), ("(12 characters or more): ", PASSWORD),
        ("Once more: ", PASSWORD), ("\n", None),
    ):  # fmt: skip
        shown += _until(terminal, prompt)
        if typed is not None:
            os.write(terminal, f"{typed}\n".encode())
    shown += _until(terminal, "may sign in with a password.")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(terminal)
    assert "monkey" not in shown and "do not match" in shown
    assert [one.name for one in accounts.listed(open_store(url))] == ["skinner"]


def _until(terminal: int, wanted: str) -> str:
    """What a terminal shows, up to some words."""
    shown = ""
    while wanted not in shown:
        assert select.select([terminal], [], [], 60)[0], shown
        shown += os.read(terminal, 1024).decode()
    return shown


def test_what_is_done_on_the_command_line_is_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=60, seed=81)) as sandbox:
        command = Commands(sandbox, tmp_path, monkeypatch)
        assert command("sync", "springfield").code == 0
        assert command("sync", "springfield", "--full", "--dry-run").code == 0
        sandbox.rehearse("mass-removal")
        for number, answer in ((3, "reject"), (4, "approve")):
            assert command("sync", "springfield", "--full").code == 3
            assert command(answer, number).code == 0
        assert command("undo", 5).code == 0
        assert command("approve", 3).code == 2 and command("db", "forget", "springfield", "nobody").code == 1
        log = entries_of(command("audit", "--source", "springfield", "--after", "0", "--json").out)
    assert {(one.account, one.via) for one in log} == {(of_system(), "cli")}
    assert [(one.action, one.subject, one.details) for one in log] == [
        ("sync", "1", {}),
        ("sync", "2", {"full": True, "dry_run": True}),
        ("sync", "3", {"full": True}),
        ("reject", "3", {}),
        ("sync", "4", {"full": True}),
        ("approve", "4", {"run": 5}),
        ("undo", "5", {"run": 6}),
    ]


def test_a_client_is_made_for_schools_of_a_source_and_ends(command: Command, tmp_path: Path) -> None:
    assert "No client yet" in command("account", "client", "list").out
    assert command("account", "client", "add", "reading", "--source", "ogdenville").code == 2
    refused = command("account", "client", "add", "reading", "--source", "springfield", "--school", "s-1")
    assert refused.code == 2 and "no org of the id s-1" in refused.err
    with open_store(stores.url(tmp_path)).write() as connection:
        row = {"source": "springfield", "id": "s-1", "status": "active", "type": "school", "created_run": 1, "changed_run": 1}
        connection.execute(insert(ROSTER["org"]).values(**row))
    made = command("account", "client", "add", "Reading@Home", "--source", "springfield", "--school", "s-1", "--days", "30", "--json")
    told = NewClient.model_validate_json(made.out)
    assert re.fullmatch(r"reading-home-[0-9a-f]{6}", told.id) and (told.name, told.schools) == ("reading@home", ["s-1"])
    assert told.scopes == ["roster-core.readonly", "roster.readonly"] and (told.expires_at - told.created_at).days == 30
    shown = command("account", "client", "add", "everything", "--source", "springfield", "--demographics")
    assert "all schools of springfield, with demographics" in shown.err and "oneroster = true" in shown.err
    assert re.fullmatch(r"syncd_[\w-]{43}\n", shown.out)
    listed = command("account", "client", "list").out
    assert "s-1" in listed and "all" in listed and told.secret not in listed
    assert command("account", "client", "revoke", told.id).out == f"Client {told.id} is revoked.\n"
    assert "revoked" in command("account", "client", "list").out
    assert command("account", "client", "revoke", "nobody").code == 2
    found = Clients.model_validate_json(command("account", "client", "list", "--json").out)
    assert {one.id: one.revoked_at is not None for one in found.clients} == {told.id: True, shown.err.split()[1].strip(","): False}
    entries = entries_of(command("audit", "--json").out)
    mine = [(entry.action, entry.source, entry.details) for entry in entries if entry.subject == told.id]
    assert [action for action, _, _ in mine] == ["account client revoke", "account client add"]
    assert mine[1][1] == "springfield" and mine[1][2]["schools"] == 1


def test_who_is_disabled_is_told_of_the_clients_that_stay(command: Command) -> None:
    command("account", "add", of_system(), "--role", "viewer", "--sso")
    made = NewClient.model_validate_json(command("account", "client", "add", "reading", "--source", "springfield", "--json").out)
    assert f"syncd account client revoke {made.id}" in command("account", "disable", of_system()).err
