"""What people ask for in the console, as it is kept: each order is done once, and what it would change is not kept for long."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from syncd.errors import SyncdError
from syncd.order import OrderReport, Previewed
from syncd.report import Mode, State
from syncd.store import Store, due, lease, open_store, orders, pause, runs, tables
from tests import stores
from tests.faults.test_slowed_down import ended
from tests.who import OPERATOR, PRINCIPAL

NAME = "syncd springfield 4711"
CHANGE = Previewed(kind="users", id="u1", action="create", fields={"given_name": (None, "Canaryname")})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(stores.url(tmp_path))


def give(store: Store, what: str = "sync", source: str = "springfield", by: str = "lisa", **options: Any) -> int:
    with store.write() as connection:
        return orders.give(connection, source, what, by=by, **options)


def take(store: Store, number: int, name: str = NAME) -> OrderReport | None:
    with store.write() as connection:
        return orders.take(connection, number, name)


def test_a_second_click_gives_no_second_order_and_who_asks_for_something_else_gets_one(store: Store) -> None:
    first = give(store, mode="full")
    assert give(store, mode=Mode.FULL) == first
    others = [give(store), give(store, mode="full", by="otto"), give(store, mode="full", dry_run=True), give(store, source="shelbyville")]
    assert len({first, *others}) == 5
    assert take(store, first) is not None
    assert give(store, mode="full") not in (first, *others), "that one has begun: who clicks now wants another"
    told = orders.get(store, first)
    assert (told.source, told.what, told.asked_by, told.state, told.taken_by) == ("springfield", "sync", "lisa", "running", NAME)
    assert told.options.mode == "full" and not told.options.dry_run


def test_an_order_names_a_run_of_its_own_source_or_is_refused_at_once(store: Store) -> None:
    ended(store, State.HELD, source="shelbyville")
    for what in ("approve", "undo"):
        with pytest.raises(SyncdError, match="springfield has no run 1"):
            give(store, what, run=1)
        with pytest.raises(SyncdError, match="shelbyville has no run 2"):
            give(store, what, source="shelbyville", run=2)
        with pytest.raises(ValueError, match="a run is named to approve or undo it"):
            give(store, what, source="shelbyville")
    with pytest.raises(ValueError, match="a run is named"):
        give(store, source="shelbyville", run=1)
    with pytest.raises(ValueError):
        give(store, delete_everything=True)
    assert orders.recent(store) == []
    assert give(store, "approve", source="shelbyville", run=1, same={"a": "b"})


def test_an_order_is_taken_by_one_and_can_be_cancelled_only_before(store: Store) -> None:
    taken, cancelled = give(store), give(store, "sync", by="otto")
    with store.write() as connection:
        assert orders.cancel(connection, cancelled, by="lisa")
    assert take(store, taken) is not None and take(store, taken, "another") is None
    assert take(store, cancelled) is None
    with store.write() as connection:
        assert not orders.cancel(connection, taken, by="lisa")
        assert not orders.cancel(connection, cancelled, by="lisa")
    told = orders.get(store, cancelled)
    assert (told.state, told.error) == ("cancelled", "cancelled by lisa before it had begun.")
    assert [order.id for order in orders.waiting(store, "springfield")] == [taken]
    assert [order.id for order in orders.recent(store, "springfield")] == [cancelled, taken]


def test_answers_are_given_before_pulls_and_a_source_gets_one_at_a_time(store: Store) -> None:
    ended(store, State.HELD)
    pull, other = give(store), give(store, source="shelbyville")
    answer, second = give(store, "approve", run=1), give(store, "undo", run=1)

    def following() -> set[int]:
        with store.read() as connection:
            return {order.id for order in orders.following(orders.open_ones(connection))}

    assert following() == {answer, other}
    with store.write() as connection:
        orders.cancel(connection, answer, by="lisa")
    assert following() == {second, other}
    with store.write() as connection:
        orders.cancel(connection, second, by="lisa")
    assert following() == {pull, other}


BECAME = [
    (State.APPLIED, None, "done"),
    (State.HELD, None, "done"),
    (State.PLANNED, None, "done"),
    (State.FAILED, "springfield: sis.example.org answered 503, 5 times in a row.", "done"),
    (State.FAILED, "springfield: the run was asked to stop.", "waiting"),
    (State.FAILED, runs.INTERRUPTED, "waiting"),
    (State.FAILED, f"springfield: {lease.OVERTAKEN} while this one was stopped", "waiting"),
    (None, None, "waiting"),
]


@pytest.mark.fault("X1")
def test_an_order_whose_taker_died_is_done_if_a_run_of_it_was_and_waits_again_if_not(store: Store) -> None:
    for state, error, left in BECAME:
        number = give(store)
        assert take(store, number)
        if state is not None:
            ended(store, state, error=error, asked=number)
        mine = None if state is None else max(run.run for run in runs.recent(store))
        ended(store, State.APPLIED, asked=number + 1_000)
        assert orders.get(store, number).run == mine, "which run has begun is seen while it is at work"
        with store.write() as connection:
            orders.give_back_of_others(connection, NAME)
        assert orders.get(store, number).state == "running", "this process has it"
        with store.write() as connection:
            orders.give_back(connection, NAME)
        told, found = orders.get(store, number), runs.done_for(store, "springfield", number)
        assert (told.state, told.run) == (left, mine if left == "done" else None), (state, error)
        assert (None if found is None else found.run) == told.run
        with store.write() as connection:
            orders.end(connection, number, error="enough")


@pytest.mark.fault("X13")
def test_an_order_that_ends_the_whole_process_again_and_again_is_refused(store: Store) -> None:
    number = give(store)
    for begun in range(orders.TRIES):
        assert orders.get(store, number).state == "waiting", begun
        assert take(store, number)
        with store.write() as connection:
            # Its row is all that a run leaves whose process ends.
            runs.start(connection, "springfield", mode="full", trigger="manual", at=datetime.now(UTC), asked=number)
        with store.write() as connection:
            orders.give_back(connection, NAME)
    told = orders.get(store, number)
    assert (told.state, told.error) == ("refused", "springfield: it was begun 3 times, and ended the whole process each time.")


def test_what_a_dry_run_would_change_can_be_seen_for_a_day_and_no_other_source_loses_it(store: Store) -> None:
    numbers = [give(store, source=source, dry_run=True) for source in ("springfield", "shelbyville")]
    for number, source in zip(numbers, ("springfield", "shelbyville"), strict=True):
        ended(store, State.PLANNED, source=source, asked=number)
        take(store, number)
        with store.write() as connection:
            orders.keep_preview(connection, source, number, [CHANGE, CHANGE])
            orders.keep_preview(connection, source, number, [CHANGE])
        assert orders.preview(store, number) == [], "it is not done"
        with store.write() as connection:
            orders.end(connection, number, run=number)
            orders.drop_old_previews(connection)
        assert orders.preview(store, number) == [CHANGE]
    first, second = numbers
    with store.write() as connection:
        connection.execute(update(tables.orders).where(tables.orders.c.id == first).values(ended_at=datetime.now(UTC) - timedelta(days=1)))
    assert orders.preview(store, first) == [], "its time is over, whether or not anybody has cleared up"
    with store.write() as connection:
        orders.drop_old_previews(connection)
        assert [row.order for row in connection.execute(tables.previews.select())] == [second]
        orders.drop_previews(connection, "shelbyville")
    assert orders.preview(store, second) == []


def test_a_source_can_be_paused_before_its_first_sync_and_the_first_word_stands_until_it_is_resumed(store: Store) -> None:
    with store.write() as connection:
        assert pause.pause(connection, "springfield", by=PRINCIPAL)
        assert not pause.pause(connection, "springfield", by=OPERATOR)
        paused = pause.paused(connection)
    assert [(name, told.by) for name, told in paused.items()] == [("springfield", "skinner")]
    ended(store, State.APPLIED)
    with store.write() as connection:
        assert pause.paused(connection) == paused, "a run by hand changes nothing in that"
        assert pause.resume(connection, "springfield", by=OPERATOR) and not pause.resume(connection, "springfield", by=OPERATOR)
        assert pause.paused(connection) == {}


def test_what_one_daemon_tells_of_its_next_pulls_takes_the_place_of_all_that_was_told_before(store: Store) -> None:
    soon, later = datetime.now(UTC) + timedelta(minutes=15), datetime.now(UTC) + timedelta(hours=9)
    with store.write() as connection:
        due.publish(connection, {"gone": due.Times("", soon, None), "springfield": due.Times("", later, None)}, alone=True)
        due.publish(connection, {"springfield": due.Times("", soon, later), "shelbyville": due.Times("", later, None)}, alone=True)
    assert due.next_times(store) == {"springfield": (soon, later), "shelbyville": (later, None)}
    with store.write() as connection:
        due.publish(connection, {"springfield": None, "shelbyville": due.Times("", soon, later)})
    assert due.next_times(store) == {"shelbyville": (soon, later)}
