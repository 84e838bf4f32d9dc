"""What is kept of a run."""

from datetime import UTC, datetime
from pathlib import Path

from syncd.report import Mode, Trigger
from syncd.store import lease, open_store, runs
from tests import stores

HUGE = 6_000_000_000


def test_a_pull_may_have_more_bytes_than_32_bits_can_tell(tmp_path: Path) -> None:
    store = open_store(stores.url(tmp_path))
    with lease.hold(store, "springfield"), store.write() as connection:
        number, _ = runs.start(connection, "springfield", mode=Mode.FULL, trigger=Trigger.MANUAL, at=datetime.now(UTC))
    report = runs.get(store, number)
    report.bytes = HUGE
    with store.write() as connection:
        assert runs.finish(connection, report)
    assert runs.get(store, number).bytes == HUGE
    store.close()
