"""Lines in systemd's journal, over a real socket: found by source and run, and as clean as everywhere else."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from syncd import secret
from syncd.observe import journal as native
from syncd.observe import logs
from tests.service.host import Journal, journal, until


@pytest.fixture
def read(tmp_path: Path) -> Iterator[Journal]:
    with journal(tmp_path) as made:
        logs.configure(json=True, level="info", stream=io.StringIO(), journal_at=Path(made.address))
        yield made


def test_lines_are_found_by_source_and_run(read: Journal) -> None:
    log = structlog.get_logger()
    with structlog.contextvars.bound_contextvars(run=12, source="springfield"):
        log.info("run ended", state="applied", counts={"users": {"created": 3}}, seconds=1.5, error=None)
    log.warning("left alone", source="shelbyville")
    until(lambda: len(read.entries) == 2)
    (entry,) = read.of(SYNCD_SOURCE="springfield", SYNCD_RUN="12")
    assert entry.pop("MESSAGE").startswith("run ended ")
    assert entry == {
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "syncd",
        "SYNCD_EVENT": "run ended",
        "SYNCD_RUN": "12",
        "SYNCD_SOURCE": "springfield",
        "SYNCD_STATE": "applied",
        "SYNCD_COUNTS": '{"users": {"created": 3}}',
        "SYNCD_SECONDS": "1.5",
    }
    (other,) = read.of(SYNCD_SOURCE="shelbyville")
    assert other["PRIORITY"] == "4"


@pytest.mark.fault("S14")
def test_nothing_gets_around_the_allow_list_and_no_line_break_forges_a_field(read: Journal) -> None:
    secret.remember("canary-secret-77")
    log = structlog.get_logger()
    log.info("told\nSYNCD_RUN=99", host="sis.example.org\nPRIORITY=0", given_name="Canaryname", path="?token=canary-secret-77")
    logging.getLogger("urllib3").error("went to %s\n_UID=0", "https://u:canary-secret-77@sis.example.org")
    try:
        raise ValueError("Canaryname Canaryfamily")
    except ValueError:
        log.error("unforeseen fault", exc_info=True)
    until(lambda: len(read.entries) == 3)
    assert not [entry for entry in read.entries if "_UID" in entry or entry.get("SYNCD_RUN") or entry["PRIORITY"] == "0"]
    everything = json.dumps(read.entries)
    assert "Canary" not in everything and "canary" not in everything
    fault = read.entries[-1]
    assert fault["SYNCD_ERROR"] == "ValueError" and fault["SYNCD_WHERE"].startswith("test_journal.py:")


def test_what_the_journal_does_not_take_is_a_json_line_on_stderr(tmp_path: Path) -> None:
    stream = io.StringIO()
    log = structlog.get_logger()
    with journal(tmp_path) as made:
        logs.configure(json=True, stream=stream, journal_at=Path(made.address))
        log.info("longer than a datagram", host="x" * 4_000_000)
        log.info("short")
        until(lambda: made.of(MESSAGE="short"))
        # It is started anew: until it is back, nobody reads there.
    log.info("the journal is away", run=3)
    Path(made.address).unlink()
    with journal(tmp_path) as made:
        log.info("it is back")
        until(lambda: made.of(MESSAGE="it is back"))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line.get("run")) for line in lines] == [("longer than a datagram", None), ("the journal is away", 3)]


def test_only_a_stream_that_systemd_connected_with_the_journal_is_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "connected").open("w") as connected, (tmp_path / "other").open("w") as other:
        found = (tmp_path / "connected").stat()
        assert not native.reads(connected)
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        assert native.reads(connected)
        assert not native.reads(other)
        assert not native.reads(io.StringIO())
