"""A mistake in the configuration is one clear line that names file, source and key, exit code 2, and never the value."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from syncd.settings.file import load

GOOD = '[sources.springfield]\nconnector = "clever"\ntoken = { env = "CONFIG_TOKEN" }\n'


def syncd(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "syncd", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + "colour = 3", "[sources.springfield] colour: is not a key that is known here"),
        (GOOD + 'schedule = "now and then"', "[sources.springfield] schedule: is no schedule"),
        (GOOD + 'full = "0 25 * * *"', "[sources.springfield] full: is no schedule"),
        (GOOD + "page_size = 'many'", "[sources.springfield] page_size: must be a whole number"),
        (GOOD.replace('{ env = "CONFIG_TOKEN" }', '"hunter2hunter2"'), "token: a secret may not stand in the file"),
        (GOOD.replace("CONFIG_TOKEN", "CONFIG_NONE"), "token: the environment variable CONFIG_NONE is not set"),
        (GOOD.replace('"clever"', '"cleverer"'), "connector: there is no connector 'cleverer'"),
        (GOOD + GOOD, "the same name stands twice"),
        (GOOD.replace("springfield", "'Spring field'"), "a source's name has small letters"),
        (GOOD + "[sources.springfield.guard]\nmax_deactivations = 'all'", "guard.max_deactivations: write a percentage"),
        ("[retention]\ninactive_days = 0", "retention.inactive_days: must be greater than or equal to 1"),
        ("[retention]\nlog_days = true", "retention.log_days: must be a whole number"),
        ("[retention]\ninactive_day = 9", "retention.inactive_day: is not a key that is known here"),
        ("[store]\nurl = 7", "store.url: must be text"),
        (GOOD + "url = 'http://api.example.org'", "url: must begin with https://"),
        ("[sources.s]\nconnector = 'oneroster'\nurl = 'https://x.example.org'", 'auth = "oauth2" needs token_url and client_id'),
        ("this is not toml", "this is not TOML"),
    ],
)
def test_a_mistake_is_told_in_one_line(text: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFIG_TOKEN", "a-token-for-tests")
    config = tmp_path / "syncd.toml"
    config.write_text(text)
    done = syncd("check", "--config", str(config))
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert str(config) in lines[0] and told in lines[0]
    assert "hunter2" not in done.stderr and "Traceback" not in done.stderr


def test_the_sample_configuration_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPRINGFIELD_TOKEN", "SHELBYVILLE_ID", "SHELBYVILLE_SECRET"):
        monkeypatch.setenv(name, "something")
    settings = load(Path("config/syncd.toml"))
    assert list(settings.sources) == ["springfield", "shelbyville"]


def test_init_writes_a_configuration_that_check_accepts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "syncd.toml"
    done = syncd("init", "--connector", "clever", "--name", "springfield", "--config", str(config))
    assert done.returncode == 0, done.stderr
    assert config.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("SPRINGFIELD_TOKEN", "a-token-for-tests")
    assert syncd("--config", str(config), "check").returncode == 0
    again = syncd("init", "--connector", "clever", "--name", "springfield", "--config", str(config))
    assert again.returncode == 2 and "has a source springfield already" in again.stderr
    misnamed = syncd("init", "--connector", "clever", "--name", "my school", "--config", str(config))
    assert misnamed.returncode == 2 and "can not be a source's name" in misnamed.stderr


def test_init_once_more_adds_a_source_and_keeps_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "syncd.toml"
    for name in ("springfield", "shelbyville"):
        assert syncd("init", "--connector", "clever", "--name", name, "--config", str(config)).returncode == 0
        monkeypatch.setenv(f"{name.upper()}_TOKEN", "a-token-for-tests")
    assert list(load(config).sources) == ["springfield", "shelbyville"]


def test_what_only_looks_at_the_store_needs_no_secret(tmp_path: Path) -> None:
    config = tmp_path / "syncd.toml"
    config.write_text('[sources.springfield]\nconnector = "clever"\ntoken = { credential = "springfield" }\n')
    for command in ("status", "runs", "links"):
        done = syncd(command, "--config", str(config))
        assert done.returncode == 0, done.stderr
    for command in (("sync", "springfield"), ("verify", "springfield"), ("check",), ("serve",)):
        done = syncd(*command, "--config", str(config))
        assert done.returncode == 2 and "CREDENTIALS_DIRECTORY is not set here" in done.stderr


def test_what_the_system_refuses_is_told_in_one_line(tmp_path: Path) -> None:
    config = tmp_path / "syncd.toml"
    config.write_text(GOOD)
    assert syncd("db", "upgrade", "--config", str(config)).returncode == 0
    huge = syncd("runs", "show", "9" * 20, "--config", str(config))
    assert huge.returncode == 2 and "too large" in huge.stderr
    folder = syncd("init", "--connector", "clever", "--name", "x", "--config", "/proc/nowhere/syncd.toml")
    assert folder.returncode == 2 and "can not be written" in folder.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = syncd("sandbox", "--students", "20", "--port", str(taken.getsockname()[1]))
    assert busy.returncode == 1 and "this is a fault" not in busy.stderr and len(busy.stderr.strip().splitlines()) == 1


def test_a_dead_source_is_one_line_and_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFIG_TOKEN", "a-token-for-tests")
    config = tmp_path / "syncd.toml"
    config.write_text(GOOD + 'url = "http://127.0.0.1:9/"\n')
    done = syncd("sync", "nowhere", "--config", str(config))
    assert done.returncode == 2 and "no source 'nowhere'" in done.stderr
