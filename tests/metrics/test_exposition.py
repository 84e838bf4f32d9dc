"""What Prometheus is told: of runs that happened in any process, without reading them all, and nothing of a person."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from syncd.metrics import exposition
from syncd.report import Counts, Mode, State, Trigger
from syncd.settings.file import Settings
from syncd.store import looks, runs
from syncd.store import tables as store_tables
from tests.commands import syncd
from tests.notices.district import Books, counted
from tests.store.test_purge import School

DASHBOARD = Path("config/grafana/syncd.json")
RULES = Path("config/prometheus/syncd.rules.yml")


class Told:
    """An exposition as Prometheus reads it."""

    def __init__(self, books: Books, settings: Settings) -> None:
        self.text = exposition(books.store, settings).decode()
        self.families = {family.name: family for family in text_string_to_metric_families(self.text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def value(self, name: str, **labels: str) -> float | None:
        """The sum of all samples with these labels; None when there is none."""
        found = [sample.value for sample in self.samples if sample.name == name and labels.items() <= sample.labels.items()]
        return sum(found) if found else None


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Books]:
    monkeypatch.setenv("SOURCE_TOKEN", "a-token-for-tests")
    made = Books(tmp_path)
    yield made
    made.store.close()


def test_runs_are_counted_by_how_they_ended_and_by_what_they_did(books: Books) -> None:
    settings = books.configure(shelbyville="")
    done = {"created": 3, "updated": 2, "seen": 40, "quarantined": 4}
    traffic = {"requests": 5, "retries": 1, "bytes": 6_000_000_000, "answers": {"200": 4, "none": 1}}
    books.run(counts=counted(**done), seconds=3.5, **traffic)
    books.run(mode=Mode.INCREMENTAL, counts=counted(created=1), seconds=100, **traffic)
    books.run(state=State.PLANNED, trigger=Trigger.MANUAL, counts=counted(**done))
    books.fail("shelbyville", 2)
    told = Told(books, settings)
    assert told.value("syncd_runs_total", source="springfield", state="applied", trigger="schedule") == 2
    assert told.value("syncd_runs_total", source="springfield", state="planned", trigger="manual") == 1
    assert told.value("syncd_runs_total", source="shelbyville", state="failed") == 2
    assert told.value("syncd_records_changed_total", source="springfield", kind="users", action="created") == 4
    assert told.value("syncd_records_quarantined_total", source="springfield", kind="users") == 4
    assert told.value("syncd_requests_total", source="springfield", status="200") == 8
    assert told.value("syncd_requests_total", status="none") == 2
    assert (told.value("syncd_retries_total"), told.value("syncd_received_bytes_total")) == (2, 12_000_000_000)
    assert told.value("syncd_pull_duration_seconds_bucket", mode="full", le="1.0") == 0
    assert told.value("syncd_pull_duration_seconds_bucket", mode="full", le="5.0") == 1
    assert told.value("syncd_pull_duration_seconds_bucket", mode="incremental", le="60.0") == 0
    assert told.value("syncd_pull_duration_seconds_bucket", mode="incremental", le="+Inf") == 1
    assert told.value("syncd_pull_duration_seconds_sum", mode="full") == 3.5


def test_how_each_source_stands(books: Books) -> None:
    settings = books.configure(shelbyville="enabled = false", ogdenville="")
    good = books.run(counts=counted(seen=40, quarantined=4), seconds=2)
    assert good.finished_at
    books.later(hours=1)
    held = books.hold("shelbyville")
    books.hold("shelbyville")
    books.later(hours=1)
    books.now = datetime.now(UTC)
    books.fail("springfield", 4)
    told = Told(books, settings)
    assert told.value("syncd_last_good_pull_timestamp_seconds", source="springfield") == pytest.approx(
        good.finished_at.timestamp(), abs=1e-3
    )
    assert told.value("syncd_last_good_pull_duration_seconds", source="springfield") == 2
    assert told.value("syncd_consecutive_failures", source="springfield") == 4
    assert told.value("syncd_source_left_alone", source="springfield") == 1
    assert told.value("syncd_quarantined_records", source="springfield") == 4
    assert told.value("syncd_last_full_pull_records", source="springfield", kind="users") == 40
    assert told.value("syncd_held_runs", source="shelbyville") == 2
    assert held.finished_at
    assert told.value("syncd_held_since_timestamp_seconds", source="shelbyville") == pytest.approx(held.finished_at.timestamp(), abs=1e-3)
    assert told.value("syncd_source_enabled", source="shelbyville") == 0
    assert told.value("syncd_last_good_pull_timestamp_seconds", source="ogdenville") == 0
    assert told.value("syncd_consecutive_failures", source="ogdenville") == 0


def test_a_run_whose_process_died_is_counted_once_when_the_next_one_says_so(books: Books) -> None:
    settings = books.configure()
    with books.store.write() as connection:
        dead, _ = runs.start(connection, "springfield", mode=Mode.FULL, trigger=Trigger.SCHEDULE, at=books.now)
    assert Told(books, settings).value("syncd_runs_total") is None
    books.run()
    assert Told(books, settings).value("syncd_runs_total", state="failed") == 1
    late = runs.get(books.store, dead)
    late.error, late.finished_at = "springfield: another run took over while this one was stopped", books.now
    with books.store.write() as connection:
        assert runs.finish(connection, late)
    assert Told(books, settings).value("syncd_runs_total", state="failed") == 1


def test_a_run_that_ended_well_although_nobody_heard_is_counted_once(books: Books) -> None:
    """The answer to its commit was lost: what then wants to call it failed changes nothing."""
    settings, report = books.configure(), books.run(requests=3, answers={"200": 3})
    report.state, report.error = State.FAILED, "the store went away"
    with books.store.write() as connection:
        assert not runs.finish(connection, report)
    told = Told(books, settings)
    assert told.value("syncd_runs_total") == 1 and told.value("syncd_requests_total") == 3


def test_counters_go_on_when_old_runs_are_gone_and_sources_too(books: Books) -> None:
    settings = books.configure()
    books.run("capital", counts=counted(created=7))
    with books.store.write() as connection:
        connection.execute(store_tables.runs.delete())
    told = Told(books, settings)
    assert told.value("syncd_runs_total", source="capital") == 1
    assert told.value("syncd_records_changed_total", source="capital") == 7
    assert told.value("syncd_last_good_pull_timestamp_seconds", source="capital") is None


def test_a_real_run_adds_to_them_in_its_own_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    school = School(tmp_path)
    school.sync()
    del school.records["s1"]
    school.sync()
    books = Books(tmp_path)
    monkeypatch.setenv("SOURCE_TOKEN", "a-token-for-tests")
    told = Told(books, books.configure())
    assert told.value("syncd_records_changed_total", kind="users", action="created") == 6
    assert told.value("syncd_records_changed_total", kind="users", action="deactivated") == 1
    assert told.value("syncd_runs_total", state="applied") == 2


def test_the_scheduler_is_up_while_it_looks(books: Books) -> None:
    settings = books.configure()
    told = Told(books, settings)
    assert told.value("syncd_scheduler_up") == 0 and told.value("syncd_scheduler_last_look_timestamp_seconds") == 0
    looks.note(books.store, looks.SCHEDULE, datetime.now(UTC) - timedelta(minutes=2))
    assert Told(books, settings).value("syncd_scheduler_up") == 1
    looks.note(books.store, looks.SCHEDULE, datetime.now(UTC) - timedelta(minutes=4))
    assert Told(books, settings).value("syncd_scheduler_up") == 0


@pytest.mark.file
def test_a_scrape_reads_no_run_but_the_latest_of_each_source(books: Books) -> None:
    """Of thousands of sources with a hundred runs a day, nobody could read all. (SQLite tells how it goes through its tables.)"""
    settings = books.configure(shelbyville="")
    for name in ("springfield", "shelbyville"):
        books.run(name)
        books.fail(name)
    asked: list[tuple[str, Any]] = []
    listening = (books.store.engine, "before_cursor_execute", lambda _c, _cursor, statement, values, *_: asked.append((statement, values)))
    event.listen(*listening)
    exposition(books.store, settings)
    event.remove(*listening)
    about_runs = [(statement, values) for statement, values in asked if re.search(r"\bruns\b", statement) and "SELECT" in statement]
    assert len(about_runs) >= 4
    with books.store.read() as connection:
        for statement, values in about_runs:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            through_all = [step for step in plan if re.match(r"SCAN (runs|other)\b", step) and "ix_runs_held" not in step]
            assert not through_all, (statement, plan)


def test_names_and_labels_are_as_prometheus_wants_them_and_tell_of_nobody(books: Books) -> None:
    settings = books.configure(shelbyville="")
    books.run(counts={kind: Counts(created=1, quarantined=1) for kind in counted()})
    books.hold("shelbyville")
    books.fail("shelbyville")
    told = Told(books, settings)
    for name, family in told.families.items():
        assert name.startswith("syncd_") and family.documentation.endswith("."), name
        assert name.endswith("_total") is False
    for sample in told.samples:
        assert set(sample.labels) <= {"source", "mode", "trigger", "state", "kind", "action", "status", "le", "channel", "role", "version",
                                      "python", "store"}, sample.name  # fmt: skip
    assert "503" not in told.text and "Lincoln" not in told.text and "sis.example.org" not in told.text


def _named(expression: str) -> set[str]:
    return set(re.findall(r"\bsyncd_[a-z_]+\b", expression))


def test_each_metric_of_the_dashboard_and_the_alerts_is_one_that_is_told(books: Books) -> None:
    told = exposition(books.store, books.configure()).decode()
    there = set(re.findall(r"^# TYPE (\w+) ", told, re.MULTILINE)) | {
        f"syncd_pull_duration_seconds_{end}" for end in ("bucket", "sum", "count")
    }
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = {target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])}
    rules = [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
    asked |= {rule["expr"] for rule in rules} | {dashboard["templating"]["list"][1]["query"]["query"]}
    assert len(asked) > 30 and all(map(_named, asked))
    assert {name for expression in asked for name in _named(expression)} - there == set()
    documented = Path("docs/metrics.md").read_text(encoding="utf-8")
    assert {name for name in there if f"`{name}" not in documented and not name.startswith("syncd_pull_duration_seconds_")} == set()
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"].keys() == {"summary", "description"}
        assert f"`{rule['alert']}`" in documented


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's package prometheus has promtool")
def test_prometheus_itself_finds_nothing_wrong(books: Books) -> None:
    books.run()
    told = exposition(books.store, books.configure()).decode()
    for arguments in (["check", "rules", str(RULES)], ["check", "metrics"], ["test", "rules", "tests/metrics/alerts.yml"]):
        done = subprocess.run(["promtool", *arguments], input=told, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_prints_them(books: Books) -> None:
    books.run()
    path = books.configure().path
    assert 'syncd_runs_total{mode="full",source="springfield",state="applied",trigger="schedule"} 1.0' in syncd(path, "metrics").out
