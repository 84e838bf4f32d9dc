"""Staging tables that a run leaves to the next one: they are empty, nobody else's, and gone when anything went wrong."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, func, insert, select, text

from syncd.store import Store, open_store
from syncd.sync import staging
from syncd.sync.staging import STAGED, metadata, planned
from tests import stores


@pytest.fixture
def store() -> Iterator[Store]:
    found = open_store(stores.server().fresh(), kept=1)
    yield found
    found.close()


def fill(connection: Connection, people: int) -> None:
    with connection.begin():
        rows = [{"id": f"u{number}", "gone": False, "resource": "users", "given_name": "Vera"} for number in range(people)]
        connection.execute(insert(STAGED["user"]), rows)
        connection.execute(insert(planned), [{"kind": "user", "record_id": "u1", "action": "create"}])
        # A large text lies beside its table.
        connection.execute(insert(staging.staged_waiting), [{"id": "e1", "resource": "enrollments", "record": {"note": "x" * 50_000}}])
    staging.index(connection)
    with connection.begin():
        staging.index_people(connection)


def backend(connection: Connection) -> int:
    with connection.begin():
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def rows(connection: Connection) -> int:
    with connection.begin():
        return sum(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in metadata.sorted_tables)


def test_the_next_run_takes_them_up_and_finds_them_empty_to_the_last_byte(store: Store) -> None:
    with staging.session(store) as connection:
        fill(connection, 50)
        first = backend(connection)
        assert rows(connection) == 52
    for _ in range(3):
        with staging.session(store) as connection:
            assert (backend(connection), rows(connection)) == (first, 0)
            with connection.begin():
                bytes_left = connection.execute(
                    text(
                        "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relkind IN ('r', 't') "
                        "AND (relnamespace = pg_my_temp_schema() OR relnamespace::regnamespace::text LIKE 'pg_toast_temp%')"
                    )
                ).scalar_one()
            assert bytes_left == 0
            fill(connection, 3)
    with staging.session(store) as connection:
        staging.unindex(connection)
        with connection.begin():
            indexes = connection.execute(
                text("SELECT indexname FROM pg_indexes WHERE tablename = 'staged_users' AND indexname LIKE 'ix%'")
            ).all()
        assert indexes == [], "before much is staged"


def test_what_ended_badly_or_was_large_is_left_to_nobody(store: Store) -> None:
    with pytest.raises(RuntimeError), staging.session(store) as connection:
        fill(connection, 5)
        first = backend(connection)
        raise RuntimeError
    with staging.session(store) as connection:
        assert (rows(connection), backend(connection) == first) == (0, False)
        second = backend(connection)
        fill(connection, 20_000)
    with staging.session(store) as connection:
        assert (rows(connection), backend(connection) == second) == (0, False)


def test_two_runs_at_the_same_time_have_tables_of_their_own(store: Store) -> None:
    with staging.session(store) as one, staging.session(store) as other:
        fill(one, 5)
        assert (rows(one), rows(other)) == (7, 0)


def test_a_server_that_ended_the_connection_meanwhile_is_asked_for_another(store: Store) -> None:
    with staging.session(store) as connection:
        pid = backend(connection)
    with store.write() as connection:
        assert connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid}).scalar_one()
    with staging.session(store) as connection:
        assert rows(connection) == 0 and backend(connection) != pid
