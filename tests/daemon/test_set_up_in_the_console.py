"""Where several machines share a store: what is set up in the console is queued and pulled by those that run, without a restart."""

from datetime import UTC, datetime

import pytest

from syncd.report import State
from syncd.settings import kept, vault
from syncd.settings.file import load
from syncd.store import orders
from tests.daemon.machines import NEVER, Machines, until


def test_it_is_pulled_by_those_that_run_and_a_correction_counts_at_once(fleet: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSOLE_KEY", vault.new_key())
    fleet.configure()
    fleet.config.write_text(
        fleet.config.read_text().replace("[console]\n", '[console]\nnetworks = ["127.0.0.0/8"]\nkey = { env = "CONSOLE_KEY" }\n')
    )
    settings = load(fleet.config)

    def save(secret: str, seen: int | None = None, name: str = "springfield", **more: bool) -> None:
        entered = {"connector": "clever", "url": fleet.sandbox.clever_url, "schedule": NEVER, "full": NEVER, **more}
        options = {"by": "lisa", "at": datetime.now(UTC), "seen": seen}
        assert kept.save(settings, fleet.store, name, entered, {"token": secret}, **options) == []

    serve, worker = fleet.together("serve", "worker")
    save("wrong-token-4711")
    until(lambda: fleet.runs("springfield", State.FAILED), lambda: serve.log + worker.log)
    until(lambda: fleet.sql("SELECT source FROM due WHERE wanted IS NOT NULL OR member IS NOT NULL") == [])
    # Its schedule would pull it in years.
    save(fleet.sandbox.token, seen=kept.version(fleet.store))
    until(lambda: fleet.applied("springfield"), lambda: serve.log + worker.log)
    assert fleet.whole()
    # At once, before anybody can have taken it over.
    save(fleet.sandbox.token, name="shelbyville", enabled=False)
    with fleet.store.write() as connection:
        number = orders.give(connection, "shelbyville", "sync", by="lisa")
    until(lambda: orders.get(fleet.store, number).ended_at, lambda: serve.log + worker.log)
    assert (orders.get(fleet.store, number).state, len(fleet.applied("shelbyville"))) == ("done", 1)
    assert [process.stop() for process in (serve, worker)] == [0, 0]
    for word in (fleet.sandbox.token, "wrong-token-4711"):
        assert word not in serve.log + worker.log
