"""The measuring instrument itself: a pretend district whose author knows what each pull must find, and a bench that ends when one finds
anything else."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from bench import district, files, measures, phase, pulls, server
from bench.measures import of_floor, times

SCALE = 0.01
EXPECTED = {"users": {"created": 0, "updated": 0, "deactivated": 0, "unchanged": 10}}
# What a step says of a poll that went as it should.
RIGHT = {
    "state": "applied",
    "mode": "incremental",
    "error": None,
    "doubts": [],
    "held": [],
    "quality": {},
    "touched": 0,
    "counts": EXPECTED,
}
Lists = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return district.prepared(tmp_path_factory.mktemp("pages"), SCALE)


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[server.Served]:
    with server.running(root, etag=True) as found:
        yield found


def _lists(root: Path, version: str) -> Lists:
    """{list: {id: record}}, in the order of the pages."""
    return {name: {record["sourcedId"]: record for record in _records(root, version, name)} for name in district.KINDS}


def _records(root: Path, version: str, name: str) -> Iterator[dict[str, Any]]:
    for page in sorted((root / version / name).glob("0*.json")):
        yield from json.loads(page.read_text(encoding="ascii"))[name]


def _differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, int]:
    both = before.keys() & after.keys()
    updated = sum(before[one] != after[one] for one in both)
    created, deactivated = len(after.keys() - both), len(before.keys() - both)
    return {"created": created, "updated": updated, "deactivated": deactivated, "unchanged": len(both) - updated}


def test_the_same_district_is_written_to_the_byte_each_time(root: Path, tmp_path: Path) -> None:
    again = district.prepared(tmp_path, SCALE)
    files = {file.relative_to(root) for file in root.rglob("*.json")}
    assert len(files) > 3 * len(district.KINDS)
    assert {file.relative_to(again) for file in again.rglob("*.json")} == files
    assert [str(file) for file in files if (root / file).read_bytes() != (again / file).read_bytes()] == []


def test_each_list_is_as_large_as_said_and_comes_sorted_as_it_is_asked_for(root: Path) -> None:
    size = district.Size.of(SCALE)
    assert (size.users, size.classes, size.enrollments, size.records) == (1_000, 200, 6_000, 7_265)
    for version in district.VERSIONS:
        for name, records in _lists(root, version).items():
            assert list(records) == sorted(records)
            assert len(records) == district.totals(root, version)[district.KINDS[name]] == sum(1 for _ in _records(root, version, name))
    assert {name: len(records) for name, records in _lists(root, "same").items()} == vars(size)


def test_the_versions_differ_by_exactly_what_their_author_says(root: Path) -> None:
    same, shifted, changed = (_lists(root, version) for version in district.VERSIONS)
    for name, kind in district.KINDS.items():
        assert _differences(same[name], shifted[name]) == district.expected(root, "shifted")[kind]
        assert list(shifted[name])[1:] == list(same[name]), "one more at the very beginning, and else nothing"
        assert _differences(shifted[name], changed[name]) == district.expected(root, "changed")[kind]
    told = {action: sum(counts[action] for counts in district.expected(root, "changed").values()) for action in district.BECAME}
    shares = {action: count / district.Size.of(SCALE).records for action, count in told.items()}
    assert shares["updated"] == pytest.approx(0.01, rel=0.1)
    assert shares["created"] == pytest.approx(0.005, rel=0.1)
    assert shares["deactivated"] == pytest.approx(0.005, rel=0.15)


def test_nothing_in_any_version_refers_to_nobody(root: Path) -> None:
    for version in district.VERSIONS:
        lists = _lists(root, version)
        seats = set()
        for one in lists["enrollments"].values():
            user, of_class = one["user"]["sourcedId"], one["class"]["sourcedId"]
            assert lists["users"][user]["role"] == one["role"]
            assert lists["classes"][of_class]["school"] == one["school"]
            seats.add((user, of_class))
        assert len(seats) == len(lists["enrollments"]), "nobody is in a class twice"
        for one in lists["classes"].values():
            assert one["course"]["sourcedId"] in lists["courses"]
            assert one["school"]["sourcedId"] in lists["orgs"]
        numbers = [user["identifier"] for user in lists["users"].values()]
        assert all(numbers)
        assert len(set(numbers)) == len(numbers)


def test_syncd_finds_exactly_what_the_author_says(served: server.Served, root: Path, tmp_path: Path) -> None:
    for name, (version, mode) in pulls.PHASES.items():
        served.serve(version)
        served.asked()
        found = phase.pull(phase.over_rest(served.url), f"sqlite:///{tmp_path}/roster.db", mode)
        pulls.check(found, name, district.expected(root, version, first=name == "first"), None)
        asked = served.asked()
        if name == "poll":
            assert asked == dict.fromkeys(district.KINDS, 1)
        else:
            assert {one: count for one, count in asked.items() if one in district.KINDS} == district.pages(root, version)


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "held"},
        {"doubts": ["users sent 1 of 2 records"]},
        {"mode": "full"},
        {"quality": {"no-school": 9}},
        {"touched": 1},
        {"counts": {"users": {"created": 0, "updated": 1, "deactivated": 0, "unchanged": 9}}},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_run_that_did_something_else_is_no_measure(wrong: dict[str, Any]) -> None:
    pulls.check(RIGHT, "poll", EXPECTED, 0)
    with pytest.raises(SystemExit):
        pulls.check(RIGHT | wrong, "poll", EXPECTED, 0)


def test_rows_that_the_database_saw_written_although_nothing_changed_are_no_measure() -> None:
    with pytest.raises(SystemExit):
        pulls.check(RIGHT | {"mode": "full"}, "unchanged", EXPECTED, 1)
    with pytest.raises(SystemExit):
        pulls.check(RIGHT | {"mode": "full"}, "first", EXPECTED, 0)


def test_the_provider_knows_each_record_by_its_id_and_who_is_gone(served: server.Served, root: Path) -> None:
    served.serve("changed")
    before, after = (_lists(root, version)["users"] for version in ("shifted", "changed"))
    with requests.Session() as session:
        for one in list(after)[::40] + list(after)[-2:]:
            assert session.get(f"{served.url}/users/{one}").json() == {"user": after[one]}
        gone = before.keys() - after.keys()
        assert gone
        assert {session.get(f"{served.url}/users/{one}").status_code for one in gone} == {404}


def test_the_provider_gives_pages_of_any_size_and_the_ready_ones_with_an_etag(served: server.Served, root: Path) -> None:
    served.serve("same")
    ids = list(_lists(root, "same")["enrollments"])
    with requests.Session() as session:
        cut = session.get(f"{served.url}/enrollments", params={"limit": 300, "offset": 4_900})
        assert [record["sourcedId"] for record in cut.json()["enrollments"]] == ids[4_900:5_200]
        assert cut.headers["X-Total-Count"] == "6000"
        whole = session.get(f"{served.url}/enrollments", params={"limit": 5_000, "offset": 5_000})
        assert [record["sourcedId"] for record in whole.json()["enrollments"]] == ids[5_000:]
        known = {"If-None-Match": whole.headers["ETag"]}
        again = session.get(f"{served.url}/enrollments", params={"limit": 5_000, "offset": 5_000}, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        other = session.get(f"{served.url}/enrollments", params={"limit": 5_000, "offset": 0}, headers=known)
        assert other.status_code == 200


def test_a_limit_counts_on_its_right_side_and_by_the_median() -> None:
    assert of_floor("pull", [2.0, 4.1, 9.0], [1.0, 2.0, 1.0], "D", 2.05, ([1.0], [1.0])).reached
    assert not of_floor("pull", [2.0, 4.1, 9.0], [1.0, 2.0, 1.0], "D", 2.0, ([1.0], [1.0])).reached
    assert times("peer", [3.0], [1.0], "peer", 3.0).reached
    assert not times("peer", [2.9], [1.0], "peer", 3.0).reached


def test_what_was_measured_is_kept_between_its_markers_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- a: begin -->\nold\n<!-- a: end -->\nafter\n", encoding="utf-8")
    for text in ("one", "two"):
        measures.keep("a", text, page)
        assert page.read_text(encoding="utf-8") == f"before\n<!-- a: begin -->\n{text}\n<!-- a: end -->\nafter\n"
    with pytest.raises(SystemExit):
        measures.keep("b", "text", page)


def test_a_bundle_is_compared_with_what_rest_gives_and_its_floor_counts_every_cell(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("orgs.csv", 'sourcedId,name\no1,"North, East"\n')
        bundle.writestr("users.csv", "sourcedId\nu1\nu2\n")
    assert files.floor(path) == 7
    rest, by_files = pulls.Taken(), pulls.Taken()
    for day in files.DAYS:
        for taken, seconds in ((rest, 1.0), (by_files, 2.0)):
            taken.add(day, {"seconds": seconds, "cpu": 0.5})
            taken.peaks[day].append(100.0)
        by_files.add(f"{day} floor", {"seconds": 0.1, "cpu": 0.1})
    *lines, floor = files.rows("sqlite", rest, by_files)
    assert len(lines) == len(files.DAYS) and all("| 2 s (0.5 s), 100 MiB | 1 s (0.5 s), 100 MiB | 2.00 × | 1 |" in line for line in lines)
    assert "| 0.1 s |" in floor
