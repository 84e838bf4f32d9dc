"""Files on their way: none is read before it has come to rest."""

import os
import time
from pathlib import Path

import pytest

from syncd.errors import BadFile, SourceUnavailable
from syncd.files import arrival
from syncd.files.arrival import arrived


def test_a_file_that_is_still_written_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "students.csv"
    file.write_text("a,b\n")
    os.utime(tmp_path, (0, 0))
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        # Twice somebody writes to it; then it is left alone.
        age = 0 if len(waits) < 3 else 60
        os.utime(file, (time.time() - age,) * 2)

    with arrived(tmp_path, "springfield", (".csv",), 30, wait) as bundle:
        assert list(bundle.names) == ["students.csv"]
    assert len(waits) == 3 and all(29 < seconds <= 30 for seconds in waits)
    with arrived(tmp_path, "springfield", (".csv",), 30, lambda _: pytest.fail("it has come to rest")):
        pass


def test_one_that_never_comes_to_rest_is_for_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "LONGEST", -1)
    (tmp_path / "students.csv").write_text("a,b\n")
    with pytest.raises(SourceUnavailable, match="still being written"):
        arrived(tmp_path, "springfield", (".csv",), 30, lambda _: None)


@pytest.mark.fault("S9", "S12")
def test_a_link_leads_to_no_other_file_of_this_machine(tmp_path: Path) -> None:
    (secret := tmp_path / "elsewhere.csv").write_text("sourcedId\n1\n")
    (drop := tmp_path / "drop").mkdir()
    (drop / "users.csv").symlink_to(secret)
    with pytest.raises(BadFile, match="drop has a link in it that leads out of it"):
        arrived(drop, "springfield", (".csv",), 0, lambda _: None)


@pytest.mark.fault("S12")
def test_a_source_of_the_console_reads_in_the_folders_that_it_may_and_learns_nothing_of_others(tmp_path: Path) -> None:
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "orgs.csv").write_text("sourcedId\n1\n")
    (tmp_path / "mine" / "more").mkdir()
    (tmp_path / "mine" / "more" / "beside").symlink_to(tmp_path / "theirs")
    within = [tmp_path / "mine"]
    with arrived(tmp_path / "mine", "springfield", (".csv",), 0, lambda _: None, within=within) as bundle:
        assert list(bundle.names) == ["orgs.csv"]
    beside = tmp_path / "mine" / "more" / "beside"
    for path in (tmp_path / "theirs", tmp_path / "mine" / ".." / "theirs", beside, tmp_path / "nothing", tmp_path):
        with pytest.raises(BadFile, match=r"may not read\. .*\[console\] folders"):
            arrived(path, "springfield", (".csv",), 0, lambda _: None, within=within)
    with pytest.raises(BadFile, match="may not read"):
        arrived(tmp_path / "mine", "springfield", (".csv",), 0, lambda _: None, within=())
