"""What every test gets: strict logs, kept, so that the end of the test run can look for personal data in all of them."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.observe import logs
from syncd.sandbox.names import FAMILY
from tests import stores

# Files whose tests take long, the longest first.
LONG = (
    "tests/faults/test_crash_points", "tests/model", "tests/daemon/test_workers", "tests/console", "tests/faults", "tests/daemon",
    "tests/store",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store", choices=("sqlite", "postgresql"), default="sqlite", help="where the rosters of the journeys are kept")


def pytest_configure(config: pytest.Config) -> None:
    stores.chosen = config.getoption("--store")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long files first, so that no process is left alone with one at the end. On PostgreSQL, leave out what is about the SQLite file:
    that was tried on SQLite."""
    items.sort(key=lambda item: next((place for place, name in enumerate(LONG) if item.nodeid.startswith(name)), len(LONG)))
    if stores.chosen != "sqlite":
        kept = [item for item in items if item.get_closest_marker("file") is None]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def pytest_unconfigure() -> None:
    stores.stop()


# The sandbox's people all have such addresses, and its keys are these.
_PERSONAL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.(?:example|org|com|net)|TEST_TOKEN|sandbox-secret|Canaryname|canary-secret")


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a store in a database keeps beside it stays in the test's folder."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))


@pytest.fixture(autouse=True)
def strict_logs() -> Iterator[io.StringIO]:
    """Unknown log fields raise; what is logged can be looked at."""
    logged = io.StringIO()
    logs.configure(json=True, level="info", strict=True, stream=logged)
    yield logged
    text = logged.getvalue()
    assert not _PERSONAL.search(text), "an address or a secret reached the log"
    told = set(re.findall(r"[A-Z][a-z]{4,}", text))
    assert not told & set(FAMILY), "a family name reached the log"
