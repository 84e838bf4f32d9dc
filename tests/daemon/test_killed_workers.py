"""A worker that is killed at any point of a run: another one does what was not done, once, and nothing that was done."""

import json
import signal
import subprocess
import sys
from typing import Any

import pytest

from syncd.report import State
from syncd.roster.kinds import PLURALS, SINGULAR
from syncd.store import roster, runs
from tests.daemon.machines import Machines, until
from tests.daemon.test_dispatcher import dispatcher

# Each is reached by a worker that pulls a source of its own: before the run begins, while pulling, comparing and applying …
BEFORE = (
    "UPDATE due > COMMIT > SELECT",
    "SELECT EXTRACT(epoch FROM hosts > COMMIT > COMMIT",
    "INSERT INTO planned",
    "INSERT INTO users",
    "UPDATE sources SET cursor",
    "INSERT INTO changes > COMMIT",
)
# … and when the run is in the roster: before and while people are linked, and while the worker says that it is done.
LINKING = "INSERT INTO changes > COMMIT > INSERT INTO links"
AFTER = (
    "INSERT INTO changes > COMMIT > SELECT sources.people",
    LINKING,
    "INSERT INTO changes > COMMIT > UPDATE due",
)
SOURCES = {f"district-{number:02}": point for number, point in enumerate(BEFORE + AFTER)}
PEOPLE = 'people = "springfield"\n'


def state(fleet: Machines, source: str) -> dict[str, Any]:
    """All that the roster holds of a source, but for what tells it from another of the same district."""
    found = {}
    for plural in PLURALS:
        records = list(roster.records(fleet.store, SINGULAR[plural], source, status="all"))
        found[plural] = [record | {"source": None, "deactivated_at": record["deactivated_at"] is not None} for record in records]
    return found


def changed(fleet: Machines, source: str) -> list[tuple[str, str, str, dict[str, Any]]]:
    """All that was logged of a source since its first pull."""
    told = [change for run in fleet.runs(source)[1:] for change in runs.changes_of(fleet.store, run.run)]
    return sorted(((change.kind, change.record_id, change.action, change.fields) for change in told), key=repr)


def links(fleet: Machines, source: str) -> int:
    return int(str(fleet.sql("SELECT count(*) FROM links WHERE source = %s OR other_source = %s", source, source)[0][0]))


@pytest.mark.fault("X1")
def test_a_worker_that_is_killed_at_any_point_leaves_all_or_nothing_and_another_does_the_rest_once(fleet: Machines) -> None:
    whole, linked = "undisturbed", next(source for source, point in SOURCES.items() if point == LINKING)
    fleet.configure(*SOURCES, whole, silence=60, workers=1)
    config = fleet.config.read_text()
    for source in (whole, linked):
        config = config.replace(f"[sources.{source}]\n", f"[sources.{source}]\n{PEOPLE}")
    fleet.config.write_text(config)
    for source in (*SOURCES, whole):
        assert fleet.command("sync", source).code == 0
    before, links_before = state(fleet, whole), links(fleet, linked)
    fleet.sandbox.day()
    fleet.sandbox.rehearse("mass-removal")
    assert fleet.command("sync", whole, "--full").code == 3
    after, right = state(fleet, whole), changed(fleet, whole)
    held = list(runs.held_changes_of(fleet.store, fleet.runs(whole)[-1].run))
    assert before != after and right and held

    with dispatcher(fleet) as serve:
        serve.tick()
        fleet.sql("UPDATE due SET full_at = now() WHERE source = ANY(%s)", list(SOURCES))
        serve.tick()
        # Nobody looks for the dead meanwhile: so each worker hears of the next source.
        command = [sys.executable, "-m", "tests.faults.crash_workers", str(fleet.config), *SOURCES.values()]
        killed = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert killed.returncode == 0, killed.stderr[-3000:]
        workers = json.loads(killed.stdout.splitlines()[-1])
        at = dict(fleet.sql("SELECT source, split_part(member, ' ', 3) FROM due WHERE member IS NOT NULL"))
        assert at == {source: str(process) for source, (process, _) in zip(SOURCES, workers, strict=True)}
        assert [point for point, (_, ended) in zip(SOURCES.values(), workers, strict=True) if ended != -signal.SIGKILL] == []
        left = {point: state(fleet, source) for source, point in SOURCES.items()}
        assert [point for point in BEFORE if left[point] != before] == []
        assert [point for point in AFTER if left[point] != after] == []

        serve.tick()
        other = fleet.start("worker")
        until(
            lambda: fleet.sql("SELECT source FROM due WHERE wanted IS NOT NULL OR member IS NOT NULL") == [], lambda: other.log, seconds=90
        )
        for source, point in SOURCES.items():
            assert state(fleet, source) == after, point
            assert changed(fleet, source) == right, point
            told = fleet.runs(source)[1:]
            assert [run.error for run in told[:-1]] in ([], [runs.INTERRUPTED]) and told[-1].state == State.HELD, point
            assert (len(told) == 1) == (point in (BEFORE[0], *AFTER)), point
            assert list(runs.held_changes_of(fleet.store, told[-1].run)) == held, point
        assert links(fleet, linked) == links_before
        fleet.due_now(linked)
        serve.tick()
        until(lambda: links(fleet, linked) > links_before, lambda: other.log)
        assert "Traceback" not in other.log
