"""Docs that can not go stale: each setting, command, connector and error stands where people look for it."""

import re
import tomllib
from pathlib import Path

import pytest
import typer

from docs.site import commands, settings
from syncd import errors
from syncd.cli.app import app
from syncd.cli.commands import register
from syncd.contract import discovery
from syncd.sandbox.scenarios import SCENARIOS
from syncd.settings import source

CONFIGURATION = settings.PAGE.read_text(encoding="utf-8")
SAMPLE = Path("config/syncd.toml").read_text(encoding="utf-8")
register([])
README = Path("README.md").read_text(encoding="utf-8")


def test_the_tables_of_the_configuration_are_those_of_the_models() -> None:
    assert settings.filled(CONFIGURATION) == CONFIGURATION, "run `make fix`"


def test_the_commands_are_those_of_the_program() -> None:
    page = commands.PAGE.read_text(encoding="utf-8")
    assert commands.filled(page) == page, "run `make fix`"


@pytest.mark.parametrize("table", settings.tables())
def test_each_setting_is_documented_and_stands_in_the_sample(table: str) -> None:
    assert f"<!-- keys: {table} -->" in CONFIGURATION
    keys = re.findall(r"^\| `(\w+)`", settings.table(settings.tables()[table]), re.MULTILINE)
    assert keys
    assert [key for key in keys if not re.search(rf"^#? ?{key} *=", SAMPLE, re.MULTILINE)] == []


@pytest.mark.parametrize("page", sorted(Path("docs/connect").glob("*.md")), ids=lambda page: page.stem)
def test_what_a_page_says_to_write_is_a_source_that_syncd_takes(page: Path) -> None:
    connector = page.stem if page.stem in discovery.names() else "oneroster"
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        written = tomllib.loads(block)
        for name, table in written.get("sources", {"springfield": {"connector": connector, **written}}).items():
            assert source.parse(name, table).common.connector == connector


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
