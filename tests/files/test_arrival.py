"""Files on their way: none is read before it has come to rest, none twice, and none that has only changes in it is passed over."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from connectors.oneroster_csv.settings import OneRosterCsvSettings
from syncd.contract.connector import Context
from syncd.errors import BadFile, SourceUnavailable
from syncd.files import arrival
from syncd.files.arrival import Arrival
from syncd.files.bundle import Bundle
from syncd.files.place import ASIDE
from tests.connectors.came import bundle


def whole(found: Bundle) -> bool:
    """In these tests, a set that has orgs in it."""
    return "orgs.csv" in found.names


def arriving(path: Path, *, folders: tuple[Path, ...] | None = None, **settings: Any) -> Arrival:
    made = OneRosterCsvSettings(path=path, **{"still": 0, **settings})
    return Arrival(made, Context("springfield", folders=folders), (".csv",), "CSV", whole)


def drop(folder: Path, *names: str) -> Path:
    """Zips that came in this order; `all` in a name: it lists everything."""
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        made = bundle(folder, {"orgs.csv" if "all" in name else "users.csv": f"sourcedId\n{name}\n"}, name)
        os.utime(made, (1_000_000 + number,) * 2)
    return folder


def lie(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.is_file()) if folder.exists() else []


def read(arrival: Arrival, *, settle: bool = True) -> str:
    """The name of what is read next."""
    with arrival.opened() as found:
        name = found.path.name
    if settle:
        arrival.settle()
    return name


def test_a_file_that_is_still_written_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "students.csv"
    file.write_text("a,b\n")
    os.utime(tmp_path, (0, 0))
    waits: list[float] = []

    def wait(_context: Context, seconds: float) -> None:
        waits.append(seconds)
        # Twice somebody writes to it; then it is left alone.
        age = 0 if len(waits) < 3 else 60
        os.utime(file, (time.time() - age,) * 2)

    monkeypatch.setattr(Context, "wait", wait)
    for _ in range(2):
        with arriving(tmp_path, still=30).opened() as found:
            assert list(found.names) == ["students.csv"]
    assert len(waits) == 3 and all(29 < seconds <= 30 for seconds in waits), "the second time it has come to rest"


def test_one_that_never_comes_to_rest_is_for_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "LONGEST", -1)
    (tmp_path / "students.csv").write_text("a,b\n")
    with pytest.raises(SourceUnavailable, match="still being written"), arriving(tmp_path, still=30).opened():
        pass


def test_each_zip_of_a_folder_is_read_once_in_its_turn_and_kept_aside(tmp_path: Path) -> None:
    folder = drop(tmp_path / "drop", "one.zip", "two.zip", "three.zip")
    assert [read(arriving(folder)) for _ in range(3)] == ["one.zip", "two.zip", "three.zip"]
    assert lie(folder) == []
    assert lie(folder / ASIDE) == ["19700112T134640Z-one.zip", "19700112T134641Z-two.zip", "19700112T134642Z-three.zip"]
    assert read(arriving(folder)) == "19700112T134642Z-three.zip", "what came last is still what is known"


def test_one_that_lists_everything_goes_before_those_that_came_before_it(tmp_path: Path) -> None:
    folder = drop(tmp_path / "drop", "one.zip", "two-all.zip", "broken.zip", "three-all.zip")
    (folder / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    os.utime(folder / "broken.zip", (1_000_002, 1_000_002))
    assert read(arriving(folder)) == "three-all.zip"
    assert lie(folder) == [] and len(lie(folder / ASIDE)) == 4, "none is thrown away"


def test_behind_one_that_can_not_be_read_what_has_only_changes_in_it_waits(tmp_path: Path) -> None:
    folder = drop(tmp_path / "drop", "broken.zip", "two.zip")
    (folder / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    os.utime(folder / "broken.zip", (1_000_000, 1_000_000))
    with pytest.raises(BadFile, match="springfield: broken.zip is no zip"):
        read(arriving(folder))
    (folder / "broken.zip").unlink()
    assert read(arriving(folder)) == "two.zip"


def test_of_two_that_were_sent_under_one_name_none_is_lost_and_only_so_many_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    for night in range(5):
        drop(folder, "roster-all.zip")
        os.utime(folder / "roster-all.zip", (1_000_000 + night * 86_400,) * 2)
        assert read(arriving(folder, keep=3)) == "roster-all.zip"
    assert [name[:8] for name in lie(folder / ASIDE)] == ["19700114", "19700115", "19700116"]


def test_without_setting_aside_the_newest_counts_and_nothing_is_moved(tmp_path: Path) -> None:
    folder = drop(tmp_path / "drop", "one.zip", "two.zip")
    assert [read(arriving(folder, set_aside=False)) for _ in range(2)] == ["two.zip", "two.zip"]
    assert lie(folder) == ["one.zip", "two.zip"] and not (folder / ASIDE).exists()


def test_what_was_only_looked_at_stays(tmp_path: Path) -> None:
    folder = drop(tmp_path / "drop", "one.zip")
    assert read(arriving(folder), settle=False) == "one.zip"
    assert lie(folder) == ["one.zip"]


def test_what_is_sent_anew_while_a_run_applies_is_not_taken_for_read(tmp_path: Path) -> None:
    folder = drop(tmp_path / "drop", "changes.zip")
    found = arriving(folder)
    assert read(found, settle=False) == "changes.zip"
    bundle(folder, {"users.csv": "sourcedId\nanother\n"}, "changes.zip")
    found.settle()
    assert lie(folder) == ["changes.zip"] and lie(folder / ASIDE) == []
    assert read(arriving(folder)) == "changes.zip" and lie(folder) == []


@pytest.mark.parametrize("packed", [True, False])
def test_files_that_lie_where_the_path_says_are_never_moved(packed: bool, tmp_path: Path) -> None:
    path = bundle(tmp_path, {"orgs.csv": "sourcedId\n1\n"}, packed=packed)
    read(arriving(path))
    assert path.exists() and (packed or lie(path) == ["orgs.csv"])


def test_where_nothing_can_be_moved_what_was_read_is_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = drop(tmp_path / "drop", "one.zip", "two.zip")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    found = arriving(folder)
    assert read(found) == "one.zip" and "not set aside" in caplog.text
    with pytest.raises(BadFile, match="one.zip was read, and can not be set aside") as told:
        found.next()
    assert "set_aside = false" in str(told.value.advice)
    assert lie(folder) == ["one.zip", "two.zip"]


@pytest.mark.fault("S9", "S12")
def test_a_link_leads_to_no_other_file_of_this_machine(tmp_path: Path) -> None:
    (secret := tmp_path / "elsewhere.csv").write_text("sourcedId\n1\n")
    (folder := tmp_path / "drop").mkdir()
    (folder / "users.csv").symlink_to(secret)
    with pytest.raises(BadFile, match="drop has a link in it that leads out of it"):
        read(arriving(folder))


@pytest.mark.fault("S12")
def test_a_source_of_the_console_reads_in_the_folders_that_it_may_and_learns_nothing_of_others(tmp_path: Path) -> None:
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "orgs.csv").write_text("sourcedId\n1\n")
    (tmp_path / "mine" / "more").mkdir()
    (tmp_path / "mine" / "more" / "beside").symlink_to(tmp_path / "theirs")
    drop(tmp_path / "packed", "one.zip")
    (tmp_path / "mine" / "zips").mkdir()
    (tmp_path / "mine" / "zips" / "one.zip").symlink_to(tmp_path / "packed" / "one.zip")
    mine = (tmp_path / "mine",)
    with arriving(tmp_path / "mine", folders=mine).opened() as found:
        assert list(found.names) == ["orgs.csv"]
    beside = tmp_path / "mine" / "more" / "beside"
    for path in (
        tmp_path / "theirs",
        tmp_path / "mine" / ".." / "theirs",
        beside,
        tmp_path / "nothing",
        tmp_path,
        tmp_path / "mine" / "zips",
    ):
        with pytest.raises(BadFile, match=r"may not read\. .*\[console\] folders"):
            read(arriving(path, folders=mine))
    with pytest.raises(BadFile, match="may not read"):
        read(arriving(tmp_path / "mine", folders=()))
