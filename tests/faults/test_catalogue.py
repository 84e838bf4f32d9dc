"""The fault catalogue is whole: each row says what a user sees, and has a test that makes it go wrong."""

import re
from pathlib import Path

import pytest

ROWS = {
    row[0]: row[2]
    for line in Path("docs/faults.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [A-Z]\d+ \|", line)
    for row in [[cell.strip() for cell in line.strip("|").split(" | ")]]
}
MARKED = {
    row
    for file in Path("tests").rglob("test_*.py")
    for marked in re.findall(r"mark\.fault\(([^)]*)\)", file.read_text(encoding="utf-8"))
    for row in re.findall(r'"([A-Z]\d+)"', marked)
}
ALL = [f"{letter}{n}" for letter, last in zip("THPDVXS", (11, 12, 8, 17, 9, 15, 19), strict=True) for n in range(1, last + 1)]


def test_no_row_is_forgotten_and_no_mark_is_of_a_row_that_there_is_not() -> None:
    assert list(ROWS) == ALL
    assert MARKED - set(ALL) == set()


@pytest.mark.parametrize("row", ALL)
def test_each_row_has_a_test_or_names_the_part_that_it_comes_with(row: str) -> None:
    told = ROWS[row]
    assert told
    assert (row in MARKED) != ("*comes with" in told), "a row has a test, or names the part that it comes with"
