"""What is peculiar to a store in PostgreSQL: its locks, its answers that get lost, its conflicts, and moving there. That everything else
holds on it too, the journeys show: `pytest --store postgresql`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import OperationalError

from syncd.errors import AlreadyRunning, ConfigError, DaemonRunning, StoreError
from syncd.sandbox import District, Sandbox, running
from syncd.settings.file import load
from syncd.store import Store, accounts, audit, bulk, lease, open_store, roster, runs
from syncd.store.move import move
from syncd.store.tables import ROSTER, metadata
from syncd.sync import run as run_module
from tests import stores
from tests.commands import syncd
from tests.journeys.synced import Synced
from tests.store.conftest import later
from tests.who import PRINCIPAL

CLEVER = "clever-3.1"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running(District.generate(students=40, seed=71)) as served:
        yield served


@pytest.fixture
def source(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Synced:
    found = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
    found.store = open_store(stores.server().fresh())
    assert found.sync().state == "applied"
    return found


def rows(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but the runs' own and their totals."""
    with store.read() as connection:
        tables = [table for table in metadata.sorted_tables if table.name not in ("runs", "run_log", "sources", "tallies")]
        return {table.name: sorted(map(tuple, connection.execute(select(table))), key=repr) for table in tables}


# ── the first rows of all ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("read_meanwhile", [False, True])
def test_the_first_pull_of_all_leaves_every_index_and_waits_for_no_reader(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_meanwhile: bool
) -> None:
    monkeypatch.setattr(bulk, "MANY", 5)
    source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
    source.store = open_store(stores.server().fresh())
    made: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        made.extend([statement] if "CREATE INDEX ix_users" in statement else [])

    event.listen(source.store.engine, "before_cursor_execute", note)
    with source.store.read() as reader:
        if read_meanwhile:
            reader.execute(select(ROSTER["user"])).all()
        assert source.sync().state == "applied"
    assert bool(made) is not read_meanwhile
    with source.store.read() as connection:
        there = set(connection.execute(text("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")).scalars())
    assert {str(index.name) for table in metadata.tables.values() for index in table.indexes} <= there


# ── one run at a time ────────────────────────────────────────────────────────────────────────────────


def test_two_connections_can_not_hold_one_source_and_others_are_free(source: Synced) -> None:
    with lease.hold(source.store, "springfield"):
        assert lease.is_held(source.store, "springfield") and not lease.is_held(source.store, "shelbyville")
        with pytest.raises(AlreadyRunning, match=r"process \d+"), lease.hold(source.store, "springfield"):
            pass
        with lease.hold(source.store, "shelbyville"):
            pass
    assert not lease.is_held(source.store, "springfield")
    with lease.serve_alone(source.store), pytest.raises(DaemonRunning), lease.serve_alone(source.store):
        pass


def test_a_lock_that_was_given_back_can_be_taken_at_once(source: Synced) -> None:
    for _ in range(50):
        with lease.hold(source.store, "springfield"):
            pass


def test_the_lock_of_a_process_that_was_killed_is_free(source: Synced) -> None:
    url = source.store.engine.url.render_as_string(hide_password=False)
    held = "from syncd.store import open_store, lease; import sys, time\n"
    held += "with lease.hold(open_store(sys.argv[1]), 'springfield'): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", held, url], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning):
            source.sync()
        os.kill(other.pid, signal.SIGKILL)
        other.wait(30)
    for _ in range(100):
        if not lease.is_held(source.store, "springfield"):
            break
        time.sleep(0.1)
    assert source.sync().state == "applied"


# ── when the server breaks off ───────────────────────────────────────────────────────────────────────


def _end(store: Store, connection: Any) -> None:
    """End a connection as an administrator or a failover does."""
    with psycopg.connect(host=store.engine.url.query["host"], user="postgres", dbname=store.name, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (connection.connection.driver_connection.info.backend_pid,))


@pytest.mark.fault("X4")
def test_a_connection_that_drops_in_the_transaction_leaves_the_roster_as_it_was(source: Synced) -> None:
    before = rows(source.store)
    source.sandbox.day(1)

    def drop(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO changes"):
            event.remove(source.store.engine, "before_cursor_execute", drop)
            _end(source.store, connection)

    event.listen(source.store.engine, "before_cursor_execute", drop)
    report = source.sync()
    assert report.state == "failed" and report.error and "being shut down" in report.error
    assert rows(source.store) == before
    assert source.sync().state == "applied" and source.differences() == []


@pytest.mark.fault("X4")
def test_a_commit_whose_answer_is_lost_is_not_told_as_failed(source: Synced) -> None:
    source.sandbox.day(1)

    def commit_and_drop(connection: Any) -> None:
        mine = connection.connection.driver_connection
        if connection.execute(text("SELECT to_regclass('pg_temp.planned') IS NOT NULL")).scalar() and applied(connection):
            event.remove(source.store.engine, "commit", commit_and_drop)
            mine.commit()
            _end(source.store, connection)

    def applied(connection: Any) -> bool:
        return connection.execute(text("SELECT count(*) FROM runs WHERE id = 2 AND state = 'applied'")).scalar() == 1

    event.listen(source.store.engine, "commit", commit_and_drop)
    report = source.sync()
    assert (report.run, report.state, report.error) == (2, "applied", None)
    assert runs.get(source.store, 2).state == "applied"
    assert source.differences() == []
    again = source.sync()
    assert sum(counts.created + counts.updated + counts.deactivated for counts in again.counts.values()) == 0


@pytest.mark.fault("X5")
def test_a_deadlock_is_tried_again_whole_and_a_few_times_only(source: Synced, monkeypatch: pytest.MonkeyPatch) -> None:
    source.sandbox.day(1)
    tries, whole = [], run_module.apply

    def in_the_way(times: int) -> Any:
        def apply(*arguments: Any) -> None:
            whole(*arguments)
            tries.append(1)
            if len(tries) <= times:
                raise OperationalError("UPDATE", {}, psycopg.errors.DeadlockDetected("deadlock detected"))

        return apply

    before = rows(source.store)
    monkeypatch.setattr(run_module, "apply", in_the_way(times=9))
    report = source.sync()
    assert report.state == "failed" and report.error and "run again" in report.error
    assert (len(tries), rows(source.store)) == (run_module.APPLY_TRIES, before)
    tries.clear()
    monkeypatch.setattr(run_module, "apply", in_the_way(times=1))
    assert source.sync().state == "applied" and len(tries) == 2
    assert source.differences() == []


def test_a_server_that_is_not_there_a_refused_user_and_a_missing_database_are_told_apart(
    source: Synced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncd.store.postgresql.TRIES", 1)
    with pytest.raises(StoreError, match=r"is it running, and is \[store\] url right"):
        open_store(f"postgresql://nobody@/roster?host={tmp_path}")
    good = source.store.engine.url
    with pytest.raises(StoreError, match="There is no such database"):
        open_store(good.set(database="missing").render_as_string())
    with pytest.raises(StoreError, match="refused the sign-in"):
        open_store(good.set(username="stranger").render_as_string())
    with pytest.raises(ConfigError, match="is not supported"):
        open_store("mysql://localhost/roster")


# ── moving there ─────────────────────────────────────────────────────────────────────────────────────


def test_a_store_moves_whole_and_the_runs_go_on(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Synced(sandbox, tmp_path, CLEVER, monkeypatch)
    source.store = open_store(f"sqlite:///{tmp_path}/old.db")
    source.sync()
    sandbox.rehearse("mass-removal")
    held = source.sync()
    assert held.state == "held"
    old, new = source.store, open_store(stores.server().fresh())
    moved = move(old, new)
    assert moved["users"] == len(list(roster.records(old, "user", status="all"))) > 0
    assert moved["held_changes"] > 0
    assert rows(new) == rows(old)
    source.store = new
    approved = source.approve(held.run)
    assert (approved.state, approved.run, approved.left_out) == ("applied", 3, 0)
    assert source.differences() == []
    with pytest.raises(StoreError, match="is not empty"):
        move(old, new)


def test_accounts_sessions_and_the_log_move_along_and_the_log_goes_on(school_staff: Store) -> None:
    new = open_store(stores.server().fresh())
    moved = move(school_staff, new)
    assert moved["accounts"] == 2 and moved["audit"] == len(list(audit.listed(school_staff)))
    assert list(audit.listed(new)) == list(audit.listed(school_staff)) and accounts.listed(new) == accounts.listed(school_staff)
    [last] = audit.listed(new, limit=1)
    accounts.disable(new, "chalmers", by=PRINCIPAL, now=later(days=1))
    [newest] = audit.listed(new, limit=1)
    assert (newest.id, newest.action) == (last.id + 1, "account disable")
    with pytest.raises(StoreError), new.write() as connection:
        connection.execute(text("TRUNCATE audit"))


def test_a_move_that_does_not_come_out_the_same_leaves_nothing(source: Synced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = open_store(stores.server().fresh())
    with other.write() as connection:
        connection.execute(
            text("CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.status := 'inactive'; RETURN NEW; END $$")
        )
        connection.execute(text("CREATE TRIGGER spoil BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION spoil()"))
    with pytest.raises(StoreError, match="the table users is not the same"):
        move(source.store, other)
    assert not any(rows(other).values())
    with lease.hold(source.store, "springfield"), pytest.raises(AlreadyRunning):
        move(source.store, other)


def test_migrate_on_the_command_line(source: Synced, tmp_path: Path) -> None:
    old, new = (store.engine.url.render_as_string() for store in (source.store, open_store(stores.server().fresh())))
    config = tmp_path / "syncd.toml"
    config.write_text(f'[store]\nurl = "{old}"\n')
    for to, code, told in ((new, 0, "each was compared"), (new, 1, "is not empty"), ("postgresql://u:secret-word@h/d", 2, "command line")):
        done = syncd(config, "db", "migrate", "--to", to)
        assert done.code == code and told in done.out + done.err
        assert "secret-word" not in done.out + done.err


def test_a_password_comes_from_a_secret_and_never_stands_in_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "syncd.toml"
    config.write_text('[store]\nurl = "postgresql://syncd:letmein-word@db.example.org/roster"\n')
    with pytest.raises(ConfigError, match="a password may not stand in it") as refused:
        load(config)
    assert "letmein-word" not in str(refused.value)
    monkeypatch.setenv("ROSTER_PASSWORD", "p@ss/word")
    config.write_text('[store]\nurl = "postgresql://syncd@db.example.org/roster"\npassword = { env = "ROSTER_PASSWORD" }\n')
    assert load(config).store_url == "postgresql://syncd:p%40ss%2Fword@db.example.org/roster"
    monkeypatch.delenv("ROSTER_PASSWORD")
    with pytest.raises(ConfigError, match="ROSTER_PASSWORD is not set"):
        load(config)


def test_connections_that_are_kept_for_reading_see_what_is_new_and_outlive_the_servers_end_of_them() -> None:
    url = stores.server().fresh()
    writer, reader = open_store(url), open_store(url, kept=2)
    pids = set()
    for number in range(4):
        with writer.write() as connection:
            connection.execute(text(f"INSERT INTO sources (name, epoch) VALUES ('source-{number}', 0)"))
        with reader.read() as connection:
            assert connection.execute(text("SELECT count(*) FROM sources")).scalar_one() == number + 1
            pids.add(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
    assert len(pids) == 1, "one connection is enough for who asks one after the other"
    with writer.write() as connection:
        assert connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pids.pop()}).scalar_one()
    with reader.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM sources")).scalar_one() == 4
    for store in (writer, reader):
        store.close()
