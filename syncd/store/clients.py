"""Clients: products that read a source as a OneRoster provider's, by OAuth 2's client credentials (RFC 6749, section 4.4).

Each has one source, perhaps some schools of it only, what it may be granted, and an end; kept are digests, never a secret or a token. All
of it is looked at anew with each request: who is revoked reads nothing more from that instant, whatever it was granted before.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

import structlog
from sqlalchemy import Connection, Row, delete, insert, select, update

from syncd.account import Client, Role, Via, Who, folded, is_name
from syncd.errors import AccountError, SignInDenied, TooManyTries
from syncd.store import audit, tries
from syncd.store.engine import Store
from syncd.store.tables import ROSTER, clients, grants
from syncd.store.tokens import PREFIX

log = structlog.get_logger()

# OneRoster's scopes, without the address before them: the lists, all that stands below one record, and demographics.
CORE, ROSTERING, DEMOGRAPHICS = "roster-core.readonly", "roster.readonly", "roster-demographics.readonly"
SCOPES = (CORE, ROSTERING, DEMOGRAPHICS)
# For how long a token opens.
LIFE = timedelta(hours=1)


@dataclass(frozen=True)
class Access:
    """Who comes with a token, and what it opens."""

    client: str
    source: str
    schools: tuple[str, ...] | None
    scopes: frozenset[str]


@dataclass(frozen=True)
class Granted:
    """token: told this once. scopes: what it opens."""

    token: str
    scopes: tuple[str, ...]


class NotGranted(AccountError):
    """Nothing of what a client asks for may be granted to it."""


def add(
    store: Store,
    name: str,
    source: str,
    *,
    schools: Collection[str] | None = None,
    demographics: bool = False,
    expires_at: datetime,
    by: Who,
    now: datetime,
) -> tuple[Client, str]:
    """Make a client; gives it, and its secret, which is told this once. schools: ids of orgs that the roster of the source has; None: all.
    Raises AccountError."""
    name = folded(name)
    if not is_name(name):
        raise AccountError("a client's name begins with a letter or a digit, and has letters, digits and . _ - + @ ' only (100 at most).")
    secret = PREFIX + secrets.token_urlsafe(32)
    # As it can stand in a header and in a form without being written otherwise there.
    client_id = f"{re.sub('[^a-z0-9._-]', '-', name)}-{secrets.token_hex(3)}"
    scopes = [scope for scope in SCOPES if demographics or scope != DEMOGRAPHICS]
    only = None if schools is None else sorted(set(schools))
    with store.write() as connection:
        if only is not None:
            _refuse_unknown(connection, source, only)
        row = {"id": client_id, "name": name, "digest": _digest(secret), "source": source, "schools": only, "scopes": scopes}
        connection.execute(insert(clients).values(**row, created_at=now, created_by=by.name, expires_at=expires_at))
        details = {"schools": None if only is None else len(only), "demographics": demographics, "expires_at": expires_at}
        audit.note(connection, by, "account client add", source=source, subject=client_id, **details)
        return _client(_found(connection, client_id)), secret


def revoke(store: Store, client_id: str, *, by: Who, now: datetime) -> Client:
    """Let a client read nothing more, from this instant. Raises AccountError when there is none of that id."""
    with store.write() as connection:
        row = _found(connection, client_id)
        if row.revoked_at is None:
            connection.execute(update(clients).where(clients.c.id == client_id).values(revoked_at=now))
            connection.execute(delete(grants).where(grants.c.client == client_id))
            audit.note(connection, by, "account client revoke", source=row.source, subject=client_id)
        return _client(_found(connection, client_id))


def listed(store: Store) -> list[Client]:
    """All clients, the latest first; those that are revoked or over, too."""
    with store.read() as connection:
        return [_client(row) for row in connection.execute(select(clients).order_by(clients.c.created_at.desc(), clients.c.id))]


def grant(store: Store, client_id: str, secret: str, scopes: Collection[str] | None, address: str, now: datetime) -> Granted:
    """Give a token to whoever knows a client's id and secret. scopes: what is asked for; None: all that may be granted.

    Raises SignInDenied, in the same words whatever is wrong, and TooManyTries, both for wrong ones only: 256 random bits can not be guessed
    however often, so that nobody keeps a product from its roster by trying its name. Raises NotGranted when nothing that is asked for may
    be.
    """
    with store.read() as connection:
        row = connection.execute(select(clients).where(clients.c.id == client_id)).one_or_none()
    right = hmac.compare_digest(b"" if row is None else row.digest, _digest(secret))
    if row is None or not right or row.revoked_at is not None or now >= row.expires_at:
        _refuse(store, client_id, row, address, now)
    given = tuple(scope for scope in row.scopes if scopes is None or scope in scopes)
    if not given:
        raise NotGranted("nothing of what is asked for may be granted to this client.")
    token = PREFIX + secrets.token_urlsafe(32)
    with store.write() as connection:
        connection.execute(delete(grants).where(grants.c.expires_at <= now))
        kept = {"digest": _digest(token), "client": client_id, "scopes": list(given), "expires_at": now + LIFE}
        connection.execute(insert(grants).values(**kept))
        if row.used_at is None or row.used_at.date() != now.date():
            # Once a day: products ask for a token by the hour, and some for each page.
            audit.note(connection, _as(row), "client sign-in", source=row.source, subject=client_id)
        connection.execute(update(clients).where(clients.c.id == client_id).values(used_at=now))
    return Granted(token, given)


def who(store: Store, token: str, now: datetime) -> Access | None:
    """Who comes with a token, as that client stands at this moment; None when it is none, or over, or the client is."""
    query = select(clients, grants.c.scopes.label("granted")).join(grants, grants.c.client == clients.c.id)
    good = (grants.c.expires_at > now, clients.c.revoked_at.is_(None), clients.c.expires_at > now)
    query = query.where(grants.c.digest == _digest(token), *good)
    with store.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    schools = None if row.schools is None else tuple(row.schools)
    return Access(row.id, row.source, schools, frozenset(row.granted) & frozenset(row.scopes))


def _refuse(store: Store, client_id: str, row: Row[Any] | None, address: str, now: datetime) -> NoReturn:
    """Raises SignInDenied, or TooManyTries."""
    try:
        with store.write() as connection:
            tries.take(connection, tries.of_client(client_id, address), now)
            if row is not None:
                audit.note(connection, _as(row), "client sign-in refused", source=row.source, subject=row.id)
    except TooManyTries as many:
        log.warning("too many sign-ins", address=address, seconds=many.seconds)
        raise
    log.warning("client refused", address=address)
    raise SignInDenied("the client's id or secret is wrong, or the client is revoked or over.")


def _refuse_unknown(connection: Connection, source: str, schools: Collection[str]) -> None:
    """Who mistypes a school would wait for its roster for ever."""
    org = ROSTER["org"].c
    known = set(connection.execute(select(org.id).where(org.source == source, org.id.in_(schools))).scalars())
    if unknown := [school for school in schools if school not in known]:
        told = f"{source} has no org of the id {unknown[0]}."
        raise AccountError(told, advice=f"`syncd roster orgs --source {source}` shows them, once it was synced.")
    if not schools:
        raise AccountError("a client for no school would read nothing.")


def _found(connection: Connection, client_id: str) -> Row[Any]:
    row = connection.execute(select(clients).where(clients.c.id == client_id)).one_or_none()
    if row is None:
        raise AccountError("there is no client of that id.", advice="`syncd account client list` shows them.")
    return row


def _client(row: Row[Any]) -> Client:
    names = ("id", "name", "source", "schools", "scopes", "created_at", "created_by", "expires_at", "revoked_at", "used_at")
    return Client(**{name: getattr(row, name) for name in names})


def _as(row: Row[Any]) -> Who:
    return Who(f"client:{row.id}", Role.VIEWER, Via.API, row.source)


def _digest(secret: str) -> bytes:
    """Of 256 random bits, which nobody can guess: a fast one will do."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
