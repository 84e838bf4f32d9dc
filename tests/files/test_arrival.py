"""Files on their way: none is read before it has come to rest."""

import os
import time
from pathlib import Path

import pytest

from syncd.errors import SourceUnavailable
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
