"""One daemon, its schedules and what people ask for beside: who waits for whom, and what others can see of it."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.daemon import breaker
from syncd.daemon.scheduler import Scheduler
from syncd.errors import StoreError
from syncd.report import Mode, RunReport, State
from syncd.settings import kept
from syncd.settings.file import load
from syncd.store import Store, due, open_store, orders, pause, runs
from tests.faults.test_process import until
from tests.faults.test_slowed_down import BEGAN, AtWork, ended
from tests.who import OPERATOR

SOURCE = '[sources.{name}]\nconnector = "clever"\ntoken = {{ env = "PROCESS_TOKEN" }}\nschedule = "{schedule}"\nenabled = {enabled}\n'
NEVER = "0 2 29 2 *"


class Daemon:
    """A scheduler whose runs are the test's."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "syncd.toml"
        self.store: Store = open_store(f"sqlite:///{folder}/roster.db")
        self.scheduler: Any = None

    def start(self, *names: str, disabled: tuple[str, ...] = (), schedule: str = NEVER, workers: int = 1) -> Scheduler:
        sources = [SOURCE.format(name=name, schedule=schedule, enabled=str(name not in disabled).lower()) for name in (*names, *disabled)]
        self.config.write_text(f"workers = {workers}\n" + "".join(sources))
        self.scheduler = Scheduler(self.store, load(self.config))
        self.scheduler.start()
        return self.scheduler

    def asks(self, source: str, what: str = "sync", **options: Any) -> int:
        with self.store.write() as connection:
            return orders.give(connection, source, what, by="lisa", **options)

    def state(self, number: int) -> str:
        return orders.get(self.store, number).state

    def becomes(self, number: int, state: str) -> None:
        until(lambda: self.state(number) == state)


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    monkeypatch.setenv("PROCESS_TOKEN", "canary-token-4711")
    monkeypatch.setattr("syncd.daemon.service.LOOK", 0.05)
    made = Daemon(tmp_path)
    yield made
    if made.scheduler:
        made.scheduler.stop()


@pytest.fixture
def at_work(monkeypatch: pytest.MonkeyPatch) -> AtWork:
    made = AtWork()
    for where in ("scheduler", "orders"):
        monkeypatch.setattr(f"syncd.daemon.{where}.run", made)
    return made


def test_an_answer_waits_for_no_pull_and_outlives_a_new_configuration(daemon: Daemon, at_work: AtWork) -> None:
    ended(daemon.store, State.HELD, source="small")
    scheduler = daemon.start("huge", disabled=("small",))
    until(lambda: at_work.began)
    answer, unknown = daemon.asks("small", "approve", run=1), daemon.asks("ogdenville")
    until(lambda: "small" in at_work.began)
    assert daemon.state(answer) == "running"
    scheduler.apply(load(daemon.config))
    daemon.becomes(unknown, "refused")
    assert "has no source 'ogdenville'" in str(orders.get(daemon.store, unknown).error)
    assert daemon.state(answer) == "running"
    at_work.go_on["small"].set()
    daemon.becomes(answer, "done")
    assert at_work.began == ["huge", "small"], "the only place is taken all the time"
    at_work.go_on["huge"].set()


def test_a_long_pull_that_a_person_asked_for_is_the_first_in_line(daemon: Daemon, at_work: AtWork) -> None:
    daemon.start("huge-1", "huge-2", disabled=("huge-3",), workers=2)
    until(lambda: len(at_work.began) == 1)
    number = daemon.asks("huge-3")
    until(lambda: len(daemon.scheduler._long._line) == 2)
    assert daemon.state(number) == "waiting", "it can still be cancelled"
    at_work.go_on[at_work.began[0]].set()
    until(lambda: len(at_work.began) == 2)
    assert at_work.began[1] == "huge-3" and daemon.state(number) == "running"
    at_work.go_on["huge-3"].set()
    until(lambda: len(at_work.began) == 3)
    at_work.go_on[at_work.began[2]].set()


def test_what_is_asked_of_a_source_that_was_set_up_a_moment_ago_is_done_before_the_daemon_has_taken_it_over(
    daemon: Daemon, at_work: AtWork
) -> None:
    daemon.start()
    entered = {"connector": "clever", "schedule": NEVER}
    settings = load(daemon.config)
    assert kept.save(settings, daemon.store, "springfield", entered, {"token": "pasted-4711"}, by="lisa", at=datetime.now(UTC)) == []
    number, unknown = daemon.asks("springfield"), daemon.asks("ogdenville")
    until(lambda: at_work.began == ["springfield"])
    daemon.becomes(unknown, "refused")
    at_work.go_on["springfield"].set()
    daemon.becomes(number, "done")
    kept.remove(daemon.store, "springfield", by="lisa", at=datetime.now(UTC))
    daemon.becomes(daemon.asks("springfield"), "refused")


@pytest.mark.fault("X9")
def test_a_daemon_that_is_stopped_leaves_what_it_was_at_and_what_waits_to_the_next_one(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(store: Store, order: Any, context: Any) -> RunReport:
        assert context.stop.wait(60)
        ended(store, State.FAILED, source=order.source, error=f"{order.source}: {runs.STOPPED}.", asked=order.asked)
        return runs.recent(store, order.source, 1)[0]

    monkeypatch.setattr("syncd.daemon.orders.run", run)
    daemon.start(disabled=("springfield", "shelbyville"))
    numbers = [daemon.asks("springfield"), daemon.asks("shelbyville")]
    until(lambda: "running" in map(daemon.state, numbers))
    daemon.scheduler.stop()
    daemon.scheduler = None
    assert [daemon.state(number) for number in numbers] == ["waiting", "waiting"]


@pytest.mark.fault("X4")
def test_an_order_of_which_nobody_could_say_what_became_is_seen_to_again(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[State] = []

    def run(store: Store, order: Any, _context: Any) -> RunReport:
        done = runs.done_for(store, order.source, order.asked)
        if done is not None:
            return done
        tries.append(State.APPLIED if tries else State.RUNNING)
        if len(tries) == 1:
            raise StoreError("the store roster.db could not be used (57P01).")
        ended(store, State.APPLIED, source=order.source, asked=order.asked)
        raise StoreError("the store roster.db could not be used (57P01).")

    monkeypatch.setattr("syncd.daemon.orders.run", run)
    daemon.start(disabled=("springfield",))
    number = daemon.asks("springfield")
    daemon.becomes(number, "done")
    assert len(tries) == 2 and orders.get(daemon.store, number).run == 1


def test_a_full_pull_that_fell_due_while_a_source_was_paused_is_made_up_for(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled: list[Mode] = []
    go_on = threading.Event()

    def run(_store: Store, order: Any, _context: Any) -> RunReport:
        pulled.append(order.mode)
        assert go_on.wait(60)
        return RunReport(run=9, source=order.source, mode=order.mode, trigger=order.trigger, state=State.APPLIED, started_at=BEGAN)

    monkeypatch.setattr("syncd.daemon.scheduler.run", run)
    now = datetime.now(UTC)
    ended(daemon.store, State.APPLIED, at=now - timedelta(days=2))
    ended(daemon.store, State.APPLIED, at=now, mode=Mode.INCREMENTAL)
    scheduler = daemon.start("springfield", schedule="every 15 minutes")
    until(lambda: due.next_times(daemon.store))
    ((pull_at, full_at),) = due.next_times(daemon.store).values()
    assert now + timedelta(minutes=10) < pull_at < now + timedelta(minutes=17)
    assert full_at and now < full_at < now + timedelta(hours=24, minutes=2)
    with daemon.store.write() as connection:
        pause.pause(connection, "springfield", by=OPERATOR)
    until(lambda: scheduler._paused)
    scheduler._pull("springfield", Mode.FULL)
    assert pulled == [] and due.next_times(daemon.store) == {"springfield": (pull_at, full_at)}
    with daemon.store.write() as connection:
        pause.resume(connection, "springfield", by=OPERATOR)
    until(lambda: pulled)
    assert pulled == [Mode.FULL]
    until(lambda: due.next_times(daemon.store)["springfield"][0] > now + timedelta(minutes=10))
    go_on.set()


def test_what_a_person_asks_for_is_done_although_the_source_is_left_alone(daemon: Daemon, at_work: AtWork) -> None:
    for _ in range(9):
        ended(daemon.store, State.FAILED, at=datetime.now(UTC), error="answered 503")
    daemon.start("springfield")
    assert breaker.suspicion(runs.latest_pulls(daemon.store, "springfield"), datetime.now(UTC)).until
    number = daemon.asks("springfield")
    until(lambda: at_work.began)
    at_work.go_on["springfield"].set()
    daemon.becomes(number, "done")
