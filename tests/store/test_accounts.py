"""Accounts and tokens: who may be one, who may be lost, and what a program comes in with."""

import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syncd import account, password
from syncd.account import Role, Via, Who
from syncd.errors import AccountError, SyncdError
from syncd.observe import logs
from syncd.store import Store, accounts, open_store, tokens
from tests import stores
from tests.store.conftest import NOW, PASSWORD, later, noted
from tests.who import OPERATOR, PRINCIPAL


@pytest.fixture
def store(school_staff: Store) -> Store:
    return school_staff


def roles(store: Store) -> dict[str, str]:
    return {one.name: one.role.value for one in accounts.listed(store)}


# ── roles ────────────────────────────────────────────────────────────────────────────────────────────


def test_each_role_may_do_what_the_ones_before_it_may() -> None:
    covered = {role: [other for other in Role if role.covers(other)] for role in Role}
    assert covered == {
        Role.VIEWER: [Role.VIEWER],
        Role.OPERATOR: [Role.VIEWER, Role.OPERATOR],
        Role.ADMIN: [Role.VIEWER, Role.OPERATOR, Role.ADMIN],
    }


@pytest.mark.parametrize(
    ("login", "name"), [("0", "root"), ("4294967295", "nobody"), ("", "nobody"), (None, "nobody"), ("4000123", "4000123")]
)
def test_behind_sudo_it_is_still_who_logged_in(login: str | None, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "loginuid"
    if login is not None:
        place.write_text(login)
    monkeypatch.setattr(account, "_LOGIN", place)
    monkeypatch.setattr("os.getuid", lambda: pwd.getpwnam("nobody").pw_uid)
    assert account.here() == Who(name, Role.ADMIN, Via.CLI)


# ── names and passwords ──────────────────────────────────────────────────────────────────────────────


def test_whether_there_is_anybody(store: Store) -> None:
    assert accounts.any(store)
    for name in roles(store):
        accounts.remove(store, name, by=OPERATOR, force=True)
    assert not accounts.any(store)


def test_what_can_not_be_a_name_is_refused(store: Store) -> None:
    for name in ("", "two words", "-x", "ängström", "a" * 101, "x\x00", "token:x", "\udcff", "a\nb"):
        with pytest.raises(AccountError, match="name begins with a letter or a digit"):
            accounts.add(store, name, Role.VIEWER, password=PASSWORD, by=OPERATOR, now=NOW)


def test_large_letters_make_no_other_account(store: Store) -> None:
    with pytest.raises(AccountError, match="there is an account skinner already"):
        accounts.add(store, "Skinner", Role.VIEWER, password=PASSWORD, by=OPERATOR, now=NOW)


@pytest.mark.parametrize(
    ("typed", "good"),
    [
        ("x" * 11, False), ("x" * 12, True), ("x" * 1000, True), ("x" * 1001, False), ("Edna.Krabappel", False), ("edna.krabappel2", True),
        ("e\u0301" * 11, False), ("🦊" * 12, True), ("            ", True),
    ],
)  # fmt: skip
def test_a_password_is_long_enough_and_not_the_name_and_that_is_all(typed: str, good: bool, store: Store) -> None:
    def make() -> object:
        return accounts.add(store, "edna.krabappel", Role.VIEWER, password=typed, by=OPERATOR, now=NOW)

    if good:
        make()
    else:
        with pytest.raises(AccountError, match="the password") as told:
            make()
        assert typed not in str(told.value)
    assert ("edna.krabappel" in roles(store)) is good


# ── the last admin ───────────────────────────────────────────────────────────────────────────────────

LOSE: dict[str, Callable[..., Any]] = {
    "removed": lambda store, **force: accounts.remove(store, "skinner", by=PRINCIPAL, **force),
    "disabled": lambda store, **force: accounts.disable(store, "skinner", by=PRINCIPAL, now=NOW, **force),
    "less": lambda store, **force: accounts.set_role(store, "skinner", Role.OPERATOR, by=PRINCIPAL, **force),
}


@pytest.mark.parametrize("how", LOSE)
def test_the_last_admin_stays_unless_by_force(how: str, store: Store) -> None:
    accounts.add(store, "flanders", Role.ADMIN, password=None, by=OPERATOR, now=NOW)
    accounts.disable(store, "flanders", by=PRINCIPAL, now=NOW)
    with pytest.raises(AccountError, match="skinner is the last admin"):
        LOSE[how](store)
    assert roles(store)["skinner"] == "admin"
    LOSE[how](store, force=True)
    accounts.enable(store, "flanders", by=OPERATOR)
    accounts.disable(store, "chalmers", by=PRINCIPAL, now=NOW)


@pytest.mark.parametrize("how", LOSE)
def test_one_of_two_admins_may_go(how: str, store: Store) -> None:
    accounts.set_role(store, "chalmers", Role.ADMIN, by=PRINCIPAL)
    LOSE[how](store)


def test_an_account_that_is_not_there_is_told_so(store: Store) -> None:
    for change in (
        lambda: accounts.set_role(store, "nobody", Role.VIEWER, by=PRINCIPAL),
        lambda: accounts.set_password(store, "nobody", PASSWORD, by=PRINCIPAL),
        lambda: accounts.disable(store, "nobody", by=PRINCIPAL, now=NOW),
        lambda: accounts.enable(store, "nobody", by=PRINCIPAL),
        lambda: accounts.remove(store, "nobody", by=PRINCIPAL),
    ):
        with pytest.raises(AccountError, match="there is no account of that name"):
            change()


# ── two at once ──────────────────────────────────────────────────────────────────────────────────────

ANOTHER = """
import sys
from datetime import UTC, datetime
from syncd.account import Role, here
from syncd.errors import SyncdError
from syncd.observe import logs
from syncd.store import accounts, open_store, sessions
logs.configure(json=True, level="error")
store = open_store(sys.argv[1])
print("ready", flush=True)
for statement in sys.stdin:
    try:
        exec(statement)
        print("done", flush=True)
    except SyncdError as problem:
        print(type(problem).__name__, flush=True)
"""


def test_of_two_processes_that_do_the_same_at_once_one_is_told_so(tmp_path: Path) -> None:
    url = stores.url(tmp_path)
    store = open_store(url)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", ANOTHER, url]

    def told(one: "subprocess.Popen[str]") -> str:
        assert one.stdout is not None
        return one.stdout.readline().strip()

    def both(*statements: str, times: int = 1) -> list[str]:
        """How it ended when each of the two did its statement so often, at the same time; sorted."""
        for one, statement in zip(two, statements * (2 // len(statements)), strict=True):
            assert one.stdin is not None
            one.stdin.write("".join(statement.replace("#", str(number)) + "\n" for number in range(times)))
            one.stdin.flush()
        return sorted(told(one) for one in two for _ in range(times))

    with subprocess.Popen(command, **pipes) as first, subprocess.Popen(command, **pipes) as second:
        two = (first, second)
        assert [told(one) for one in two] == ["ready", "ready"]
        added = both("accounts.add(store, 'x#', Role.ADMIN, password=None, by=here(), now=datetime.now(UTC))", times=4)
        assert added == ["AccountError"] * 4 + ["done"] * 4
        for name in ("x2", "x3"):
            accounts.remove(store, name, by=OPERATOR)
        removed = both("accounts.remove(store, 'x0', by=here())", "accounts.remove(store, 'x1', by=here())")
        assert removed == ["AccountError", "done"] and len(accounts.listed(store)) == 1, "of two who remove each other, one is the last"
        guessed = both("sessions.sign_in(store, 'flanders', 'open sesame, please', '192.0.2.1', datetime.now(UTC))", times=4)
        assert guessed == ["SignInDenied"] * 5 + ["TooManyTries"] * 3
    store.close()


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────


def token(store: Store, **options: Any) -> str:
    options = {"expires_at": later(days=30), "by": PRINCIPAL, "now": NOW} | options
    return tokens.add(store, "Lunch-Program", Role.VIEWER, **options)


@pytest.mark.fault("S5")
def test_a_token_lets_a_program_in_until_its_end(store: Store) -> None:
    everywhere, one = token(store), token(store, source="springfield")
    assert everywhere.startswith("syncd_") and len(everywhere) >= len("syncd_") + 43
    [told] = [found for found in tokens.listed(store) if found.source]
    assert tokens.who(store, one, later(days=29.9)) == Who(f"token:{told.id}", Role.VIEWER, Via.API, "springfield")
    assert tokens.who(store, one, later(days=30)) is None
    first = tokens.who(store, everywhere, NOW)
    assert first is not None and first.source is None
    assert [tokens.who(store, odd, NOW) for odd in ("", "syncd_", one[:-1], one.upper(), "\udcff")] == [None] * 5
    assert told.name == "lunch-program" and told.id.startswith("lunch-program-") and told.created_by == "skinner"


def test_a_token_that_is_revoked_lets_nobody_in(store: Store) -> None:
    made = token(store)
    described = tokens.described(store, made)
    done = tokens.revoke(store, described.id, by=OPERATOR, now=NOW)
    assert (done.revoked_at, tokens.who(store, made, NOW)) == (NOW, None)
    assert tokens.revoke(store, described.id, by=OPERATOR, now=later(days=1)).revoked_at == NOW
    assert noted(store, 2) == [("skinner", "account token add", done.id), ("operator", "account token revoke", done.id)]
    with pytest.raises(AccountError, match="no token of that id"):
        tokens.revoke(store, made, by=OPERATOR, now=NOW)


def test_when_a_token_was_used_last_is_known_to_the_minute(store: Store) -> None:
    made = token(store)
    used = []
    for second in (5, 64, 65, 300):
        tokens.who(store, made, later(seconds=second))
        used.append(tokens.described(store, made).used_at)
    assert used == [later(seconds=5), later(seconds=5), later(seconds=65), later(seconds=300)]


def test_a_token_is_kept_and_told_nowhere(store: Store) -> None:
    made = token(store)
    with store.read() as connection:
        rows = repr(connection.exec_driver_sql("SELECT * FROM tokens").all()) + repr(
            connection.exec_driver_sql("SELECT * FROM audit").all()
        )
    assert made not in rows and made.removeprefix("syncd_") not in rows and "lunch-program" in rows
    assert logs.clean(f"GET /api with {made}") == "GET /api with [secret]"


def test_a_name_that_can_be_none_and_a_hash_that_is_damaged_are_no_way_in(store: Store) -> None:
    with pytest.raises(SyncdError, match="a token's name"):
        tokens.add(store, "two words", Role.VIEWER, expires_at=later(days=1), by=OPERATOR, now=NOW)
    assert [password.verify(kept, PASSWORD) for kept in ("", "x", "$argon2id$v=19$", None)] == [False] * 4
