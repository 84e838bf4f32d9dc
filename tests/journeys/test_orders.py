"""What a person asks for in the console is carried out by the daemon: a real process, which knows nothing but what stands in the store."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from syncd.account import of_system
from syncd.contract.connector import Context
from syncd.daemon.orders import carry_out
from syncd.order import OrderReport
from syncd.report import RunReport, State, Trigger
from syncd.roster.kinds import PLURAL
from syncd.sandbox import District, Sandbox, running
from syncd.settings.file import load
from syncd.store import lease, open_store, orders, roster, runs
from tests import stores
from tests.commands import CLEVER, Ended, syncd

SCHEDULE = 'schedule = "every 1 second"\nfull = "0 2 29 2 *"\n'


class Console:
    """A console, and the daemon behind it, which have nothing in common but the store."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.store = open_store(stores.url(folder))
        self.config, self.log_file = folder / "syncd.toml", folder / "log"
        self.configure()

    def configure(self, *, enabled: bool = True) -> None:
        source = CLEVER.format(clever=self.sandbox.clever_url) + SCHEDULE + f"enabled = {str(enabled).lower()}\n"
        self.config.write_text(f'[store]\nurl = "{stores.url(self.folder)}"\n[console]\nenabled = false\n{source}')

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @contextmanager
    def daemon(self, altered: str | None = None) -> Iterator["subprocess.Popen[bytes]"]:
        module = ["syncd"] if altered is None else ["tests.faults.altered", altered]
        with self.log_file.open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", *module, "--config", str(self.config), "serve"], stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            # A database needs a moment to see that it is gone.
            self.until(lambda: not lease.is_held(self.store, lease.DAEMON) and not lease.is_held(self.store, "springfield"))

    def until(self, done: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 60
        while not (found := done()):
            assert time.monotonic() < deadline, self.log[-3000:]
            time.sleep(0.02)
        return found

    def asks(self, what: str = "sync", by: str = "lisa", **options: Any) -> int:
        with self.store.write() as connection:
            return orders.give(connection, "springfield", what, by=by, **options)

    def order(self, number: int) -> OrderReport:
        return orders.get(self.store, number)

    def ends(self, number: int) -> OrderReport:
        self.until(lambda: self.order(number).ended_at)
        return self.order(number)

    def does(self, number: int) -> OrderReport:
        """What the daemon does with it, here and now."""
        carry_out(self.store, load(self.config), number, "syncd springfield 4711", Context("springfield"))
        return self.order(number)

    def runs(self, *triggers: Trigger) -> list[RunReport]:
        """The runs, oldest first."""
        return [run for run in reversed(runs.recent(self.store, limit=500)) if not triggers or run.trigger in triggers]

    def pulling(self) -> bool:
        return any(runs.progress(self.store, run.run) for run in self.runs() if run.state == State.RUNNING)

    def active(self) -> set[str]:
        return {user["id"] for user in roster.records(self.store, "user", "springfield")}

    def command(self, *arguments: object) -> Ended:
        return syncd(self.config, *arguments)


def json_status(console: Console) -> Any:
    return json.loads(console.command("status", "--json").out)


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    with running(District.generate(students=20, seed=61)) as sandbox:
        monkeypatch.setenv("T", sandbox.token)
        yield Console(tmp_path, sandbox)


@pytest.mark.fault("X1")
def test_an_approval_is_carried_out_once_however_often_the_daemon_is_killed_at_it(console: Console) -> None:
    console.configure(enabled=False)
    assert console.command("sync", "springfield").code == 0
    everybody = console.active()
    console.sandbox.rehearse("mass-removal")
    assert console.command("sync", "springfield", "--full").code == 3
    held = console.runs()[-1]
    gone = {change["id"] for change in runs.held_changes_of(console.store, held.run) if change["kind"] == "user"}
    assert gone and console.active() == everybody

    number = console.asks("approve", run=held.run)
    assert console.order(number).state == "waiting", "nobody is there to do it"
    with console.daemon(altered="frozen_at_apply") as frozen:
        console.until(lambda: os.waitid(os.P_PID, frozen.pid, os.WSTOPPED | os.WNOWAIT | os.WNOHANG))
        assert console.order(number).state == "running" and console.order(number).run == console.runs()[-1].run
    assert console.active() == everybody, "killed while it applied, it has done nothing"
    with console.daemon(altered="killed_before_it_says_so") as killed:
        console.until(lambda: killed.poll() is not None)
    assert console.active() == everybody - gone, "killed a moment later, it has done all"
    assert console.order(number).state == "running"
    with console.daemon():
        order = console.ends(number)
        approvals = console.runs(Trigger.APPROVE)
        assert [(run.state, run.error) for run in approvals] == [(State.FAILED, runs.INTERRUPTED), (State.APPLIED, None)]
        assert (order.state, order.run) == ("done", approvals[-1].run)
        assert {run.account for run in approvals} == {"lisa"}

        again = console.ends(console.asks("approve", run=held.run))
        assert again.state == "refused" and f"run {held.run} is settled by run {order.run}" in str(again.error)
        undone = console.ends(console.asks("undo", run=order.run))
        assert undone.state == "done" and console.active() == everybody
        assert console.runs(Trigger.SCHEDULE) == [], "it is switched off, and by hand everything works"
        told = console.command("runs", "show", undone.run).out
        assert "Asked for by lisa." in told
    assert "Traceback" not in console.log


@pytest.mark.fault("X7")
def test_orders_wait_for_the_run_that_goes_on_and_a_pause_lets_it_end_and_stops_no_order(console: Console) -> None:
    console.sandbox.fault("slow", path="/users", seconds=2, times=1)
    assert json_status(console)["daemon"] is False and "no daemon is running" in console.command("status").out
    with console.daemon():
        console.until(console.pulling)
        assert console.command("pause", "springfield").code == 0
        assert console.ends(console.asks(mode="full")).state == "done"
        one, ordered = console.runs()
        assert (one.trigger, one.state, one.account) == (Trigger.SCHEDULE, State.APPLIED, None)
        assert (ordered.trigger, ordered.mode, ordered.state, ordered.account) == (Trigger.MANUAL, "full", State.APPLIED, "lisa")
        assert one.finished_at and one.finished_at <= ordered.started_at

        with lease.hold(console.store, "springfield"):
            numbers = [console.asks(by="otto"), console.asks(dry_run=True), console.asks(anew=True)]
            with console.store.write() as connection:
                assert orders.cancel(connection, numbers.pop(), by="lisa")
            told = json_status(console)
            assert told["daemon"] and told["sources"][0]["paused"]["by"] == of_system() and told["sources"][0]["next"] is None
            assert [(order["id"], order["state"]) for order in told["sources"][0]["orders"]] == [(number, "waiting") for number in numbers]
            assert "order 3, to sync, asked for by lisa" in console.command("status").out
        done = [console.ends(number) for number in numbers]
        assert [(run.run, run.state, run.account) for run in console.runs()[2:]] == [
            (done[0].run, State.APPLIED, "otto"),
            (done[1].run, State.PLANNED, "lisa"),
        ]
        console.until(lambda: "left out, it is paused" in console.log)
        assert console.runs(Trigger.SCHEDULE) == [one]
        assert "paused since" in console.command("status").out

        assert console.command("pause", "ogdenville").code == 2 and "paused since" in console.command("pause", "springfield").out
        assert "springfield goes on" in console.command("resume", "springfield").out
        console.until(lambda: console.runs(Trigger.SCHEDULE)[-1] != one)
        console.until(lambda: json_status(console)["sources"][0]["next"])
    assert json_status(console)["daemon"] is False
    assert "Traceback" not in console.log


def test_the_first_sync_can_be_seen_before_it_is_done_and_is_not_kept_after(console: Console) -> None:
    look = console.does(console.asks(dry_run=True))
    assert look.state == "done" and look.run is not None
    report, seen = runs.get(console.store, look.run), orders.preview(console.store, look.id)
    assert (report.state, report.counts["users"].created) == (State.PLANNED, len(console.sandbox.expected("clever-3.1", "users")))
    assert console.active() == set()
    kinds = [change.kind for change in seen]
    assert kinds[0] == "users" and kinds.count("users") == 20
    assert set(kinds) == {kind for kind, count in report.counts.items() if count.created}
    known = {user["id"]: user for user in console.sandbox.expected("clever-3.1", "users")}
    for change in seen[:20]:
        assert change.action == "create" and change.fields["family_name"] == [None, known[change.id]["family_name"]]

    assert console.does(console.asks()).state == "done"
    assert orders.preview(console.store, look.id) == []

    held = {
        plural: {record["id"]: record for record in roster.records(console.store, kind, "springfield")} for kind, plural in PLURAL.items()
    }
    console.sandbox.rehearse("mass-removal")
    console.sandbox.day()
    seen = orders.preview(console.store, console.does(console.asks(mode="full", dry_run=True)).id)
    updates, leavers = ([change for change in seen if change.action == action] for action in ("update", "deactivate"))
    assert updates and all(held[one.kind][one.id][name] == old for one in updates for name, (old, _) in one.fields.items())
    assert {change.held for change in leavers if change.kind == "users"} == {"max_deactivations"}
    assert len(leavers) <= 20 * len(PLURAL)
