"""The connector in docs/connectors.md is a whole one: as it stands there, it is found by its entry point, passes the suite, and syncs."""

import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.commands import syncd

PAGE = Path("docs/connectors.md")
FILE = re.compile(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LISTS = {
    "/schools": {"items": [{"id": "o1", "name": "North"}]},
    "/people": {"items": [{"id": "p1", "first": "Ada", "role": "pupil", "school": "o1"}], "next": "/people?page=2"},
    "/people?page=2": {"items": [{"id": "p2", "first": "Ben", "role": "teacher", "school": "o1"}]},
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's files, with what `pip install` would write down of its entry points."""
    folder = tmp_path_factory.mktemp("package")
    for name, text in FILE.findall(PAGE.read_text(encoding="utf-8")):
        (folder / name).write_text(text, encoding="utf-8")
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    for group, points in project["entry-points"].items():
        lines = [f"{name} = {value}" for name, value in points.items()]
        (installed / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    return folder


def test_it_passes_the_suite(package: Path) -> None:
    suite = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "."]
    ended = subprocess.run(suite, cwd=package, capture_output=True, text=True, check=False)
    assert re.search(r"^\d{2,} passed", ended.stdout, re.MULTILINE), ended.stdout + ended.stderr


class Ogdenville(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(LISTS[self.path]).encode()
        self.send_response(200 if self.headers["Authorization"] == "Bearer let-me-in" else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Ogdenville) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_syncd_finds_it_by_its_entry_point_and_syncs(package: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = [block for block in re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL) if "[sources." in block]
    config = tmp_path / "syncd.toml"
    config.write_text(found.replace("https://rosters.example.org", address))
    monkeypatch.syspath_prepend(package)
    monkeypatch.setenv("OGDENVILLE_TOKEN", "let-me-in")
    assert "Ogdenville: 1 schools on the first page" in syncd(config, "check", "--connect").out
    counts = json.loads(syncd(config, "sync", "ogdenville", "--json").out)["counts"]
    assert (counts["orgs"]["created"], counts["users"]["created"]) == (1, 2)
