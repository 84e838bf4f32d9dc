"""A source that is set up in the console is pulled by the running daemon, without a restart, and its secret is nowhere to be seen."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from syncd.report import State
from syncd.sandbox import District, running
from syncd.settings import kept
from syncd.settings.file import load
from syncd.store import open_store, roster, runs
from tests import stores
from tests.commands import syncd
from tests.daemon.machines import until

TOKEN = "pastedtoken8Hq2Vx"


@contextmanager
def daemon(config: Path) -> Iterator[Path]:
    """`syncd serve` as a process of its own; gives its log."""
    log = config.with_name("daemon.log")
    with log.open("ab") as file:
        process = subprocess.Popen([sys.executable, "-m", "syncd", "--config", str(config), "serve"], stdout=file, stderr=file)
    try:
        until(lambda: '"started"' in log.read_text(), log.read_text, 60)
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()[-2000:]


def test_it_is_pulled_without_a_restart_and_no_longer_once_it_is_removed(tmp_path: Path) -> None:
    config = tmp_path / "syncd.toml"
    config.write_text(f'[store]\nurl = "{stores.url(tmp_path)}"\n[console]\nenabled = false\nnetworks = ["127.0.0.0/8"]\n')
    store, settings = open_store(stores.url(tmp_path)), load(config)

    def save(name: str, secret: str, seen: int | None = None, **more: object) -> None:
        entered = {"connector": "clever", "url": sandbox.clever_url, "schedule": "every 1 second", **more}
        assert kept.save(settings, store, name, entered, {"token": secret}, by="lisa", at=datetime.now(UTC), seen=seen) == []

    def states(name: str) -> list[str]:
        return [run.state for run in runs.recent(store, name)]

    with running(District.generate(students=20, seed=61), token=TOKEN) as sandbox:
        with daemon(config) as log:
            assert "sources of the console taken over" not in log.read_text()
            save("springfield", TOKEN)
            until(lambda: State.APPLIED in states("springfield"), log.read_text, 60)
            assert roster.active_counts(store, "springfield")["users"] == len(sandbox.expected("clever-3.1", "users"))
            # A wrong token is put right, and the source is not left alone for its failures.
            save("shelbyville", "wrong-token-4711")
            until(lambda: states("shelbyville").count(State.FAILED) >= 3, log.read_text, 60)
            save("shelbyville", TOKEN, seen=kept.version(store))
            until(lambda: State.APPLIED in states("shelbyville"), log.read_text, 60)
            kept.remove(store, "springfield", by="lisa", at=datetime.now(UTC))
            until(lambda: log.read_text().count("sources of the console taken over") == 4, log.read_text, 60)
            until(lambda: State.RUNNING not in states("springfield"), log.read_text, 60)
            done, others = len(states("springfield")), len(states("shelbyville"))
            until(lambda: len(runs.recent(store, "shelbyville", limit=200)) > others, log.read_text, 60)
            assert len(states("springfield")) == done
        by_hand = syncd(config, "sync", "shelbyville")
        assert by_hand.code == 0, by_hand.err
        assert syncd(config, "sync", "springfield").code == 2
    assert roster.active_counts(store, "springfield")["users"] > 0, "its roster stays"
    said = "".join(line.event + str(line.fields) for run in runs.recent(store, limit=200) for line in runs.log_lines(store, run.run))
    for word in (TOKEN, "wrong-token-4711"):
        assert word not in log.read_text() + said + by_hand.out + by_hand.err
        assert all(word.encode() not in file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
