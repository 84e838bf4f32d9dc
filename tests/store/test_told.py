"""What the store keeps for those who are told outside, on either database: running totals, deliveries, and what people know already."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.errors import StoreError
from syncd.report import Mode, State
from syncd.store import Store, deliveries, notices, open_store, runs, standing, tallies
from syncd.store.deliveries import Channel, Delivered, Outcome
from syncd.store.notices import Kept, Key
from tests import stores
from tests.notices.district import Books, counted

HUGE = 6_000_000_000


def test_totals_grow_run_by_run_and_how_a_source_stands_is_found_from_its_end(tmp_path: Path) -> None:
    books = Books(tmp_path)
    for _ in range(2):
        books.run(bytes=HUGE, answers={"200": 3, "429": 1}, retries=1, counts=counted(created=2), seconds=2)
    good = books.run("shelbyville", mode=Mode.INCREMENTAL)
    books.fail("shelbyville", 2)
    found = {(tally.source, tally.name, tally.label): tally.value for tally in tallies.all_of(books.store)}
    assert found["springfield", "bytes", ""] == 2 * HUGE and found["springfield", "requests", "429"] == 2
    assert found["springfield", "changed", "users created"] == 4 and found["springfield", "milliseconds", "full"] == 4000
    assert found["shelbyville", "runs", "full schedule failed"] == 2
    stands = standing.of_all(books.store)
    assert stands["shelbyville"].good and stands["shelbyville"].good.run == good.run
    assert [pull.run for pull in stands["shelbyville"].failures] == [good.run + 2, good.run + 1]
    assert stands["springfield"].since == [] and standing.last_good(books.store, Mode.FULL).keys() == {"springfield"}
    books.hold()
    assert [report.source for report in runs.held_now(books.store)] == ["springfield"]
    books.store.close()


def due(store: Store, at: datetime) -> list[str]:
    with store.read() as connection:
        return [delivery.about for delivery in deliveries.due(connection, Channel.WEBHOOK, "portal", at, 10)]


def test_a_delivery_is_due_in_its_turn_until_it_has_arrived(tmp_path: Path) -> None:
    store, at = open_store(stores.url(tmp_path)), datetime.now(UTC)

    def tried(outcome: Outcome) -> bool:
        with store.write() as connection:
            first = deliveries.due(connection, Channel.WEBHOOK, "portal", at, 1)[0]
            assert deliveries.begin(connection, first, at) and not deliveries.begin(connection, first, at)
            return deliveries.end(connection, first, outcome, at)

    with store.write() as connection:
        for _ in range(2):
            assert deliveries.introduce(connection, Channel.WEBHOOK, ["portal"], at) == {"portal": at}
        for source, about in (("springfield", "run 1"), ("springfield", "run 2"), ("shelbyville", "run 3")):
            deliveries.add(connection, Channel.WEBHOOK, "portal", source=source, about=about, body="{}", at=at)
    assert due(store, at) == ["run 1", "run 3"]
    assert not tried(Outcome(arrived=False, status=500))
    assert due(store, at) == ["run 3"]
    assert not tried(Outcome(arrived=True, status=204))
    assert due(store, at) == [] and due(store, at + timedelta(seconds=10)) == ["run 1"]
    for minutes, down in ((1, False), (3, False), (9, True)):
        at += timedelta(minutes=minutes)
        assert tried(Outcome(arrived=False)) is down
    assert due(store, at) == [] and due(store, at + timedelta(hours=1)) == ["run 1"]
    assert [(one.about, one.state) for one in deliveries.listed(store)][-1] == ("run 3", Delivered.SENT)
    assert deliveries.counts(store) == {(Channel.WEBHOOK, Delivered.WAITING): 2}
    at += timedelta(days=1)
    tried(Outcome(arrived=False))
    assert deliveries.dead(store, Channel.WEBHOOK) == {"portal": 1}
    assert deliveries.again(store, 1, at).tries == 0 and due(store, at) == ["run 1"]
    tried(Outcome(arrived=True, status=200))
    with pytest.raises(StoreError, match="delivery 1 has arrived"):
        deliveries.again(store, 1, at)
    assert deliveries.clear(store, at + timedelta(days=2)) == 2
    store.close()


def test_what_people_know_is_kept_and_what_is_over_goes(tmp_path: Path) -> None:
    store, at = open_store(stores.url(tmp_path)), datetime.now(UTC)
    failing, held = Key("springfield", "failing", ""), Key("springfield", "held", "users deactivate max_deactivations")
    with store.write() as connection:
        notices.keep(connection, {failing: Kept(at, 3), held: Kept(at, 412, told_at=at)}, ())
    with store.write() as connection:
        notices.keep(connection, {held: Kept(at, 412, told_at=at, reminded_at=at)}, {failing})
    with store.read() as connection:
        assert notices.kept(connection) == {held: Kept(at, 412, told_at=at, reminded_at=at)}
    store.close()


def test_a_run_is_reported_once_its_links_are_looked_for(tmp_path: Path) -> None:
    books = Books(tmp_path)
    report = books.run()
    with books.store.write() as connection:
        assert runs.unreported(connection, books.now, 10) == []
        settled = books.now + runs.SETTLED
        assert [one.run for one in runs.unreported(connection, settled, 10)] == [report.run]
        connection.exec_driver_sql("UPDATE sources SET people = 'district'")
        assert runs.unreported(connection, settled, 10) == []
        assert [one.run for one in runs.unreported(connection, books.now + runs.LINKED, 10)] == [report.run]
        connection.exec_driver_sql(f"UPDATE sources SET linked_run = {report.run}")
        [found] = runs.unreported(connection, settled, 10)
        assert found == runs.get(books.store, report.run) and found.state == State.APPLIED
        runs.set_reported(connection, [report.run])
        assert runs.unreported(connection, settled, 10) == []
    books.store.close()
