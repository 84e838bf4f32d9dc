"""What lies in a zip is laid out on the disk to be read, and who has no room for it is told so, and not of a damaged file."""

import io
from pathlib import Path

import pytest

from syncd.errors import BadFile
from syncd.files.bundle import Bundle
from syncd.files.sheet import opened
from tests.connectors.came import bundle
from tests.files.sheets import sheet_of


def test_a_sheet_in_a_zip_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (room := tmp_path / "room").mkdir()
    monkeypatch.setenv("SQLITE_TMPDIR", str(room))
    with Bundle(bundle(tmp_path, {"students.xlsx": sheet_of("a,b\n1,2\n")}), "springfield") as files, files.open("students.xlsx") as stream:
        rows = opened("students.xlsx", "springfield", stream)
        assert rows.header == ["a", "b"] and [row.cells for row in rows.rows()] == [["1", "2"]]
    assert list(room.iterdir()) == []
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path / "elsewhere"))
    with (
        Bundle(tmp_path / "bundle.zip", "springfield") as files,
        files.open("students.xlsx") as stream,
        pytest.raises(BadFile, match="can not be laid out where temporary files are"),
    ):
        opened("students.xlsx", "springfield", stream)


def test_a_sheet_that_is_not_read_to_its_end_is_closed(tmp_path: Path) -> None:
    rows = opened("students.xlsx", "springfield", io.BufferedReader(io.BytesIO(sheet_of("a,b\n1,2\n3,4\n"))))  # type: ignore[arg-type]
    assert next(rows.rows()).line == 2
    rows.close()
