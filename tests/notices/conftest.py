"""What the tests of notices and webhooks have in common."""

from collections.abc import Iterator

import pytest

from tests.notices.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made
