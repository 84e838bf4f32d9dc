"""A mistake in the configuration is one clear line that names file, source and key, exit code 2, and never the value."""

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
    assert syncd("init", "--connector", "clever", "--name", "x", "--config", str(config)).returncode == 2


def test_a_dead_source_is_one_line_and_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFIG_TOKEN", "a-token-for-tests")
    config = tmp_path / "syncd.toml"
    config.write_text(GOOD + 'url = "http://127.0.0.1:9/"\n')
    done = syncd("sync", "nowhere", "--config", str(config))
    assert done.returncode == 2 and "no source 'nowhere'" in done.stderr
