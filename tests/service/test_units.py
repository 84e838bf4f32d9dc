"""The units of systemd/: right, as systemd itself reads them, and as closed as they are said to be."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from syncd.errors import ConfigError, DaemonRunning

UNITS = sorted(Path("systemd").glob("*.service"))
USERS = Path("systemd/syncd.sysusers.conf")
# Of 100: at or below 1.5 of 10.
EXPOSED = "15"


def required(program: str) -> str:
    """Its path, or else the test is skipped, loudly; where CI looks, it fails."""
    found = shutil.which(program)
    if found is None:
        told = f"NO {program}: `make tools` as root installs it from Debian; whether the units are right is not tried"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    return found


def settings(unit: Path) -> dict[str, list[str]]:
    """{key: each of its values}, whatever the section."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def placed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The unit, with a command that is on this machine in the place of the one that will be installed."""
    unit: Path = request.param
    text = unit.read_text()
    assert "ExecStart=/usr/bin/syncd " in text
    path = tmp_path / unit.name
    path.write_text(text.replace("ExecStart=/usr/bin/syncd ", f"ExecStart={sys.executable} "))
    return path


def of_each_unit(test: object) -> object:
    return pytest.mark.parametrize("placed", UNITS, indirect=True, ids=lambda unit: unit.name)(test)


@of_each_unit
def test_systemd_finds_nothing_wrong_with_it(placed: Path) -> None:
    command = [required("systemd-analyze"), "verify", "--recursive-errors=no", "--man=no", str(placed)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


@of_each_unit
def test_it_is_closed(placed: Path) -> None:
    command = [required("systemd-analyze"), "security", "--offline=true", "--no-pager", f"--threshold={EXPOSED}", str(placed)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stdout + found.stderr
    score = re.search(r"exposure level for \S+: ([\d.]+)", found.stdout)
    assert score and float(score[1]) <= 1.5


@of_each_unit
def test_what_does_not_mend_itself_is_not_tried_again(placed: Path) -> None:
    (prevented,) = settings(placed)["RestartPreventExitStatus"]
    assert {int(code) for code in prevented.split()} == {ConfigError.exit_code, DaemonRunning.exit_code}


@of_each_unit
def test_it_tells_of_itself_is_watched_and_leaves_nothing_readable(placed: Path) -> None:
    found = settings(placed)
    assert (found["Type"], found["NotifyAccess"], found["WatchdogSec"]) == (["notify"], ["main"], ["60"])
    assert (found["UMask"], found["StateDirectoryMode"], found["LimitCORE"]) == (["0077"], ["0700"], ["0"])


def test_both_units_close_the_same() -> None:
    closed = {unit.read_text().split("# What the daemon never needs", 1)[1] for unit in UNITS}
    assert len(UNITS) == 2 and len(closed) == 1


def test_their_user_is_made_and_can_not_sign_in(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    command = [required("systemd-sysusers"), f"--root={tmp_path}", str(USERS.resolve())]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (line,) = [line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("syncd:")]
    _, _, uid, _, _, home, shell = line.split(":")
    assert 0 < int(uid) < 1000 and home == "/var/lib/syncd" and shell.endswith("nologin")
    assert {user for unit in UNITS for user in settings(unit)["User"]} == {"syncd"}
