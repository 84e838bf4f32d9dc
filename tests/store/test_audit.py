"""The audit log: each act is in it, by whom and what to; it only grows, and has nothing personal."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, event, select, update

from syncd.account import Role, Via, Who
from syncd.errors import NothingHeld, StoreError
from syncd.settings.guard import GuardSettings
from syncd.store import Store, accounts, audit, purge, tables
from syncd.sync.link import Person, decide
from syncd.sync.run import reject
from tests.store.conftest import NOW, PASSWORD
from tests.store.test_purge import School
from tests.who import OPERATOR, PRINCIPAL

PROGRAM = Who("token:lunch-1", Role.OPERATOR, Via.API, "springfield")


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    found = School(tmp_path)
    yield found
    found.store.close()


def told(store: Store) -> list[tuple[Any, ...]]:
    """All entries, the oldest first, but their numbers and times."""
    entries = audit.listed(store, after=0)
    return [(one.account, one.via, one.action, one.source, one.subject, one.details) for one in entries]


def test_each_act_at_a_source_is_noted_with_who_did_it_and_what_to(school: School) -> None:
    store, here = school.store, "springfield"
    school.sync()
    school.sync(by=PRINCIPAL)
    school.sync(by=PROGRAM, anew=True, dry_run=True)
    del school.records["s1"], school.records["s2"]
    school.limits = GuardSettings(max_deactivations=1, floor=0)
    held = school.sync()
    assert held.state == "held"
    school.sync(approves=held.run, by=PRINCIPAL, dry_run=True)
    done = school.sync(approves=held.run, by=PRINCIPAL)
    school.sync(undoes=done.run, by=PRINCIPAL, force=True)
    again = school.sync()
    reject(store, here, again.run, by=OPERATOR)
    with pytest.raises(NothingHeld):
        reject(store, here, again.run, by=OPERATOR)
    assert told(store) == [
        ("skinner", "console", "sync", here, "2", {"full": True}),
        ("token:lunch-1", "api", "sync", here, "3", {"full": True, "anew": True, "dry_run": True}),
        ("skinner", "console", "approve", here, str(held.run), {"run": held.run + 1, "dry_run": True}),
        ("skinner", "console", "approve", here, str(held.run), {"run": done.run}),
        ("skinner", "console", "undo", here, str(done.run), {"run": done.run + 1, "force": True}),
        ("operator", "cli", "reject", here, str(again.run), {}),
    ]


def test_what_a_person_says_of_two_people_and_what_is_purged_is_noted(school: School) -> None:
    store = school.store
    school.sync()
    with store.write() as connection:
        users = tables.ROSTER["user"]
        row = connection.execute(select(users).where(users.c.id == "s1")).one()
        connection.execute(users.insert().values({**row._mapping, "source": "shelbyville"}))
    for state in ("linked", "refused"):
        decide(store, Person("springfield", "s1"), Person("shelbyville", "s1"), state, PRINCIPAL)
    del school.records["s1"]
    school.limits = GuardSettings(max_deactivations="100%", max_deactivations_per_school="100%", floor=1000)
    school.sync()
    at = datetime.now(UTC) + timedelta(days=31)
    policy = {"inactive_days": 30}
    purge.purge(store, lambda _source: policy, at, by=OPERATOR, dry_run=True)
    purge.purge(store, lambda _source: policy, at, by=OPERATOR)
    purge.purge(store, lambda _source: policy, at, by=OPERATOR)
    purge.forget(store, "springfield", "s2", at + timedelta(seconds=1), by=PRINCIPAL, force=True)
    other = {"other_source": "shelbyville", "other_id": "s1"}
    assert told(store) == [
        ("skinner", "console", "links accept", "springfield", "s1", other),
        ("skinner", "console", "links refuse", "springfield", "s1", other),
        ("operator", "cli", "db purge", "springfield", None, {}),
        ("skinner", "console", "db forget", "springfield", "s2", {}),
    ]


def test_each_change_of_an_account_is_noted(school_staff: Store) -> None:
    store = school_staff
    [last] = audit.listed(store, limit=1)
    by: dict[str, Any] = {"by": PRINCIPAL}
    accounts.add(store, "moe", Role.VIEWER, password=None, now=NOW, **by)
    accounts.set_role(store, "moe", Role.OPERATOR, **by)
    accounts.set_role(store, "moe", Role.OPERATOR, **by)
    accounts.set_password(store, "moe", PASSWORD, **by)
    for _ in range(2):
        accounts.disable(store, "moe", now=NOW, **by)
    accounts.enable(store, "moe", **by)
    accounts.remove(store, "moe", **by)
    found = list(audit.listed(store, after=last.id))
    assert {(one.account, one.via, one.source, one.subject) for one in found} == {("skinner", "console", None, "moe")}
    assert [(one.action, one.details) for one in found] == [
        ("account add", {"role": "viewer", "sso": True}),
        ("account role", {"role": "operator", "was": "viewer"}),
        ("account password", {}),
        ("account disable", {}),
        ("account enable", {}),
        ("account remove", {}),
    ]


def test_an_act_that_fails_leaves_no_entry_and_an_entry_that_fails_no_act(school_staff: Store) -> None:
    before = [one.id for one in audit.listed(school_staff)]
    with pytest.raises(ValueError, match="not among the details"), school_staff.write() as connection:
        connection.execute(delete(tables.accounts))
        audit.note(connection, PRINCIPAL, "look", given_name="Lisa")
    with pytest.raises(RuntimeError), school_staff.write() as connection:
        audit.note(connection, PRINCIPAL, "look", source="springfield", subject="s1")
        raise RuntimeError
    assert [one.id for one in audit.listed(school_staff)] == before and len(accounts.listed(school_staff)) == 2


def test_a_note_is_one_statement(school_staff: Store) -> None:
    asked: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    with school_staff.write() as connection:
        event.listen(connection, "before_cursor_execute", count)
        audit.note(connection, PRINCIPAL, "export", source="springfield", kind="users", count=960)
    assert len(asked) == 1 and asked[0].startswith("INSERT INTO audit")


def test_entries_are_found_by_account_and_source_page_by_page_and_from_where_one_left_off(school_staff: Store) -> None:
    store = school_staff
    [last] = audit.listed(store, limit=1)
    with store.write() as connection:
        for number in range(6):
            by = OPERATOR if number % 3 else PROGRAM
            audit.note(connection, by, "sync", source=("springfield", "shelbyville")[number % 2], subject=str(number))

    def found(**wanted: Any) -> list[str | None]:
        return [one.subject for one in audit.listed(store, **wanted)]

    assert found(limit=3) == ["5", "4", "3"]
    third = next(one.id for one in audit.listed(store) if one.subject == "3")
    assert found(before=third, limit=2) == ["2", "1"]
    assert found(after=last.id) == ["0", "1", "2", "3", "4", "5"] and found(after=third, limit=1) == ["4"]
    assert found(account="token:lunch-1", after=last.id) == ["0", "3"]
    assert found(source="shelbyville", account="operator", after=last.id) == ["1", "5"]
    assert found(account="nobody") == []


@pytest.mark.parametrize("change", [update(tables.audit).values(account="nobody"), delete(tables.audit)], ids=["changed", "deleted"])
def test_the_database_itself_lets_nobody_change_or_delete_an_entry(change: Any, school_staff: Store) -> None:
    before = list(audit.listed(school_staff))
    with pytest.raises(StoreError), school_staff.write() as connection:
        connection.execute(change)
    assert list(audit.listed(school_staff)) == before != []
