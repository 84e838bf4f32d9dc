"""A provider that marks its pages (ETag) need not send again what is known, and nothing is believed of it that has to be read."""

from pathlib import Path
from typing import Any

import pytest

from syncd.report import RunReport
from syncd.sandbox import District, running
from syncd.store.tables import pages, unsettled
from tests.journeys.synced import Synced

DIALECT = "oneroster-1.2-oauth2"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with running(District.generate(students=40, seed=12)) as sandbox:
        sandbox.habits(etags=True)
        source = Synced(sandbox, tmp_path, DIALECT, monkeypatch, page_size=20)
        assert source.sync().state == "applied"
        yield source


def statuses(source: Synced, report: RunReport) -> list[int | None]:
    """What the lists of a run were answered with."""
    return [seen.status for seen in source.sandbox.requests()[-report.requests :] if "oauth" not in seen.path]


def test_what_is_known_is_not_sent_again(source: Synced) -> None:
    whole = source.sync(anew=True)
    sent = statuses(source, whole)
    again = source.sync()
    assert again.state == "applied" and again.bytes < whole.bytes / 10
    assert set(sent) == {200} and statuses(source, again).count(304) == len(sent)
    assert {kind: counts.unchanged for kind, counts in again.counts.items()} == {
        kind: counts.unchanged for kind, counts in whole.counts.items()
    }
    assert source.differences() == []


def test_what_changed_is_sent(source: Synced) -> None:
    for _ in range(3):
        source.sandbox.day()
        report = source.sync()
        assert report.state == "applied", report
        assert 200 in statuses(source, report)
        assert source.differences() == []
    assert 304 in statuses(source, source.sync())


def test_a_look_at_everything_believes_no_mark(source: Synced) -> None:
    assert 304 not in statuses(source, source.sync(anew=True))


def test_a_page_that_has_to_be_read_again_is_sent_again(source: Synced) -> None:
    student = next(user for user in source.sandbox.expected("oneroster-1.2", "users") if user["roles"][0]["role"] == "student")
    with source.store.write() as connection:
        connection.execute(unsettled.insert(), {"source": source.name, "resource": "users", "document_id": student["id"]})
    report = source.sync()
    users = [seen.status for seen in source.sandbox.requests()[-report.requests :] if seen.path.endswith("/users")]
    assert users.count(200) >= 1 and users.count(304) >= 1
    assert source.differences() == []


def test_a_provider_whose_marks_are_not_believed_is_asked_for_everything(
    source: Synced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubting = Synced(source.sandbox, tmp_path, DIALECT, monkeypatch, page_size=20, etags=False)
    assert 304 not in statuses(doubting, doubting.sync())


def test_marks_that_come_later_are_kept_and_those_that_go_do_no_harm(source: Synced) -> None:
    source.sandbox.habits(etags=False)
    source.sync(anew=True)
    with source.store.read() as connection:
        assert connection.execute(pages.select().where(pages.c.etag.is_not(None))).all() == []
    source.sandbox.habits(etags=True)
    assert 304 not in statuses(source, source.sync())
    assert 304 in statuses(source, source.sync())
    source.sandbox.habits(etags=False)
    assert 304 not in statuses(source, source.sync())
    assert source.differences() == []
