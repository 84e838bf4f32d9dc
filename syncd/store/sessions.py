"""Signing in, and staying so: sessions on the store's side, of which the browser has nothing but a random value.

A session ends by signing out, by two hours without a sign of life, after twelve hours in any case, and with whatever changes its account.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, NoReturn

import structlog
from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from syncd import password as passwords
from syncd.account import Role, Via, Who, folded
from syncd.errors import SignInDenied, StoreError, TooManyTries
from syncd.store import accounts as kept
from syncd.store import audit, tries
from syncd.store.engine import Store
from syncd.store.tables import accounts, sessions

log = structlog.get_logger()

IDLE, LONGEST = timedelta(hours=2), timedelta(hours=12)
# A sign of life is written down once in so long a time.
TOUCH = timedelta(minutes=1)
# For how long after the password was given nobody is asked for it again.
FRESH = timedelta(minutes=10)
# From how many addresses, and for how long after the last time there, an account is known to sign in (`tries`).
PLACES, KNOWN_FOR = 8, timedelta(days=90)


def sign_in(store: Store, name: str, password: str, address: str, now: datetime) -> str:
    """Let somebody in who knows an account's name and password. Gives the value for the browser's cookie, which is kept nowhere.

    address: where from, as an IP address. Raises SignInDenied, in the same words and after the same time whatever is wrong, and
    TooManyTries.
    """
    with _proved(store, name, password, address, now) as (connection, row):
        today = now.date().isoformat()
        here = tries.here(row.name, address)
        places = [[here, today], *([place, day] for place, day in row.addresses or [] if place != here)]
        connection.execute(update(accounts).where(accounts.c.name == row.name).values(addresses=places[:PLACES]))
        return _open(connection, row, now, Via.CONSOLE)


def prove(store: Store, cookie: str, password: str, address: str, now: datetime) -> None:
    """Take the password once more of somebody who is signed in, before something grave: the session is as good as new. Raises like
    `sign_in`, and counts like it."""
    digest = _digest(cookie)
    with store.read() as connection:
        name = connection.execute(select(sessions.c.account).where(sessions.c.digest == digest)).scalar() or ""
    with _proved(store, name, password, address, now) as (connection, _):
        connection.execute(update(sessions).where(sessions.c.digest == digest).values(created_at=now, seen_at=now))


def is_fresh(store: Store, cookie: str, now: datetime) -> bool:
    """Whether somebody has just proved who they are: a session that lies open, or was stolen, is not enough for what is grave."""
    query = select(sessions.c.created_at).where(sessions.c.digest == _digest(cookie))
    with store.read() as connection:
        since = connection.execute(query).scalar()
    return since is not None and now - since < FRESH


def open_for(store: Store, account_name: str, now: datetime) -> str:
    """Let somebody in who has proved elsewhere who it is. Gives the value for the cookie. Raises SignInDenied for a disabled account, and
    AccountError when there is none of that name."""
    with kept.changing(store) as connection:
        row = kept.found(connection, account_name)
        if row.disabled_at is not None:
            raise SignInDenied(f"the account {row.name} is disabled.", advice="An admin can enable it.")
        return _open(connection, row, now, Via.OIDC)


def who(store: Store, cookie: str, now: datetime) -> Who | None:
    """Who comes with a cookie, with the role as it is at this moment; None when that is nobody (any more)."""
    digest = _digest(cookie)
    query = select(sessions.c.created_at, sessions.c.seen_at, accounts.c.name, accounts.c.role)
    query = query.join(accounts, accounts.c.name == sessions.c.account).where(accounts.c.disabled_at.is_(None))
    with store.read() as connection:
        row = connection.execute(query.where(sessions.c.digest == digest)).one_or_none()
    if row is None or now - row.seen_at >= IDLE or now - row.created_at >= LONGEST:
        return None
    if now - row.seen_at >= TOUCH:
        # No page waits for a run that is applying: the next one gives the sign of life.
        with suppress(StoreError), store.write(patient=False) as connection:
            connection.execute(update(sessions).where(sessions.c.digest == digest).values(seen_at=now))
    return Who(row.name, Role(row.role), Via.CONSOLE)


def sign_out(store: Store, cookie: str) -> None:
    """End a session; nothing to do where there is none."""
    with store.write() as connection:
        ended = delete(sessions).where(sessions.c.digest == _digest(cookie)).returning(sessions.c.account)
        name = connection.execute(ended).scalar()
        row = None if name is None else kept.find(connection, name)
        if row is not None:
            audit.note(connection, _as(row), "sign-out")


def sweep(connection: Connection, now: datetime) -> None:
    """Remove sessions that are over, and tries that count no more."""
    connection.execute(delete(sessions).where(or_(sessions.c.seen_at <= now - IDLE, sessions.c.created_at <= now - LONGEST)))
    tries.sweep(connection, now)


@contextmanager
def _proved(store: Store, name: str, password: str, address: str, now: datetime) -> Iterator[tuple[Connection, Row[Any]]]:
    """Look at name and password; then, in a transaction in which it stands still, the account's row."""
    name = folded(name)
    with store.read() as connection:
        row = kept.find(connection, name)
    limits = tries.keys(name, address, _places(row, now))
    try:
        with store.write() as connection:
            number = tries.take(connection, limits, now)
    except TooManyTries as many:
        log.warning("too many sign-ins", address=address, seconds=many.seconds)
        raise
    # Outside of any transaction: it takes its time, and nobody else could write meanwhile.
    hashed = row.password_hash if row is not None and row.disabled_at is None else None
    right = passwords.verify(hashed, password)
    if hashed is None or not right:
        _refuse(store, row, number, address)
    newly = passwords.hashed(password) if passwords.is_outdated(hashed) else hashed
    with kept.changing(store) as connection:
        found = kept.find(connection, name)
        if found is None or found.disabled_at is not None or found.password_hash != hashed:
            raise _denied()
        if newly != hashed:
            connection.execute(update(accounts).where(accounts.c.name == name).values(password_hash=newly))
        tries.forgive(connection, *(key for key, allowed in limits.items() if allowed is tries.BY_NAME), number=number)
        yield connection, found


def _refuse(store: Store, row: Row[Any] | None, number: str, address: str) -> NoReturn:
    with store.write() as connection:
        if row is not None:
            audit.note(connection, _as(row), "sign-in refused")
        else:
            # As much work, so that nobody can tell by the time which accounts there are.
            tries.touch(connection, number)
    log.warning("sign-in refused", address=address)
    raise _denied()


def _denied() -> SignInDenied:
    return SignInDenied("the name or the password is wrong.", advice="Who has forgotten the password asks an admin for another.")


def _places(row: Row[Any] | None, now: datetime) -> list[str]:
    """The keys of the addresses from which an account is known to sign in."""
    since = (now - KNOWN_FOR).date().isoformat()
    return [] if row is None else [place for place, day in row.addresses or [] if day >= since]


def _open(connection: Connection, row: Row[Any], now: datetime, via: Via) -> str:
    sweep(connection, now)
    cookie = secrets.token_urlsafe(32)
    connection.execute(insert(sessions).values(digest=_digest(cookie), account=row.name, created_at=now, seen_at=now))
    connection.execute(update(accounts).where(accounts.c.name == row.name).values(signed_in_at=now))
    audit.note(connection, _as(row, via), "sign-in")
    return cookie


def _as(row: Row[Any], via: Via = Via.CONSOLE) -> Who:
    return Who(row.name, Role(row.role), via)


def _digest(cookie: str) -> bytes:
    """Of 256 random bits, which nobody can guess: a fast one will do."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest()
