"""What every test gets: strict logs, kept, so that the end of the test run can look for personal data in all of them."""

import io
import re
from collections.abc import Iterator

import pytest

from syncd.observe import logs
from syncd.sandbox.names import FAMILY

# The sandbox's people all have such addresses, and its keys are these.
_PERSONAL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.(?:example|org|com|net)|TEST_TOKEN|sandbox-secret|Canaryname|canary-secret")


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
