"""The `syncd` command as tests give it: in this process, which is quick, or as the process of its own that people start."""

import io
import os
import subprocess
import sys
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from syncd import signals
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


def syncd(config: Path, *arguments: object) -> Ended:
    """A command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["syncd", "--config", str(config), *map(str, arguments)])
        patch.setattr(signals, "on", lambda _calls: nullcontext())
        with pytest.raises(SystemExit) as ended:
            main()
    assert "Traceback" not in err.getvalue()
    return Ended(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def syncd_process(config: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command as a process of its own, without the switch that shows tracebacks."""
    environment = {name: value for name, value in os.environ.items() if name != "SYNCD_DEBUG"}
    command = [sys.executable, "-m", "syncd", "--config", str(config), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def configure(folder: Path, sandbox: Sandbox) -> Path:
    """A configuration with the sandbox as a Clever and as a OneRoster district; the secrets are in the environment as T, I and S."""
    config = folder / "syncd.toml"
    config.write_text(
        f"""[store]
url = "{stores.url(folder)}"
[console]
enabled = false
[sources.springfield]
connector = "clever"
url = "{sandbox.clever_url}"
token = {{ env = "T" }}
demographics = true
schedule = "every 1 second"

[sources.shelbyville]
connector = "oneroster"
url = "{sandbox.oneroster_12_url}"
token_url = "{sandbox.token_url}"
client_id = {{ env = "I" }}
client_secret = {{ env = "S" }}
demographics = true
enabled = false
""",
        encoding="utf-8",
    )
    return config


class Commands:
    """`syncd` with the configuration of a sandbox, on the store of the same folder (as `Synced` has it)."""

    def __init__(self, sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch, dialect: str = "clever") -> None:
        template = CLEVER if dialect.startswith("clever") else ONEROSTER
        self.config = folder / "syncd.toml"
        kept = f'[store]\nurl = "{stores.url(folder)}"\n[console]\nenabled = false\n'
        self.config.write_text(
            kept + template.format(clever=sandbox.clever_url, oneroster=sandbox.oneroster_12_url, tokens=sandbox.token_url)
        )
        for name, value in (("T", sandbox.token), ("I", sandbox.client_id), ("S", sandbox.client_secret)):
            monkeypatch.setenv(name, value)

    def __call__(self, *arguments: object) -> Ended:
        return syncd(self.config, *arguments)
