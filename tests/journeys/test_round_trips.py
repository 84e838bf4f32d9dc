"""What goes out comes in again: a roster that was exported and synced anew is the same roster."""

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from connectors.oneroster_csv import OneRosterCsvConnector
from connectors.oneroster_csv.settings import OneRosterCsvSettings
from syncd.contract.connector import Context
from syncd.export import oneroster
from syncd.report import Mode, RunReport
from syncd.sandbox import District, running
from syncd.settings.guard import GuardSettings
from syncd.store import Store, open_store
from syncd.sync.run import Order, run
from tests import stores
from tests.journeys.synced import Synced

FREE = GuardSettings(floor=1_000_000)


class Imported:
    """A second roster, of the files of the first."""

    def __init__(self, folder: Path, path: Path) -> None:
        folder.mkdir()
        self.store: Store = open_store(stores.url(folder))
        self.settings = OneRosterCsvSettings(path=path, demographics=True, still=0)
        self.name = "shelbyville"

    def sync(self, **options: Any) -> RunReport:
        order = Order(self.name, lambda context: OneRosterCsvConnector(self.settings, context), **{"limits": FREE} | options)
        return run(self.store, order, Context(self.name))

    everything = Synced.everything


def content(everything: dict[str, list[dict[str, Any]]], *without: str) -> dict[str, dict[str, dict[str, Any]]]:
    """What is told of who is active, by kind and id; not by which source."""
    left_out = {"source", "deactivated_at", *without}
    for course in everything["courses"]:
        # Of a reference only the id says something.
        course["extra"].get("schoolYear", {}).update(href=None, type=None)
    return {
        kind: {
            one["id"]: {name: value for name, value in one.items() if name not in left_out} for one in records if one["status"] == "active"
        }
        for kind, records in everything.items()
    }


def differences(one: Any, other: Any) -> dict[str, int]:
    """{"kind field": in how many records}; nothing of what stands there."""
    found: Counter[str] = Counter()
    for kind in one:
        found.update(f"{kind} only on one side" for _ in one[kind].keys() ^ other[kind].keys())
        for record_id in one[kind].keys() & other[kind].keys():
            mine, theirs = one[kind][record_id], other[kind][record_id]
            found.update(f"{kind} {name}" for name in mine if name != "extra" and mine[name] != theirs[name])
            extras = mine["extra"].keys() | theirs["extra"].keys()
            found.update(f"{kind} extra.{name}" for name in extras if mine["extra"].get(name) != theirs["extra"].get(name))
    return dict(found)


def export(source: Synced, path: Path, version: str, **options: Any) -> Any:
    with path.open("wb") as file:
        return oneroster.write(source.store, source.name, version, file, **options)


@pytest.mark.parametrize(("dialect", "version"), [("oneroster-1.2-oauth2", "1.2"), ("oneroster-1.1-oauth2", "1.1")])
def test_an_exported_roster_comes_in_again_as_it_was(dialect: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(District.generate(students=120, seed=61)) as sandbox:
        source = Synced(sandbox, tmp_path, dialect, monkeypatch)
        source.sync()
        sandbox.day(3)
        assert source.sync().state == "applied"
        done = export(source, tmp_path / "out.zip", version)
        assert done.files["users"] and done.files["enrollments"] and not done.lost
        with zipfile.ZipFile(tmp_path / "out.zip") as bundle:
            assert bundle.testzip() is None and "manifest.csv" in bundle.namelist()
        again = Imported(tmp_path / "again", tmp_path / "out.zip")
        report = again.sync(mode=Mode.FULL)
        assert (report.state, report.error, report.doubts) == ("applied", None, [])
        assert differences(content(again.everything()), content(source.everything())) == {}
        report = again.sync(mode=Mode.FULL)
        assert report.changed == 0 and report.state == "applied"
        report = again.sync(mode=Mode.INCREMENTAL)
        assert (report.mode, report.changed) == ("incremental", 0)
