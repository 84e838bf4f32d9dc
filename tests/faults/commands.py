"""The `syncd` command for the fault tests: in this process where only the output matters, else as the process that people start."""

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from syncd.cli import app
from syncd.sandbox import Sandbox


def configure(folder: Path, sandbox: Sandbox) -> Path:
    """A configuration with the sandbox as a Clever and as a OneRoster district; the secrets are in the environment as T, I and S."""
    config = folder / "syncd.toml"
    config.write_text(
        f"""
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


def syncd(config: Path, *arguments: str) -> Result:
    """A command in this process."""
    return CliRunner().invoke(app, ["--config", str(config), *arguments])


def syncd_process(config: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command as a process of its own, without the switch that shows tracebacks."""
    environment = {name: value for name, value in os.environ.items() if name != "SYNCD_DEBUG"}
    command = [sys.executable, "-m", "syncd", "--config", str(config), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
