"""`syncd serve` without `[cluster]`, on a store in PostgreSQL: one process that pulls, and is alone at it."""

import pytest

from syncd.report import State
from syncd.store import lease, runs
from tests.daemon.machines import Machines, until


@pytest.mark.fault("X1", "X7")
def test_a_daemon_alone_keeps_others_out_and_when_it_is_killed_its_run_is_done_anew(fleet: Machines) -> None:
    fleet.config.write_text(fleet.config.read_text().replace("enabled = true", "enabled = false"))
    fleet.sandbox.fault("slow", path="/users", seconds=60)
    serve = fleet.start("serve")
    until(fleet.pulling, lambda: serve.log)
    by_hand = fleet.command("sync", "springfield")
    assert by_hand.code == 1 and "a run of this source is already going on (process" in by_hand.err
    second = fleet.start("serve", ready=False)
    assert second.ended() == 75 and "is served by another daemon already" in second.log
    serve.kill()
    fleet.sandbox.clear_faults()
    until(lambda: not lease.is_held(fleet.store, lease.DAEMON) and not lease.is_held(fleet.store, "springfield"))
    assert [(run.state, run.error) for run in fleet.runs()] == [(State.FAILED, runs.INTERRUPTED)]
    assert not any(fleet.everything().values())
    serve = fleet.start("serve")
    until(fleet.applied, lambda: serve.log)
    assert [run.state for run in fleet.runs()] == [State.FAILED, State.APPLIED] and fleet.whole()
    assert serve.stop() == 0 and "Traceback" not in serve.log
