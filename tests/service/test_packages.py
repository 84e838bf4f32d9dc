"""What can be said of the packages without building them: that all they need is there, pinned, and theirs alone."""

import fnmatch
import json
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from syncd.settings.file import load

PROJECT = tomllib.loads(Path("pyproject.toml").read_text())["project"]
LOCK = Path("requirements.txt").read_text()
DOCKERFILE = Path("Dockerfile").read_text()


def test_all_that_syncd_needs_is_pinned_with_hashes_and_fits() -> None:
    pinned: dict[str, str] = {}
    for block in re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", LOCK, flags=re.MULTILINE).strip()):
        found = re.match(r"([\w.-]+)(?:\[[\w,]+\])?==(\S+)", block)
        assert found and "--hash=sha256:" in block, block
        pinned[canonicalize_name(found[1])] = found[2]
    for needed in map(Requirement, [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["cluster"]]):
        assert needed.specifier.contains(pinned[canonicalize_name(needed.name)]), f"{needed}: `make lock`"
        for extra in needed.extras:
            assert canonicalize_name(f"{needed.name}-{extra}") in pinned


def test_no_package_says_where_packages_come_from() -> None:
    """That is for the machine's own configuration of pip to say."""
    for path in (Path("requirements.txt"), Path("Dockerfile"), Path("Makefile"), *Path("debian").glob("*")):
        text = path.read_text() if path.is_file() else ""
        assert not re.search(r"://|(?<!no-emit-)(index-url|find-links|trusted-host)(?! wheels)", text.replace("sqlite:////", "")), path


def test_each_path_that_the_container_copies_is_there_and_not_ignored() -> None:
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]]
    assert {"requirements.txt", "syncd", "connectors"} <= set(copied)
    let_in = {line.removeprefix("!") for line in Path(".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert [path for path in copied if not Path(path).exists()] == []
    assert set(copied) == let_in


def test_the_container_has_no_rights_and_keeps_all_it_writes_in_the_volume() -> None:
    user = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)[-1]
    assert "0" not in user
    assert re.search(r"^VOLUME /var/lib/syncd$", DOCKERFILE, re.MULTILINE)
    for name in ("STATE_DIRECTORY", "SQLITE_TMPDIR"):
        assert f"{name}=/var/lib/syncd" in DOCKERFILE
    assert json.loads(re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.MULTILINE)[0]) == ["syncd"]


def test_the_debian_package_is_of_this_version_and_has_these_units() -> None:
    version = re.match(r"syncd \((.+)\) ", Path("debian/changelog").read_text())
    assert version and version[1] == PROJECT["version"]
    for packaged, unit in (
        ("service", "syncd.service"),
        ("syncd-worker.service", "syncd-worker.service"),
        ("sysusers", "syncd.sysusers.conf"),
    ):
        assert Path(f"debian/syncd.{packaged}").resolve() == Path(f"systemd/{unit}").resolve()


def test_what_the_debian_package_puts_into_etc_is_right_and_has_its_store_where_the_unit_may_write(tmp_path: Path) -> None:
    config = tmp_path / "syncd.toml"
    config.write_text(Path("debian/syncd.toml").read_text())
    config.chmod(0o640)
    found = load(config)
    assert found.sources == {} and found.store_url == "sqlite:////var/lib/syncd/roster.db"


def test_wheels_have_the_units_and_each_package() -> None:
    tool = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["setuptools"]
    (patterns,) = tool["data-files"].values()
    assert all(any(fnmatch.fnmatch(str(path), pattern) for pattern in patterns) for path in Path("systemd").iterdir())
