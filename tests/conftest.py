"""What every test gets: strict logs, caught, so that the last test of a worker can look for personal data in them."""

import io
from collections.abc import Iterator

import pytest

from syncd.observe import logs

LOGGED = io.StringIO()


@pytest.fixture(autouse=True)
def strict_logs() -> Iterator[io.StringIO]:
    """Unknown log fields raise; what is logged can be looked at."""
    LOGGED.seek(0)
    LOGGED.truncate()
    logs.configure(json=True, level="info", strict=True, stream=LOGGED)
    yield LOGGED
