"""A source that says nothing: a run that waits for it can be stopped. What else a source may do wrong: tests/faults."""

import threading
import time
from pathlib import Path

import pytest

from syncd.sandbox import District, running
from tests.journeys.synced import Synced


def test_a_run_that_waits_for_a_silent_source_stops_at_once_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=40, seed=36)) as sandbox:
        source = Synced(sandbox, tmp_path, "clever-3.1", monkeypatch)
        sandbox.fault("slow", path="/users", seconds=40)
        stop = threading.Event()
        threading.Timer(1.5, stop.set).start()
        began = time.monotonic()
        report = source.sync(stop=stop)
        assert report.error and "asked to stop" in report.error
        assert time.monotonic() - began < 20
