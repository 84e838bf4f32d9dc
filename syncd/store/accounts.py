"""Accounts: who may sign in to the console, and as what. Each change is noted in the audit log, and ends the sessions that it is about.

Somebody is always left who can let others in: the last admin can not be removed, disabled or made less, unless by force.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, text, update

from syncd import password as passwords
from syncd.account import Account, Role, Via, Who, folded, is_name
from syncd.errors import AccountError, SignInDenied
from syncd.store import audit, tries
from syncd.store.engine import Store
from syncd.store.tables import accounts, sessions
from syncd.store.upsert import insert


def any(store: Store) -> bool:
    """Whether there is an account at all."""
    with store.read() as connection:
        return connection.execute(select(accounts.c.name).limit(1)).first() is not None


def listed(store: Store) -> list[Account]:
    """All accounts, by name."""
    with store.read() as connection:
        return [_account(row) for row in connection.execute(select(accounts).order_by(accounts.c.name))]


def add(store: Store, name: str, role: Role, *, password: str | None, by: Who, now: datetime) -> Account:
    """Make an account. password: None for one that signs in by single sign-on only.

    Raises AccountError for a name that is none or is taken, and for a password that is not good enough.
    """
    name = _fit(name)
    kept = _kept(password, name)
    with changing(store) as connection:
        if not _insert(connection, name, role, kept, by, now):
            raise AccountError(f"there is an account {name} already.", advice="`syncd account list` shows them.")
        return _account(found(connection, name))


def find_or_make_for_sso(store: Store, name: str, role: Role, now: datetime, *, governed: bool = False) -> Account:
    """The account of somebody whom single sign-on has proved to be `name`; made, with `role`, if it is not there.

    governed: the role is what the directory's groups say now, and holds for an account that is there, too; the last admin keeps theirs.
    Raises AccountError for a name that can be none, and SignInDenied for a disabled account and for one that has a password: that one is
    not the directory's to let anybody into.
    """
    name = _fit(name)
    by = Who(name, role, Via.OIDC)
    with changing(store) as connection:
        _insert(connection, name, role, None, by, now)
        row = found(connection, name)
        if row.password_hash is not None:
            raise SignInDenied(
                f"the account {name} signs in with a password.", advice="Or an admin lets it: `syncd account password --sso`."
            )
        if row.disabled_at is not None:
            raise SignInDenied(f"the account {name} is disabled.", advice="An admin can enable it.")
        if governed and row.role != role and not _is_last_admin(connection, row):
            _give_role(connection, row, role, by, governed=True)
        return _account(found(connection, name))


def set_role(store: Store, name: str, role: Role, *, by: Who, force: bool = False) -> Account:
    """Give an account another role, from this instant. Raises AccountError."""
    with changing(store) as connection:
        row = found(connection, name)
        if row.role != role:
            _keep_an_admin(connection, row, force)
            _give_role(connection, row, role, by, force=force)
        return _account(found(connection, name))


def set_password(store: Store, name: str, password: str | None, *, by: Who) -> Account:
    """Give an account another password (None: single sign-on only); wrong tries of that name are forgotten. Raises AccountError."""
    kept = _kept(password, folded(name))
    with changing(store) as connection:
        row = found(connection, name)
        connection.execute(update(accounts).where(accounts.c.name == row.name).values(password_hash=kept))
        _end_sessions(connection, row.name)
        _free(connection, row)
        audit.note(connection, by, "account password", subject=row.name, sso=password is None)
        return _account(found(connection, name))


def disable(store: Store, name: str, *, by: Who, now: datetime, force: bool = False) -> Account:
    """Let somebody in no more, from this instant. Raises AccountError."""
    with changing(store) as connection:
        row = found(connection, name)
        if row.disabled_at is None:
            _keep_an_admin(connection, row, force)
            connection.execute(update(accounts).where(accounts.c.name == row.name).values(disabled_at=now))
            _end_sessions(connection, row.name)
            audit.note(connection, by, "account disable", subject=row.name, force=force)
        return _account(found(connection, name))


def enable(store: Store, name: str, *, by: Who) -> Account:
    """Let somebody in again; wrong tries of that name are forgotten. Raises AccountError."""
    with changing(store) as connection:
        row = found(connection, name)
        connection.execute(update(accounts).where(accounts.c.name == row.name).values(disabled_at=None))
        _free(connection, row)
        audit.note(connection, by, "account enable", subject=row.name)
        return _account(found(connection, name))


def remove(store: Store, name: str, *, by: Who, force: bool = False) -> None:
    """Remove an account; what it did stays in the audit log. Raises AccountError."""
    with changing(store) as connection:
        row = found(connection, name)
        _keep_an_admin(connection, row, force)
        connection.execute(delete(accounts).where(accounts.c.name == row.name))
        _end_sessions(connection, row.name)
        audit.note(connection, by, "account remove", subject=row.name, force=force)


@contextmanager
def changing(store: Store) -> Iterator[Connection]:
    """A write transaction in which accounts stand still: of two admins who remove each other, the second one is the last."""
    with store.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE accounts IN SHARE ROW EXCLUSIVE MODE"))
        yield connection


def find(connection: Connection, name: str) -> Row[Any] | None:
    """An account's row; None when there is none, or can be none, of that name."""
    if not is_name(folded(name)):
        return None
    return connection.execute(select(accounts).where(accounts.c.name == folded(name))).one_or_none()


def found(connection: Connection, name: str) -> Row[Any]:
    """An account's row. Raises AccountError when there is none."""
    row = find(connection, name)
    if row is None:
        raise AccountError("there is no account of that name.", advice="`syncd account list` shows them.")
    return row


def _account(row: Row[Any]) -> Account:
    return Account(
        name=row.name,
        role=Role(row.role),
        password=row.password_hash is not None,
        created_at=row.created_at,
        created_by=row.created_by,
        signed_in_at=row.signed_in_at,
        disabled_at=row.disabled_at,
    )


def _fit(name: str) -> str:
    name = folded(name)
    if not is_name(name):
        told = "an account's name begins with a letter or a digit, and has letters, digits and . _ - + @ ' only (100 at most)."
        raise AccountError(told)
    return name


def _kept(password: str | None, name: str) -> str | None:
    if password is None:
        return None
    passwords.check(password, name)
    return passwords.hashed(password)


def _insert(connection: Connection, name: str, role: Role, kept: str | None, by: Who, now: datetime) -> bool:
    """Whether it was not there yet."""
    row = {"name": name, "role": role.value, "password_hash": kept, "created_at": now, "created_by": by.name}
    new = insert(connection, accounts).values(**row).on_conflict_do_nothing().returning(accounts.c.name)
    if connection.execute(new).first() is None:
        return False
    audit.note(connection, by, "account add", subject=name, role=role.value, sso=kept is None)
    return True


def _give_role(connection: Connection, row: Row[Any], role: Role, by: Who, *, force: bool = False, governed: bool = False) -> None:
    connection.execute(update(accounts).where(accounts.c.name == row.name).values(role=role.value))
    _end_sessions(connection, row.name)
    audit.note(connection, by, "account role", subject=row.name, role=role.value, was=row.role, force=force, governed=governed)


def _end_sessions(connection: Connection, name: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.account == name))


def _free(connection: Connection, row: Row[Any]) -> None:
    """Forget the wrong tries of a name, wherever they were made."""
    tries.forgive(connection, tries.of_name(row.name), *(place for place, _day in row.addresses or []))


def _is_last_admin(connection: Connection, row: Row[Any]) -> bool:
    if row.role != Role.ADMIN or row.disabled_at is not None:
        return False
    admin = (accounts.c.role == Role.ADMIN.value, accounts.c.disabled_at.is_(None))
    return connection.execute(select(accounts.c.name).where(*admin, accounts.c.name != row.name).limit(1)).first() is None


def _keep_an_admin(connection: Connection, row: Row[Any], force: bool) -> None:
    if not force and _is_last_admin(connection, row):
        raise AccountError(f"{row.name} is the last admin: nobody could let others in.", advice="Make another one first, or use --force.")
