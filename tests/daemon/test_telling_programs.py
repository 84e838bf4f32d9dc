"""Where several serve, each run's report goes to a program once."""

import json

import pytest

from tests.daemon.machines import Machines, until
from tests.notices.receiver import receiving
from tests.notices.test_webhooks import KEY, WEBHOOK, written


def test_of_two_that_serve_one_tells(fleet: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_SECRET", written(KEY))
    with receiving() as receiver:
        fleet.configure("springfield", "shelbyville", schedule="every 2 seconds")
        fleet.config.write_text(fleet.config.read_text() + WEBHOOK.format(address=receiver.address))
        processes = fleet.together("serve", "serve", "worker")
        until(lambda: len(receiver.got) >= 4, lambda: "".join(process.log for process in processes))
        for process in processes:
            assert process.stop() == 0 and "Traceback" not in process.log
        for name in ("springfield", "shelbyville"):
            told = [json.loads(got.body)["run"] for got in receiver.got if json.loads(got.body)["source"] == name]
            assert told == [report.run for report in fleet.runs(source=name)][: len(told)]
