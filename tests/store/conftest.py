"""A store with accounts, one for the tests of a file: on PostgreSQL each new one takes a second. The audit log of one test goes on in the
next; all else begins anew."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import delete

from syncd import password
from syncd.account import Role
from syncd.store import Store, accounts, audit, open_store, tables
from tests import stores
from tests.who import OPERATOR

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
PASSWORD = "purple monkey dishwasher"
HOME = "192.0.2.7"


def later(**span: float) -> datetime:
    """So long after NOW."""
    return NOW + timedelta(**span)


@pytest.fixture(scope="module")
def one_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_store(stores.url(tmp_path_factory.mktemp("accounts")))
    yield store
    store.close()


@pytest.fixture
def school_staff(one_store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """skinner, who is admin, and chalmers, an operator, both with PASSWORD; hashes are quickly made."""
    monkeypatch.setattr(password, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    password._nobodys.cache_clear()
    with one_store.write() as connection:
        for table in (tables.accounts, tables.sessions, tables.tokens, tables.tries):
            connection.execute(delete(table))
    for name, role in (("skinner", Role.ADMIN), ("chalmers", Role.OPERATOR)):
        accounts.add(one_store, name, role, password=PASSWORD, by=OPERATOR, now=NOW)
    return one_store


def noted(store: Store, count: int) -> list[tuple[str, str, str | None]]:
    """The latest entries, oldest of them first: (account, action, subject)."""
    found = list(audit.listed(store, limit=count))[::-1]
    return [(entry.account, entry.action, entry.subject) for entry in found]
