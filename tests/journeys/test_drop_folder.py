"""A folder in which zips arrive: each is applied once, in its turn, kept aside, and named in the report of the run that read it."""

import os
from pathlib import Path
from typing import Any

import pytest

from syncd.files.place import ASIDE
from syncd.report import Mode, RunReport, State
from syncd.settings.guard import GuardSettings
from syncd.store import roster, runs
from tests.connectors.came import bundle
from tests.connectors.test_oneroster_csv import FILES, ORGS, ROLES, USERS, USERS_1_2, manifest, whole
from tests.journeys.test_round_trips import Imported

DATED = "2026-11-20T08:00:00.000Z"
HEADER = USERS.partition("\n")[0]
ABSENT = dict.fromkeys(FILES, "absent")


class Drop:
    """A folder, and the source that reads it."""

    def __init__(self, folder: Path) -> None:
        (folder / "drop").mkdir()
        self.folder, self.imported, self._at = folder / "drop", Imported(folder / "store", folder / "drop"), 1_790_000_000
        self.store, self.source = self.imported.store, self.imported.name

    def arrives(self, name: str, files: dict[str, Any]) -> None:
        self._at += 60
        os.utime(bundle(self.folder, files, name), (self._at, self._at))

    def changes(self, name: str, *users: str, status: str = "active") -> None:
        """A zip in which stands that these users are new, or other than before."""
        rows = [f"{user},{status},{DATED},true,s1,student,{name},,Vera,Furch,,,,,,,09," for user in users]
        files = {"manifest.csv": manifest(**ABSENT | {"users": "delta"}), "users.csv": "\n".join([HEADER, *rows, ""])}
        self.arrives(f"{name}.zip", files)

    def sync(self, mode: Mode = Mode.INCREMENTAL, **options: Any) -> RunReport:
        return self.imported.sync(mode=mode, **options)

    def users(self) -> set[str]:
        return {user["id"] for user in self.imported.everything()["users"] if user["status"] == "active"}

    def waiting(self) -> list[str]:
        return sorted(file.name for file in self.folder.glob("*.zip"))

    def aside(self) -> list[str]:
        return sorted(file.name.partition("-")[2] for file in (self.folder / ASIDE).glob("*.zip"))


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    return Drop(tmp_path)


def test_nothing_that_arrives_is_passed_over_however_long_nobody_looked(drop: Drop) -> None:
    drop.arrives("all.zip", whole())
    first = drop.sync()
    assert (first.mode, first.state, first.files) == (Mode.FULL, State.APPLIED, ["all.zip"])
    for name, user in (("monday", "u11"), ("tuesday", "u12"), ("wednesday", "u13")):
        drop.changes(name, user)
    for name in ("monday", "tuesday", "wednesday"):
        report = drop.sync()
        assert (report.mode, report.state, report.files) == (Mode.INCREMENTAL, State.APPLIED, [f"{name}.zip"])
    assert {"u11", "u12", "u13"} <= drop.users() and drop.waiting() == []
    nothing_new = drop.sync()
    assert nothing_new.state == State.APPLIED and not nothing_new.changed
    assert drop.aside() == ["all.zip", "monday.zip", "tuesday.zip", "wednesday.zip"]
    assert [run.files for run in reversed(runs.recent(drop.store, drop.source))][:2] == [["all.zip"], ["monday.zip"]]


def test_a_full_pull_in_between_passes_nothing_over_and_takes_nobody_away(drop: Drop) -> None:
    drop.arrives("all.zip", whole())
    drop.sync()
    drop.changes("monday", "u11")
    drop.changes("tuesday", "u12")
    report = drop.sync(Mode.FULL)
    assert report.files == ["monday.zip"] and report.doubts
    report = drop.sync(Mode.FULL)
    assert report.files == ["tuesday.zip"]
    again = drop.sync(Mode.FULL)
    assert again.files[0].endswith("-tuesday.zip") and not again.changed, "what was read last is still what is known"
    assert {"u1", "u2", "u3", "u11", "u12"} <= drop.users()


def test_a_dry_run_and_a_run_that_fails_move_nothing(drop: Drop) -> None:
    drop.arrives("all.zip", whole())
    assert drop.sync(dry_run=True).state == State.PLANNED and drop.waiting() == ["all.zip"]
    (drop.folder / "all.zip").write_bytes(b"PK\x03\x04 no more")
    failed = drop.sync()
    assert failed.state == State.FAILED and drop.waiting() == ["all.zip"] and drop.aside() == []
    drop.arrives("all.zip", whole())
    assert drop.sync().state == State.APPLIED and drop.waiting() == []


def test_what_is_held_is_set_aside_and_applied_once_it_is_approved(drop: Drop) -> None:
    drop.arrives("all.zip", whole())
    drop.sync()
    lines = USERS.splitlines()
    drop.arrives(
        "fewer.zip", whole(users="\n".join([lines[0], lines[2], lines[3], ""]), enrollments=None, manifest=manifest(enrollments="absent"))
    )
    held = drop.sync(limits=GuardSettings(floor=0))
    assert held.state == State.HELD and drop.waiting() == [] and "u1" in drop.users()
    assert drop.imported.sync(approves=held.run).state == State.APPLIED
    assert "u1" not in drop.users() and roster.active_counts(drop.store, drop.source)["users"] == 2


def test_yesterdays_broken_zip_does_not_keep_back_todays_that_lists_everything(drop: Drop) -> None:
    drop.arrives("all.zip", whole())
    drop.sync()
    drop.changes("monday", "u11")
    drop.arrives("yesterday.zip", {"readme.txt": "see attachment"})
    drop.arrives("today.zip", whole(orgs=ORGS.replace("Lincoln", "Washington")))
    report = drop.sync()
    assert (report.state, report.files) == (State.APPLIED, ["today.zip"])
    assert drop.waiting() == [] and "yesterday.zip" in drop.aside()
    assert {org["name"] for org in drop.imported.everything()["orgs"]} == {"District", "Washington"}


# ── changes of users in 1.2, where who is what stands in another file ────────────────────────────────

USER, ROLE = USERS_1_2.partition("\n")[0], ROLES.partition("\n")[0]
ABSENT_1_2 = ABSENT | {"roles": "absent"}


def user(user_id: str, given: str, status: str = "active") -> str:
    return f"{user_id},{status},{DATED},true,v,,{given},Furch,,00123" + "," * 12


def role(role_id: str, user_id: str, word: str, status: str = "active") -> str:
    return f"{role_id},{status},{DATED},{user_id},primary,{word},,,s1,"


class Drop12(Drop):
    """The same in 1.2."""

    def all(self) -> None:
        self.arrives("all.zip", whole(manifest=manifest("1.2", roles="bulk"), users=USERS_1_2, roles=ROLES))

    def tells(self, name: str, *, users: tuple[str, ...] = (), roles: tuple[str, ...] = ()) -> None:
        modes = ABSENT_1_2 | ({"users": "delta"} if users else {}) | ({"roles": "delta"} if roles else {})
        files = {"manifest.csv": manifest("1.2", **modes)}
        files |= {"users.csv": "\n".join([USER, *users, ""])} if users else {}
        files |= {"roles.csv": "\n".join([ROLE, *roles, ""])} if roles else {}
        self.arrives(f"{name}.zip", files)

    def user(self, user_id: str) -> dict[str, Any]:
        return next(one for one in self.imported.everything()["users"] if one["id"] == user_id)

    def roles(self, user_id: str) -> set[tuple[str, str]]:
        return {(one["role"], one["org_id"]) for one in self.user(user_id)["roles"]}


@pytest.fixture
def drop12(tmp_path: Path) -> Drop12:
    made = Drop12(tmp_path)
    made.all()
    assert made.sync().state == State.APPLIED
    return made


@pytest.mark.parametrize("mode", [Mode.INCREMENTAL, Mode.FULL])
def test_a_changed_row_of_a_user_keeps_the_roles_and_a_changed_role_keeps_the_user(mode: Mode, drop12: Drop12) -> None:
    before = drop12.roles("u1")
    drop12.tells("monday", users=(user("u1", "Vee"),))
    assert drop12.sync(mode).state == State.APPLIED
    assert drop12.user("u1")["given_name"] == "Vee" and drop12.roles("u1") == before == {("student", "s1")}
    assert drop12.user("u1")["student_number"] == "00123", "whose number it is stands in the other file"
    drop12.tells("tuesday", roles=(role("r3", "u4", "teacher"), role("r4", "u4", "teacher", "tobedeleted")))
    report = drop12.sync(mode)
    assert report.state == State.APPLIED and report.counts["users"].updated == 1
    assert drop12.roles("u4") == {("teacher", "s1")} and drop12.user("u4")["given_name"] == "Ada"
    assert drop12.user("u1")["given_name"] == "Vee" and drop12.users() == {"u1", "u3", "u4"}


def test_changes_are_read_on_top_of_all_that_came_since_everything_did(drop12: Drop12) -> None:
    drop12.tells("monday", users=(user("u9", "Nia"),), roles=(role("r9", "u9", "teacher"),))
    drop12.tells("tuesday", roles=(role("r8", "u9", "principal"),))
    drop12.tells("wednesday", users=(user("u9", "Nina"),))
    drop12.tells("thursday", roles=(role("r9", "u3", "teacher"),))
    for _ in range(4):
        assert drop12.sync().state == State.APPLIED
    assert drop12.user("u9")["given_name"] == "Nina" and drop12.roles("u9") == {("staff", "s1")}
    assert {word for word, _ in drop12.roles("u3")} == {"guardian", "teacher"}, "a role that is somebody else's now"
    drop12.tells("friday", users=(user("u9", "Nina", "tobedeleted"),))
    assert drop12.sync().state == State.APPLIED
    assert drop12.users() == {"u1", "u3", "u4"}


def test_what_changes_are_read_on_top_of_is_kept_however_few_are(drop12: Drop12) -> None:
    drop12.imported.settings = drop12.imported.settings.model_copy(update={"keep": 1})
    for number in range(4):
        drop12.tells(f"night-{number}", users=(user("u1", f"Vera {number}"),))
        assert drop12.sync().state == State.APPLIED
    assert drop12.aside() == ["all.zip", "night-0.zip", "night-1.zip", "night-2.zip", "night-3.zip"]
    drop12.all()
    drop12.sync()
    assert drop12.aside() == ["all.zip"] and len(list((drop12.folder / ASIDE).iterdir())) == 1


def test_changes_of_users_on_top_of_nothing_are_refused_and_nobody_is_lost(drop12: Drop12) -> None:
    for file in (drop12.folder / ASIDE).iterdir():
        file.unlink()
    drop12.tells("monday", users=(user("u1", "Vee"),))
    report = drop12.sync()
    assert report.state == State.FAILED and "none is kept" in str(report.error)
    assert drop12.user("u1")["given_name"] == "Vera" and drop12.waiting() == ["monday.zip"]


def test_a_role_of_nobody_and_a_row_that_can_not_be_used_change_nobody(drop12: Drop12) -> None:
    drop12.tells("monday", roles=(role("r77", "nobody", "teacher"), role("r4", "u4", "")))
    report = drop12.sync()
    assert report.state == State.APPLIED and not report.changed and report.quality["role-row"] == 2
    assert drop12.roles("u4") == {("staff", "s1"), ("teacher", "d1")}


def test_all_of_the_one_and_changes_of_the_other_are_refused(drop12: Drop12) -> None:
    files = {"manifest.csv": manifest("1.2", **ABSENT_1_2 | {"users": "delta", "roles": "bulk"}), "roles.csv": ROLES}
    drop12.arrives("monday.zip", files | {"users.csv": "\n".join([USER, user("u1", "Vee"), ""])})
    report = drop12.sync()
    assert report.state == State.FAILED and "which are read together" in str(report.error)
    assert drop12.user("u1")["given_name"] == "Vera" and drop12.waiting() == ["monday.zip"]
