"""A console that is served: a pretend district, the daemon as a process of its own, and accounts of each role."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from syncd.account import Role, here
from syncd.sandbox import District, Sandbox, running
from syncd.settings.file import load
from syncd.store import Store, accounts, open_store, roster, tokens
from tests import stores

PASSWORDS = {"vera": "a viewer's long word", "otto": "an operator's long word", "ada": "an admin's long word"}
ROLES = {"vera": "viewer", "otto": "operator", "ada": "admin"}
PATIENCE = 60

SOURCE = """
[sources.springfield]
connector = "clever"
url = "{clever}"
token = {{ env = "CONSOLE_TOKEN" }}
schedule = "every 1 hour"
"""

# The same district as a OneRoster provider, in either version.
ONEROSTER = """
[sources.springfield]
connector = "oneroster"
url = "{{oneroster_{version}}}"
token_url = "{{token}}"
client_id = {{{{ env = "CONSOLE_CLIENT" }}}}
client_secret = {{{{ env = "CONSOLE_SECRET" }}}}
demographics = true
schedule = "every 1 hour"
"""


def until(found: Callable[[], Any], told: Callable[[], str] = str) -> Any:
    """What is found, once it is."""
    end = time.monotonic() + PATIENCE
    while not (answer := found()):
        assert time.monotonic() < end, told()
        time.sleep(0.1)
    return answer


class Served:
    """url: where the console is. sandbox: the district. store: opened beside the daemon."""

    def __init__(self, folder: Path, sandbox: Sandbox, sources: str = SOURCE, console: str = "", port: int | None = 0) -> None:
        self.sandbox, self.config = sandbox, folder / "syncd.toml"
        listen = "" if port is None else f"port = {port}\n"
        addresses = {"clever": sandbox.clever_url, "token": sandbox.token_url}
        addresses |= {"oneroster_11": sandbox.oneroster_11_url, "oneroster_12": sandbox.oneroster_12_url}
        self.config.write_text(f'[store]\nurl = "{stores.url(folder)}"\n[console]\n{listen}{console}\n' + sources.format(**addresses))
        self._log = folder / "serve.log"
        secrets = {"CONSOLE_TOKEN": sandbox.token, "CONSOLE_CLIENT": sandbox.client_id, "CONSOLE_SECRET": sandbox.client_secret}
        self._environment = os.environ | secrets | {"STATE_DIRECTORY": str(folder)}
        self.store: Store = open_store(load(self.config, secrets=()).store_url)
        self.popen: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> str:
        """A `syncd` command as a process; what it printed."""
        command = [sys.executable, "-m", "syncd", "--config", str(self.config), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self._environment)
        assert done.returncode in (0, 3), done.stderr
        return done.stdout

    def sync_by_hand(self, *options: str) -> None:
        """Sync springfield on the command line, beside the daemon."""
        self.command("sync", "springfield", "--wait", *options)

    def people(self) -> set[str]:
        """The ids of all active users."""
        return {record["id"] for record in roster.records(self.store, "user")}

    def add_accounts(self) -> None:
        for name, role in ROLES.items():
            accounts.add(self.store, name, Role(role), password=PASSWORDS[name], by=here(), now=datetime.now(UTC))

    def start(self) -> None:
        with self._log.open("a") as log:
            command = [sys.executable, "-m", "syncd", "--config", str(self.config), "serve"]
            self.popen = subprocess.Popen(command, stderr=log, env=self._environment)
        until(lambda: self.url, lambda: self.log)
        until(lambda: _answers(f"{self.url}/healthz"), lambda: self.log)

    def stop(self) -> None:
        if self.popen is not None:
            self.popen.send_signal(signal.SIGTERM)
            assert self.popen.wait(30) == 0, self.log
            self.popen = None

    @property
    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    @property
    def url(self) -> str:
        """Where the console is; it may be another port after it was started anew."""
        found = re.findall(r'"address": ?"(http[^"]+)"', self.log)
        return found[-1] if found else ""

    def browse(self, name: str | None = None) -> "Browsing":
        """A session of a program that does what a browser does."""
        return Browsing(self, name)

    def token(self, role: str, source: str | None = None) -> str:
        now = datetime.now(UTC)
        return tokens.add(self.store, f"for-{role}", Role(role), source=source, expires_at=now + timedelta(days=1), by=here(), now=now)


class Browsing(requests.Session):
    """Signed in as somebody, or nobody."""

    def __init__(self, served: Served, name: str | None) -> None:
        super().__init__()
        self._served = served
        self.headers["Accept"] = "text/html"
        if name is not None:
            answer = self.send_form("/signin", name=name, password=PASSWORDS[name])
            assert answer.status_code == 303, answer.text

    def at(self, path: str) -> requests.Response:
        return self.get(self._served.url + path, allow_redirects=False)

    def send_form(self, path: str, **fields: str) -> requests.Response:
        return self.post(self._served.url + path, data=fields, allow_redirects=False)

    @property
    def csrf(self) -> str:
        found = re.search(r'<meta name="csrf" content="([0-9a-f]*)">', self.at("/").text)
        return found[1] if found else ""

    def act(self, path: str, **fields: str) -> requests.Response:
        """A form of one of our own pages."""
        return self.send_form(path, csrf=self.csrf, **fields)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.RequestException:
        return False


@contextmanager
def served(
    folder: Path,
    *,
    students: int = 60,
    sources: str = SOURCE,
    console: str = "",
    accounts: bool = True,
    synced: bool = False,
    port: int | None = 0,
    schools: int | None = None,
) -> Iterator[Served]:
    """A console over a pretend district."""
    with running(District.generate(students=students, seed=7, schools=schools)) as sandbox:
        found = Served(folder, sandbox, sources, console, port)
        if accounts:
            found.add_accounts()
        if synced:
            found.sync_by_hand()
        found.start()
        try:
            yield found
        finally:
            found.stop()
