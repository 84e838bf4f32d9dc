"""Docs that can not go stale: each setting, command, connector and error stands where people look for it."""

import re
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel

from syncd import errors
from syncd.cli import app
from syncd.contract import discovery
from syncd.sandbox.scenarios import SCENARIOS
from syncd.settings.cluster import ClusterSettings
from syncd.settings.file import FileSettings, LogSettings, StoreSettings
from syncd.settings.guard import GuardSettings
from syncd.settings.notices import NoticeSettings, WebhookSettings
from syncd.settings.retention import RetentionSettings
from syncd.settings.source import SourceSettings

CONFIGURATION = Path("docs/configuration.md").read_text(encoding="utf-8")
SAMPLE = Path("config/syncd.toml").read_text(encoding="utf-8")
README = Path("README.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[BaseModel]] = {
    "## The whole": FileSettings,
    "## `[retention]`": RetentionSettings,
    "## `[notices]`": NoticeSettings,
    "## `[webhooks.NAME]`": WebhookSettings,
    "## `[sources.NAME]`": SourceSettings,
    "## `[sources.NAME.guard]`": GuardSettings,
} | {f'## `connector = "{name}"`': discovery.find(name).settings_model for name in discovery.names()}


@pytest.mark.parametrize("section", SECTIONS)
def test_each_setting_is_documented_and_stands_in_the_sample(section: str) -> None:
    text = CONFIGURATION.split(section + "\n")[1].split("\n## ")[0]
    told = set(re.findall(r"`([a-z_.]+)`", text))
    nested = {name for name, field in SECTIONS[section].model_fields.items() if f"[sources.NAME.{name}]" in CONFIGURATION}
    nested |= {"store", "log", "cluster", "retention", "notices", "webhooks", "sources"}
    wanted = SECTIONS[section].model_fields.keys() - nested
    assert wanted - told == set()
    assert {name for name in wanted if not re.search(rf"^#? ?{name} *=", SAMPLE, re.MULTILINE)} == set()


def test_the_settings_of_the_store_and_the_log_are_documented() -> None:
    for section, model in (("store", StoreSettings), ("log", LogSettings), ("cluster", ClusterSettings)):
        for name in model.model_fields:
            assert f"`{section}.{name}`" in CONFIGURATION
            assert re.search(rf"^#? ?{name} *=", SAMPLE, re.MULTILINE)


def test_each_command_stands_in_the_readme() -> None:
    group = typer.main.get_command(app)
    assert [name for name in group.commands if f"`syncd {name}" not in README and f"`{name}" not in README] == []


def test_each_error_stands_in_the_tree_at_the_top_of_its_file() -> None:
    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert {name for name in classes if name not in (errors.__doc__ or "")} == set()


def test_each_promise_names_tests_that_are_there() -> None:
    rows = [line for line in Path("docs/promises.md").read_text(encoding="utf-8").splitlines() if line.startswith("| **")]
    for row in rows:
        named = re.findall(r"`(tests/[\w/.]+)`", row)
        assert named, "a promise without a test is a wish"
        assert [name for name in named if not Path(name).is_file()] == []


def test_each_scenario_of_the_sandbox_can_be_looked_up() -> None:
    promises = Path("docs/promises.md").read_text(encoding="utf-8")
    assert [name for name in SCENARIOS if f"| `{name}` |" not in promises] == []
