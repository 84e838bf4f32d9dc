"""The command line over a journey's source: what is printed, and the exit code."""

import signal
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from syncd.cli import main
from syncd.sandbox import Sandbox
from tests import stores

CLEVER = """
[sources.springfield]
connector = "clever"
url = "{clever}"
token = {{ env = "T" }}
demographics = true
"""
ONEROSTER = """
[sources.springfield]
connector = "oneroster"
url = "{oneroster}"
token_url = "{tokens}"
client_id = {{ env = "I" }}
client_secret = {{ env = "S" }}
demographics = true
"""


class Ended(NamedTuple):
    """How a command ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str


class Commands:
    """`syncd` with the configuration of a sandbox, on the store of the same folder (as `Synced` has it)."""

    def __init__(
        self, sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dialect: str = "clever"
    ) -> None:
        template = CLEVER if dialect.startswith("clever") else ONEROSTER
        self.config = folder / "syncd.toml"
        kept = f'[store]\nurl = "{stores.url(folder)}"\n'
        self.config.write_text(
            kept + template.format(clever=sandbox.clever_url, oneroster=sandbox.oneroster_12_url, tokens=sandbox.token_url)
        )
        for name, value in (("T", sandbox.token), ("I", sandbox.client_id), ("S", sandbox.client_secret)):
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(signal, "signal", lambda *_: None)
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["syncd", *map(str, arguments), "--config", str(self.config)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = self._capsys.readouterr()
        assert "Traceback" not in printed.err
        return Ended(int(ended.value.code or 0), printed.out, printed.err)
