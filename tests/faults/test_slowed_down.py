"""A source that fails again and again is asked less often, and a huge one does not keep the small ones waiting."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.daemon import breaker, places
from syncd.daemon.scheduler import Scheduler
from syncd.errors import AlreadyRunning
from syncd.report import Mode, RunReport, State, Trigger
from syncd.sandbox import District, running
from syncd.settings.file import load
from syncd.store import Store, open_store, runs
from tests import stores
from tests.commands import Commands
from tests.faults.test_process import Installed, until

BEGAN = datetime(2026, 11, 23, 8, tzinfo=UTC)
SOURCE = '[sources.{name}]\nconnector = "clever"\ntoken = {{ env = "PROCESS_TOKEN" }}\nschedule = "0 2 29 2 *"\n'


def ended(
    store: Store,
    state: State,
    *,
    source: str = "springfield",
    at: datetime = BEGAN,
    minutes: float = 0,
    mode: Mode = Mode.FULL,
    trigger: Trigger = Trigger.SCHEDULE,
    error: str | None = None,
    asked: int | None = None,
) -> None:
    """A run that came to its end so many minutes after it began. asked: of the order that it was for."""
    with store.write() as connection:
        number, _ = runs.start(connection, source, mode=mode, trigger=trigger, at=at, asked=asked)
        report = RunReport(run=number, source=source, mode=mode, trigger=trigger, state=state, started_at=at, error=error)
        report.finished_at = at + timedelta(minutes=minutes)
        runs.finish(connection, report)


def left_alone(store: Store, at: datetime, source: str = "springfield") -> datetime | None:
    return breaker.suspicion(runs.latest_pulls(store, source), at).until


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(stores.url(tmp_path))


# ── a source that fails ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.fault("H4")
@pytest.mark.parametrize(("failures", "minutes"), [(2, 0), (3, 5), (4, 10), (5, 20), (8, 160), (9, 240), (18, 240)])
def test_a_source_that_fails_again_and_again_is_left_alone_for_longer_each_time(failures: int, minutes: int, store: Store) -> None:
    for _ in range(failures):
        ended(store, State.FAILED, minutes=3, error="answered 503")
    over = BEGAN + timedelta(minutes=3 + minutes)
    assert left_alone(store, over - timedelta(seconds=1)) == (over if minutes else None)
    assert left_alone(store, over) is None
    # A clock that was wrong then, or is now, decides nothing.
    assert left_alone(store, BEGAN - timedelta(days=1)) is None


@pytest.mark.fault("H4")
@pytest.mark.parametrize("good", [State.APPLIED, State.HELD, State.PLANNED])
def test_one_good_run_sets_everything_right(good: State, store: Store) -> None:
    for _ in range(9):
        ended(store, State.FAILED, error="answered 503")
    assert left_alone(store, BEGAN)
    ended(store, good, trigger=Trigger.MANUAL)
    assert left_alone(store, BEGAN) is None
    ended(store, State.FAILED, error="answered 503")
    assert left_alone(store, BEGAN) is None


@pytest.mark.fault("H4")
def test_runs_that_were_stopped_and_those_that_ask_nobody_tell_nothing_of_the_source(store: Store) -> None:
    for error in ("answered 503", "springfield: the run was asked to stop.", "answered 503"):
        ended(store, State.FAILED, error=error)
    assert left_alone(store, BEGAN) is None
    ended(store, State.APPLIED, trigger=Trigger.APPROVE)
    ended(store, State.FAILED, trigger=Trigger.UNDO, error="later runs changed the same records")
    assert left_alone(store, BEGAN) is None
    ended(store, State.FAILED, error="answered 503")
    assert left_alone(store, BEGAN)


@pytest.mark.fault("H4")
def test_status_says_when_it_is_tried_next_and_a_run_by_hand_tries_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=20, seed=42)) as sandbox:
        syncd = Commands(sandbox, tmp_path, monkeypatch)
        began = datetime.now(UTC)
        for _ in range(5):
            ended(open_store(stores.url(tmp_path)), State.FAILED, at=began, error="answered 503")
        told = " ".join(syncd("status").out.split())
        assert f"its last 5 runs failed: left alone until {began + timedelta(minutes=20):%Y-%m-%d %H:%M}" in told
        assert syncd("sync", "springfield").code == 0
        assert "left alone" not in syncd("status").out


@pytest.mark.fault("H4")
def test_what_was_left_out_meanwhile_is_made_up_for_when_the_time_is_over(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    installed.configure(("springfield",), schedule="0 2 29 2 *")
    store = installed.store
    for _ in range(breaker.TRIES):
        ended(store, State.FAILED, at=datetime.now(UTC), error="answered 503")
    pulled: list[Mode] = []

    def at_work(_store: Store, order: Any, _context: Any) -> RunReport:
        pulled.append(order.mode)
        return RunReport(run=9, source="springfield", mode=order.mode, trigger=order.trigger, state=State.APPLIED, started_at=BEGAN)

    monkeypatch.setattr("syncd.daemon.scheduler.run", at_work)
    monkeypatch.setattr(breaker, "SHORTEST_OF_FAILED", timedelta(seconds=1))
    scheduler = Scheduler(store, load(installed.config))
    scheduler._pull("springfield", Mode.FULL)
    assert pulled == []
    scheduler.start()
    try:
        until(lambda: pulled)
    finally:
        scheduler.stop()
    assert set(pulled) == {Mode.FULL}


def test_a_full_pull_that_met_another_run_is_made_up_for_by_the_next(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody synced one school at two in the morning."""
    installed.configure(("springfield",))
    pulled: list[Mode] = []

    def busy_at_first(_store: Store, order: Any, _context: Any) -> RunReport:
        pulled.append(order.mode)
        if len(pulled) == 1:
            raise AlreadyRunning("springfield: a run is going on.")
        return RunReport(run=9, source="springfield", mode=order.mode, trigger=order.trigger, state=State.APPLIED, started_at=BEGAN)

    monkeypatch.setattr("syncd.daemon.scheduler.run", busy_at_first)
    scheduler = Scheduler(installed.store, load(installed.config))
    for mode in (Mode.FULL, Mode.INCREMENTAL, Mode.INCREMENTAL):
        scheduler._pull("springfield", mode)
    assert pulled == [Mode.FULL, Mode.FULL, Mode.INCREMENTAL]


# ── a source that is huge ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    with running(District.generate(students=20, seed=41)) as sandbox:
        monkeypatch.setenv("PROCESS_TOKEN", sandbox.token)
        yield Installed(tmp_path, sandbox)


@pytest.mark.parametrize(
    ("minutes", "mode", "asked", "long"),
    [
        (0.9, Mode.FULL, Mode.FULL, False),
        (1.1, Mode.FULL, Mode.FULL, True),
        (1.1, Mode.FULL, Mode.INCREMENTAL, True),
        (0.9, Mode.INCREMENTAL, Mode.INCREMENTAL, False),
        (0.9, Mode.INCREMENTAL, Mode.FULL, True),  # a first full pull
    ],
)
def test_a_pull_is_long_by_the_sources_own_last_ones(minutes: float, mode: Mode, asked: Mode, long: bool, store: Store) -> None:
    assert places.is_long(runs.latest_pulls(store, "springfield"), asked)
    ended(store, State.APPLIED, minutes=minutes, mode=mode)
    assert places.is_long(runs.latest_pulls(store, "springfield"), asked) == long


def test_a_source_that_fails_after_a_long_time_is_long_and_one_that_fails_at_once_is_as_before(store: Store) -> None:
    ended(store, State.APPLIED, minutes=0.1)
    ended(store, State.FAILED, minutes=0.1, error="answered 503")
    assert not places.is_long(runs.latest_pulls(store, "springfield"), Mode.FULL)
    ended(store, State.FAILED, minutes=9, error="answered 503")
    assert places.is_long(runs.latest_pulls(store, "springfield"), Mode.FULL)


class AtWork:
    """Runs that last until they are let go."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.go_on: dict[str, threading.Event] = {}

    def __call__(self, _store: Store, order: Any, _context: Any) -> RunReport:
        self.go_on[order.source] = threading.Event()
        self.began.append(order.source)
        assert self.go_on[order.source].wait(60)
        return RunReport(run=9, source=order.source, mode=order.mode, trigger=order.trigger, state=State.APPLIED, started_at=BEGAN)


@pytest.mark.parametrize("workers", [1, 3])
def test_first_pulls_of_huge_districts_leave_a_place_for_the_small_ones(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge, small = [f"huge-{number}" for number in range(5)], [f"small-{number}" for number in range(3)]
    monkeypatch.setenv("PROCESS_TOKEN", "canary-token-4711")
    config = tmp_path / "syncd.toml"
    config.write_text(
        f"workers = {workers}\n"
        + f'[store]\nurl = "{stores.url(tmp_path)}"\n[console]\nenabled = false\n'
        + "".join(SOURCE.format(name=name) for name in huge + small)
    )
    store = open_store(stores.url(tmp_path))
    at_work = AtWork()
    monkeypatch.setattr("syncd.daemon.scheduler.run", at_work)
    for name in small:
        ended(store, State.APPLIED, source=name, at=datetime.now(UTC) - timedelta(hours=1))
    scheduler = Scheduler(store, load(config))
    scheduler.start()
    try:
        until(lambda: len(at_work.began) == max(workers - 1, 1))
        assert set(at_work.began) <= set(huge)
        if workers == 1:
            at_work.go_on[at_work.began[0]].set()
        for name in small if workers > 1 else ():
            scheduler._scheduler.add_job(scheduler._pull, args=[name, Mode.FULL])
            until(lambda name=name: name in at_work.began)
            at_work.go_on[name].set()
        for number in range(len(huge)):
            until(lambda number=number: len([name for name in at_work.began if name in huge]) > number)
            at_work.go_on[[name for name in at_work.began if name in huge][number]].set()
    finally:
        for go_on in at_work.go_on.values():
            go_on.set()
        scheduler.stop()
    assert sorted(name for name in at_work.began if name in huge) == huge


def test_a_long_pull_that_breaks_lets_those_in_line_go_on_and_a_full_one_is_not_forgotten() -> None:
    pulls, done = places.LongPulls(2), []

    def note(what: str) -> Callable[[], None]:
        return lambda: done.append(what)

    def break_off() -> None:
        pulls.pull("shelbyville", Mode.FULL, note("full"))
        pulls.pull("shelbyville", Mode.INCREMENTAL, note("changes"))
        raise RuntimeError

    pulls.pull("springfield", Mode.FULL, break_off)
    assert done == ["full"]
    pulls.pull("springfield", Mode.FULL, note("again"))
    assert done == ["full", "again"]
