"""What the tests of several machines have in common."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.sandbox import District, running
from tests.daemon.machines import Machines, machines


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    with running(District.generate(students=20, seed=51)) as sandbox:
        monkeypatch.setenv("MACHINES_TOKEN", sandbox.token)
        with machines(tmp_path, sandbox) as made:
            yield made
