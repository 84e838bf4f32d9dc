"""Signing in and staying so: who comes in, who waits, and when a session is over."""

import io
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from syncd import password
from syncd.account import Role, Via, Who
from syncd.errors import AccountError, SignInDenied, SyncdError, TooManyTries
from syncd.store import Store, accounts, purge, sessions, tables, tries
from syncd.store.sqlite import SqliteStore
from tests.store.conftest import HOME, NOW, PASSWORD, later, noted
from tests.who import OPERATOR, PRINCIPAL

SKINNER = Who("skinner", Role.ADMIN, Via.CONSOLE)
STRANGER = "203.0.113.66"


@pytest.fixture
def store(school_staff: Store) -> Store:
    return school_staff


def enter(store: Store, name: str = "skinner", typed: str = PASSWORD, address: str = HOME, at: datetime = NOW) -> str:
    return sessions.sign_in(store, name, typed, address, at)


def fail(store: Store, times: int, name: str = "skinner", address: str = STRANGER, at: datetime = NOW) -> None:
    for _ in range(times):
        with pytest.raises(SignInDenied):
            enter(store, name, "open sesame, please", address, at)


def tried(store: Store, times: int, name: str = "skinner", address: str = STRANGER, at: datetime = NOW) -> None:
    """As many wrong tries as `fail`, without the passwords."""
    with store.write() as connection:
        for _ in range(times):
            tries.take(connection, tries.keys(name, address, []), at)


def waits(store: Store, name: str = "skinner", address: str = STRANGER, at: datetime = NOW) -> int:
    """Seconds that somebody with the right password has to wait; 0: is let in."""
    try:
        enter(store, name, address=address, at=at)
    except TooManyTries as many:
        return many.seconds
    return 0


# ── coming in ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("S6")
def test_who_signs_in_is_known_by_the_cookie_until_signing_out(store: Store) -> None:
    cookie, other = enter(store), enter(store, " Skinner ")
    assert sessions.who(store, cookie, NOW) == sessions.who(store, other, NOW) == SKINNER and cookie != other
    assert accounts.listed(store)[1].signed_in_at == NOW
    sessions.sign_out(store, cookie)
    assert sessions.who(store, cookie, NOW) is None and sessions.who(store, other, NOW) == SKINNER
    sessions.sign_out(store, cookie)
    assert noted(store, 3) == [("skinner", "sign-in", None), ("skinner", "sign-in", None), ("skinner", "sign-out", None)]
    assert [sessions.who(store, odd, NOW) for odd in ("", "x" * 5000, "\udcff", cookie[:-1])] == [None] * 4


@pytest.mark.fault("S5")
def test_a_wrong_name_a_wrong_password_and_a_disabled_account_are_told_in_the_same_words(store: Store) -> None:
    accounts.disable(store, "chalmers", by=PRINCIPAL, now=NOW)
    accounts.find_or_make_for_sso(store, "hoover@school.example", Role.VIEWER, NOW)
    looked_at: list[Any] = []
    told = set()
    hasher = password._hasher
    for name, typed in (
        ("nobody", PASSWORD), ("skinner", PASSWORD + "!"), ("chalmers", PASSWORD), ("hoover@school.example", ""), ("skinner", "x" * 2000),
        ("' OR 1=1 --", PASSWORD), ("\udcff", "\udcff"), ("", ""),
    ):  # fmt: skip
        password._hasher = SimpleNamespace(  # type: ignore[assignment]
            verify=lambda *given: looked_at.append(given) or hasher.verify(*given), hash=hasher.hash
        )
        try:
            with pytest.raises(SignInDenied) as denied:
                enter(store, name, typed)
        finally:
            password._hasher = hasher
        told.add(str(denied.value))
    assert len(told) == 1 and len(looked_at) == 8, "each took as much work"


def test_a_hash_that_was_made_with_less_is_made_anew_at_the_next_sign_in(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password, "_hasher", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    first = enter(store)
    with store.read() as connection:
        assert "m=16,t=2" in str(accounts.found(connection, "skinner").password_hash)
    enter(store)
    assert sessions.who(store, first, NOW) == SKINNER, "the password is the same, and so nobody is signed out"


def test_the_hashes_in_use_are_those_of_rfc_9106() -> None:
    assert password.hashed(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_letters_typed_on_another_keyboard_are_the_same_letters(store: Store) -> None:
    accounts.set_password(store, "skinner", "crème brûlée à volonté", by=OPERATOR)
    assert enter(store, typed="cre\u0300me bru\u0302le\u0301e a\u0300 volonte\u0301")


def test_something_grave_asks_for_the_password_anew(store: Store) -> None:
    cookie = sessions.sign_in(store, "skinner", PASSWORD, HOME, NOW)
    soon = NOW + sessions.FRESH
    assert sessions.is_fresh(store, cookie, NOW) and not sessions.is_fresh(store, cookie, soon)
    with pytest.raises(SignInDenied):
        sessions.prove(store, cookie, "wrong", HOME, soon)
    assert not sessions.is_fresh(store, cookie, soon)
    sessions.prove(store, cookie, PASSWORD, HOME, soon)
    assert sessions.is_fresh(store, cookie, soon) and not sessions.is_fresh(store, "nobody's", soon)
    with pytest.raises(SignInDenied):
        sessions.prove(store, "nobody's", PASSWORD, HOME, soon)
    for _ in range(5):
        with suppress(SignInDenied):
            sessions.prove(store, cookie, "wrong", HOME, soon)
    with pytest.raises(TooManyTries):
        sessions.prove(store, cookie, PASSWORD, HOME, soon)


# ── single sign-on ───────────────────────────────────────────────────────────────────────────────────


def test_single_sign_on_makes_an_account_once_and_its_role_stays_what_an_admin_said(store: Store) -> None:
    made = accounts.find_or_make_for_sso(store, "Hoover@school.example", Role.VIEWER, NOW)
    assert (made.name, made.role, made.password) == ("hoover@school.example", Role.VIEWER, False)
    accounts.set_role(store, made.name, Role.OPERATOR, by=PRINCIPAL)
    again = accounts.find_or_make_for_sso(store, "hoover@school.example", Role.VIEWER, NOW)
    cookie = sessions.open_for(store, again.name, NOW)
    assert sessions.who(store, cookie, NOW) == Who(made.name, Role.OPERATOR, Via.CONSOLE)
    accounts.disable(store, made.name, by=PRINCIPAL, now=NOW)
    for refused in (
        lambda: accounts.find_or_make_for_sso(store, made.name, Role.VIEWER, NOW),
        lambda: sessions.open_for(store, made.name, NOW),
    ):
        with pytest.raises(SignInDenied, match="disabled"):
            refused()


def test_where_the_directory_governs_its_groups_say_the_role_each_time_and_never_take_the_last_admin(store: Store) -> None:
    def come(role: Role) -> Role:
        return accounts.find_or_make_for_sso(store, "hoover", role, NOW, governed=True).role

    assert [come(Role.ADMIN), come(Role.VIEWER), come(Role.ADMIN)] == [Role.ADMIN, Role.VIEWER, Role.ADMIN]
    accounts.disable(store, "skinner", by=PRINCIPAL, now=NOW)
    assert come(Role.VIEWER) == Role.ADMIN


def test_an_account_with_a_password_is_not_opened_by_a_name_in_the_directory(store: Store) -> None:
    with pytest.raises(SignInDenied, match="signs in with a password"):
        accounts.find_or_make_for_sso(store, "skinner", Role.ADMIN, NOW)


# ── how long a session lasts ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("idle", "there"), [(119.9, True), (120, False)])
def test_a_session_ends_after_two_hours_without_a_sign_of_life(store: Store, idle: float, there: bool) -> None:
    cookie = enter(store)
    assert sessions.who(store, cookie, later(minutes=90))
    assert bool(sessions.who(store, cookie, later(minutes=90 + idle))) is there


@pytest.mark.fault("S6")
def test_a_session_ends_after_twelve_hours_however_busy(store: Store) -> None:
    cookie = enter(store)
    there = [bool(sessions.who(store, cookie, later(hours=hour))) for hour in (1.5, 3, 4.5, 6, 7.5, 9, 10.5, 11.9, 12)]
    assert there == [True] * 8 + [False]


def test_a_sign_of_life_is_written_down_once_a_minute(store: Store) -> None:
    def seen() -> datetime:
        with store.read() as connection:
            found: datetime = connection.execute(select(tables.sessions.c.seen_at)).scalar_one()
        return found

    cookie = enter(store)
    for second, noted_at in ((59, 0), (60, 60), (100, 60), (121, 121)):
        assert sessions.who(store, cookie, later(seconds=second))
        assert seen() == later(seconds=noted_at)


@pytest.mark.parametrize(
    "happens",
    [
        lambda store: accounts.set_password(store, "skinner", "another one, and long", by=PRINCIPAL),
        lambda store: accounts.set_password(store, "skinner", None, by=PRINCIPAL),
        lambda store: accounts.set_role(store, "skinner", Role.VIEWER, by=PRINCIPAL, force=True),
        lambda store: accounts.disable(store, "skinner", by=PRINCIPAL, now=NOW, force=True),
        lambda store: accounts.remove(store, "skinner", by=PRINCIPAL, force=True),
    ],
    ids=["password", "no password", "role", "disabled", "removed"],
)
@pytest.mark.fault("S6")
def test_all_sessions_of_an_account_end_with_what_is_changed_of_it_and_no_others(happens: Callable[[Store], object], store: Store) -> None:
    first, second, others = enter(store), enter(store), enter(store, "chalmers")
    happens(store)
    assert [sessions.who(store, cookie, NOW) for cookie in (first, second)] == [None, None]
    assert sessions.who(store, others, NOW)


def test_somebody_who_was_enabled_again_has_to_sign_in_anew(store: Store) -> None:
    cookie = enter(store, "chalmers")
    accounts.disable(store, "chalmers", by=PRINCIPAL, now=NOW)
    accounts.enable(store, "chalmers", by=PRINCIPAL)
    assert sessions.who(store, cookie, NOW) is None and enter(store, "chalmers")


def test_a_password_that_was_changed_while_it_was_looked_at_lets_nobody_in(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    verify = password.verify

    def slowly(kept: str | None, typed: str) -> bool:
        right = verify(kept, typed)
        accounts.set_password(store, "skinner", "another one, and long", by=PRINCIPAL)
        return right

    monkeypatch.setattr(password, "verify", slowly)
    with pytest.raises(SignInDenied):
        enter(store)


@pytest.mark.file
def test_nobody_waits_for_a_run_that_is_applying_to_see_a_page(store: SqliteStore) -> None:
    cookie = enter(store)
    with store.write():
        assert sessions.who(store, cookie, later(hours=1)) == SKINNER


# ── too many wrong tries ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("S5")
@pytest.mark.parametrize(("before", "after"), [(4, 0), (5, 15 * 60)], ids=["under", "at"])
def test_a_name_may_be_tried_five_times_in_a_quarter_of_an_hour(store: Store, before: int, after: int) -> None:
    fail(store, before)
    assert waits(store) == after
    assert waits(store, at=later(minutes=15)) == 0


@pytest.mark.fault("S5")
def test_the_more_wrong_tries_there_were_the_longer_is_the_wait(store: Store) -> None:
    waited = []
    at = NOW
    for _ in range(4):
        tried(store, 5, at=at)
        waited.append(waits(store, at=at) // 60)
        at = at + (later(seconds=waits(store, at=at)) - NOW)
    assert waited == [15, 45, 15, 24 * 60 - 75]


def test_what_is_tried_while_waiting_does_not_make_it_longer_and_is_not_looked_at(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tried(store, 5)
    monkeypatch.setattr(password, "verify", lambda *_: pytest.fail("looked at"))
    assert [waits(store, at=later(minutes=minute)) for minute in (1, 5, 14)] == [14 * 60, 10 * 60, 60]


def test_a_right_password_forgives_the_wrong_ones_before_it(store: Store) -> None:
    for _ in range(2):
        fail(store, 4)
        assert waits(store) == 0


@pytest.mark.fault("S5")
def test_an_address_may_try_twenty_times_whatever_the_names_also_those_that_are_none(store: Store) -> None:
    for number in range(20):
        tried(store, 1, name=f"somebody{number}")
    assert waits(store) == 15 * 60 and waits(store, address="198.51.100.1") == 0


def test_one_customers_ipv6_network_is_one_address(store: Store) -> None:
    for number in range(20):
        tried(store, 1, name=f"somebody{number}", address=f"2001:db8:0:7::{number:x}")
    assert waits(store, address="2001:db8:0:7:ffff::1") and not waits(store, address="2001:db8:0:8::1")
    assert tries.here("a", "::ffff:192.0.2.7") == tries.here("a", HOME)


@pytest.mark.fault("S5")
def test_a_stranger_does_not_lock_a_person_out_where_that_person_is_at_home(store: Store) -> None:
    enter(store)
    for hours in (0, 5, 10, 15, 24, 29):
        tried(store, 5, at=later(hours=hours) if hours < 24 else later(hours=hours, minutes=1))
        at = later(hours=hours, minutes=2)
        assert waits(store, at=at) > 0 and waits(store, address=HOME, at=at) == 0
    fail(store, 5, address=HOME, at=later(days=8))
    assert waits(store, address=HOME, at=later(days=8)) == 15 * 60, "at home, one may try no more often"


def test_after_ninety_days_a_home_is_none_any_more(store: Store) -> None:
    enter(store)
    for day, blocked in ((90, False), (181, True)):
        tried(store, 5, at=later(days=day))
        assert bool(waits(store, address=HOME, at=later(days=day))) is blocked


def test_an_admin_frees_a_name_wherever_it_was_tried(store: Store) -> None:
    tried(store, 5)
    accounts.enable(store, "skinner", by=OPERATOR)
    assert waits(store) == 0
    fail(store, 5)
    assert waits(store)
    accounts.set_password(store, "skinner", PASSWORD, by=OPERATOR)
    assert waits(store) == 0


def test_a_clock_that_was_a_year_ahead_locks_nobody_out(store: Store) -> None:
    tried(store, 5, at=later(days=365))
    assert waits(store) == 0


# ── what is left behind ──────────────────────────────────────────────────────────────────────────────


def test_sessions_that_are_over_and_old_tries_go_by_themselves(store: Store) -> None:
    enter(store)
    fail(store, 3)

    def left() -> int:
        with store.read() as connection:
            return sum(len(connection.execute(select(table)).all()) for table in (tables.sessions, tables.tries))

    assert left() == 1 + 3 * 2
    purge.purge(store, purge.no_policy, later(hours=11), by=OPERATOR)
    assert left() == 0 + 3 * 2
    purge.purge(store, purge.no_policy, later(hours=25), by=OPERATOR)
    assert left() == 0


@pytest.mark.fault("S5", "S7")
def test_no_password_cookie_or_typed_name_is_in_the_store_or_in_a_log(store: Store, strict_logs: io.StringIO) -> None:
    cookie = enter(store)
    typed = ["my-secret-password-as-a-name", "krabappel@school.example"]
    for word in typed:
        fail(store, 1, name=word)
        with pytest.raises(SyncdError) as told:
            accounts.disable(store, word, by=OPERATOR, now=NOW)
        assert isinstance(told.value, AccountError) and word not in str(told.value)
    fail(store, 5)
    assert waits(store)
    kept = _all_that_is_kept(store)
    assert "skinner" in kept and "$argon2id$" in kept
    said = strict_logs.getvalue()
    assert said.count("sign-in refused") == 7 and "too many sign-ins" in said
    assert [word for word in (PASSWORD, "open sesame, please", cookie, *typed) if word in kept + said] == []
    assert "skinner" not in said


def _all_that_is_kept(store: Store) -> str:
    if isinstance(store, SqliteStore):
        return "".join(path.read_bytes().decode("latin-1") for path in Path(store.path.parent).glob("roster.db*"))
    with store.read() as connection:
        return "".join(repr(connection.execute(select(table)).all()) for table in tables.metadata.sorted_tables)
