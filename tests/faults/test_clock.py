"""Clocks jump, an hour is lived twice or not at all, machines sleep: pulls go on, and each is done once."""

import io
import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import time_machine

from syncd.daemon.scheduler import Scheduler
from syncd.errors import AlreadyRunning
from syncd.report import State
from syncd.sandbox import District, running
from syncd.settings.file import load
from syncd.settings.schedule import Schedule
from syncd.store import lease, open_store, runs
from tests.journeys.synced import Synced

CHICAGO = ZoneInfo("America/Chicago")


def times(schedule: str, start: str, count: int) -> list[str]:
    """The next times of a schedule, as a clock on the wall and its zone show them."""
    trigger, now = Schedule(schedule).trigger("America/Chicago"), datetime.fromisoformat(start).replace(tzinfo=CHICAGO).astimezone(UTC)
    previous, found = None, []
    for _ in range(count):
        previous = trigger.get_next_fire_time(previous, now)
        assert previous > now, "a time that has passed would come again at once"
        now = previous.astimezone(UTC)
        found.append(now.astimezone(CHICAGO).strftime("%d %H:%M %Z"))
    return found


@pytest.mark.fault("X6")
@pytest.mark.parametrize(
    ("schedule", "start", "right"),
    [
        ("0 2 * * *", "2026-03-07T12:00", ["08 03:00 CDT", "09 02:00 CDT", "10 02:00 CDT"]),
        ("30 1 * * *", "2026-10-31T12:00", ["01 01:30 CDT", "02 01:30 CST", "03 01:30 CST"]),
        ("0 2 * * *", "2026-10-31T12:00", ["01 02:00 CST", "02 02:00 CST", "03 02:00 CST"]),
        ("*/30 * * * *", "2026-11-01T00:45", ["01 01:00 CDT", "01 01:30 CDT", "01 01:00 CST", "01 01:30 CST", "01 02:00 CST"]),
        ("0 2 29 2 *", "2026-01-01T00:00", ["29 02:00 CST", "29 02:00 CST"]),
    ],
)
def test_a_clock_change_neither_skips_nor_doubles_a_pull(
    schedule: str, start: str, right: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert times(schedule, start, len(right)) == right


@pytest.mark.fault("X6")
def test_each_half_hour_of_a_doubled_hour_comes_once_however_late_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncd.settings.schedule._LOT.uniform", lambda least, most: most)
    assert times("*/30 * * * *", "2026-11-01T00:45", 4) == ["01 01:01 CDT", "01 01:31 CDT", "01 01:01 CST", "01 01:31 CST"]


CONFIG = """
[sources.springfield]
connector = "clever"
url = "{url}"
token = {{ env = "T" }}
schedule = "every 15 minutes"
full = "0 2 29 2 *"
"""


@pytest.mark.fault("X6")
def test_a_clock_that_jumps_neither_stops_the_pulls_nor_repeats_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=20, seed=51)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        (tmp_path / "syncd.toml").write_text(CONFIG.format(url=sandbox.clever_url))
        today = datetime(2026, 11, 23, 12, tzinfo=UTC)
        with time_machine.travel(today) as clock:
            source.sync()
            scheduler = Scheduler(source.store, load(tmp_path / "syncd.toml"))
            scheduler.start()
            try:
                clock.shift(timedelta(days=-30))
                scheduler.tend()
                jobs = {job.id: job for job in scheduler._scheduler.get_jobs()}
                assert jobs["springfield:schedule"].next_run_time <= today - timedelta(days=30) + timedelta(minutes=17)
                clock.move_to(today + timedelta(days=3))
                scheduler.tend()
                deadline = time.monotonic() + 30
                while not runs.recent(source.store)[0].run > 1 or runs.recent(source.store)[0].state == State.RUNNING:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                scheduler.tend()
            finally:
                scheduler.stop()
        assert [report.state for report in runs.recent(source.store)] == [State.APPLIED, State.APPLIED]


@pytest.mark.fault("X6")
def test_a_run_during_which_the_clock_is_set_back_took_no_negative_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strict_logs: io.StringIO
) -> None:
    with running(District.generate(students=20, seed=52)) as sandbox:
        source = Synced(sandbox, tmp_path, "oneroster-1.2-oauth2", monkeypatch)
        with time_machine.travel(datetime(2026, 11, 23, 12, tzinfo=UTC)) as clock:
            report = source.sync(on_step=lambda step: clock.shift(timedelta(hours=-1)) if step.name == "comparing" else None)
        assert report.state == State.APPLIED
        assert source.differences() == []
    finished = next(json.loads(line) for line in strict_logs.getvalue().splitlines() if re.search("run finished", line))
    assert 0 <= finished["seconds"] < 60


@pytest.mark.fault("X6")
@pytest.mark.parametrize("days", [-400, 400])
def test_a_run_that_goes_on_keeps_its_source_whatever_the_clock_says(days: int, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/roster.db")
    with time_machine.travel(datetime(2026, 11, 23, tzinfo=UTC)) as clock:
        with lease.hold(store, "springfield"):
            clock.shift(timedelta(days=days))
            with pytest.raises(AlreadyRunning), lease.hold(store, "springfield"):
                pass
        with lease.hold(store, "springfield"):
            pass
