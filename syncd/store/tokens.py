"""Tokens: how programs sign in to the API. Each has a role, an end, and perhaps one source only; kept is a digest, never the token."""

import hashlib
import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from syncd.account import Role, Token, Via, Who, folded, is_name
from syncd.errors import AccountError, StoreError
from syncd.store import audit
from syncd.store.engine import Store
from syncd.store.tables import tokens

# By its beginning people and programs know a token where it should not be.
PREFIX = "syncd_"
# Use is written down once in so long a time.
TOUCH = timedelta(minutes=1)


def add(store: Store, name: str, role: Role, *, source: str | None = None, expires_at: datetime, by: Who, now: datetime) -> str:
    """Make a token; it is told this once. name: what it is for. source: the only one that it is for; None: all. Raises AccountError."""
    name = folded(name)
    if not is_name(name):
        raise AccountError("a token's name begins with a letter or a digit, and has letters, digits and . _ - + @ ' only (100 at most).")
    token = PREFIX + secrets.token_urlsafe(32)
    row = {"id": f"{name}-{secrets.token_hex(3)}", "name": name, "digest": _digest(token), "role": role.value, "only_source": source}
    with store.write() as connection:
        connection.execute(insert(tokens).values(**row, created_at=now, created_by=by.name, expires_at=expires_at))
        audit.note(connection, by, "account token add", source=source, subject=str(row["id"]), role=role.value, expires_at=expires_at)
    return token


def who(store: Store, token: str, now: datetime) -> Who | None:
    """Who comes with a token; None when it is none, revoked, or over."""
    with store.read() as connection:
        row = _of(connection, token)
    if row is None or row.revoked_at is not None or now >= row.expires_at:
        return None
    if row.used_at is None or now - row.used_at >= TOUCH:
        with suppress(StoreError), store.write(patient=False) as connection:
            connection.execute(update(tokens).where(tokens.c.id == row.id).values(used_at=now))
    return Who(f"token:{row.id}", Role(row.role), Via.API, row.only_source)


def revoke(store: Store, token_id: str, *, by: Who, now: datetime) -> Token:
    """Let nobody in by a token any more, from this instant. Raises AccountError when there is none of that id."""
    with store.write() as connection:
        row = connection.execute(select(tokens).where(tokens.c.id == token_id)).one_or_none()
        if row is None:
            raise AccountError("there is no token of that id.", advice="`syncd account token list` shows them.")
        if row.revoked_at is None:
            connection.execute(update(tokens).where(tokens.c.id == token_id).values(revoked_at=now))
            audit.note(connection, by, "account token revoke", source=row.only_source, subject=token_id)
        return _token(connection.execute(select(tokens).where(tokens.c.id == token_id)).one())


def listed(store: Store) -> list[Token]:
    """All tokens, the latest first; those that are revoked or over, too."""
    with store.read() as connection:
        return [_token(row) for row in connection.execute(select(tokens).order_by(tokens.c.created_at.desc(), tokens.c.id))]


def described(store: Store, token: str) -> Token:
    """What is kept of a token. Raises AccountError when it is none."""
    with store.read() as connection:
        row = _of(connection, token)
    if row is None:
        raise AccountError("that is no token.")
    return _token(row)


def _of(connection: Connection, token: str) -> Row[Any] | None:
    return connection.execute(select(tokens).where(tokens.c.digest == _digest(token))).one_or_none()


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        source=row.only_source,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
    )


def _digest(token: str) -> bytes:
    """Of 256 random bits, which nobody can guess: a fast one will do."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
