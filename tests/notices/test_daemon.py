"""The daemon tells people and programs while it pulls, whatever happens to it: a real process, real signals, real sockets."""

import json
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncd.report import State
from syncd.sandbox import District, running
from syncd.store import open_store, runs
from tests.commands import syncd
from tests.daemon.machines import until
from tests.journeys.test_daemon import start
from tests.notices.receiver import Receiver, receiving
from tests.notices.test_webhooks import KEY, WEBHOOK, is_genuine, runs_of, written

CONFIG = """
[sources.springfield]
connector = "clever"
url = "{url}"
token = {{ env = "SOURCE_TOKEN" }}
schedule = "every 1 second"

[notices]
to = [{{ env = "MAIL" }}]
"""


@pytest.mark.file
def test_killed_between_a_run_and_its_report_it_loses_neither_that_nor_a_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    with running(District.generate(students=30, seed=61)) as sandbox, receiving() as people:
        for name, value in (("SOURCE_TOKEN", sandbox.token), ("PORTAL_SECRET", written(KEY)), ("MAIL", f"json://{people.address}/")):
            monkeypatch.setenv(name, value)
        config = tmp_path / "syncd.toml"
        config.write_text(CONFIG.format(url=sandbox.clever_url) + WEBHOOK.format(address=receiver.address))
        store = open_store(f"sqlite:///{tmp_path}/roster.db")
        daemon = start(config)
        until(lambda: any(report.state == State.APPLIED for report in runs.recent(store)))
        daemon.kill()
        daemon.wait()
        came = len(receiver.got)
        daemon = start(config)
        try:
            until(lambda: len(receiver.got) > came + 1)
            sandbox.rehearse("mass-removal")
            held = until(lambda: [report for report in runs.recent(store) if report.state == State.HELD])[0]
            # The configuration is read anew, and all jobs begin: nobody waits for the next look.
            daemon.send_signal(signal.SIGHUP)
            until(lambda: people.got)
            until(lambda: held.run in runs_of(receiver.got))
            assert "syncd_scheduler_up 1.0" in syncd(config, "metrics").out
        finally:
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(30) == 0
    assert runs_of(receiver.got) == sorted(set(runs_of(receiver.got)))
    assert runs_of(receiver.got)[0] == 1, "the run after which it was killed"
    assert all(is_genuine(got, KEY, datetime.now(UTC)) for got in receiver.got)
    kept = json.loads(receiver.got[0].body)
    assert kept == runs.get(store, 1).model_dump(mode="json")
    text = json.loads(people.got[0].body)["message"]
    assert f"run {held.run} waits" in text and f"syncd approve {held.run}" in text
