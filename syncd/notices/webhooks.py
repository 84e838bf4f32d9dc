"""Each run's report for programs: made when the run has ended, whoever did it, and posted with a signature until it has arrived.

A webhook gets the reports of all runs that end from when it is first known, dry ones left out, in the order of the runs of each source.
"""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import requests
import structlog
from urllib3.exceptions import HTTPError

from syncd.http import certificate, limits
from syncd.http.lane import Lane
from syncd.notices import signature
from syncd.notices.sending import send_due
from syncd.report import RunReport, State
from syncd.secret import MissingSecret
from syncd.settings.notices import WebhookSettings
from syncd.store import Store, deliveries, runs
from syncd.store.deliveries import Channel, Delivery, Outcome

log = structlog.get_logger()

# Runs that one transaction sees to.
BATCH = 200
# Seconds: to connect, between two bytes, and for all of it (the specification recommends 15 to 30).
CONNECT, READ, WHOLE = 10.0, 15.0, 20.0
GONE = 410


def see_to_runs(store: Store, webhooks: Mapping[str, WebhookSettings], at: datetime) -> None:
    """Make a delivery for each webhook of each run that has ended since this was last done."""
    while True:
        with store.read() as connection:
            if not runs.unreported(connection, at, 1) and not deliveries.unknown(connection, Channel.WEBHOOK, webhooks):
                return
        with store.write() as connection:
            since = deliveries.introduce(connection, Channel.WEBHOOK, webhooks, at)
            ended = runs.unreported(connection, at, BATCH)
            for report in ended:
                for name, webhook in webhooks.items():
                    if webhook.wants(report.source) and report.state != State.PLANNED and _ended(report) >= since[name]:
                        about = {"source": report.source, "about": f"run {report.run}", "body": body_of(report)}
                        deliveries.add(connection, Channel.WEBHOOK, name, **about, at=at)
            runs.set_reported(connection, [report.run for report in ended])
        if len(ended) < BATCH:
            return


def body_of(report: RunReport) -> str:
    """A report as it is posted: just what `--json` prints, in one line."""
    return msgspec.json.encode(report.model_dump(mode="json")).decode()


def send(store: Store, webhooks: Mapping[str, WebhookSettings], stop: threading.Event) -> None:
    """Post what is due."""
    for name, webhook in webhooks.items():
        if stop.is_set():
            return
        try:
            post = _Post(webhook, stop)
        except MissingSecret as problem:
            log.error("nothing is posted to this webhook", where=name, error=str(problem))
            continue
        try:
            send_due(store, Channel.WEBHOOK, name, post, stop)
        finally:
            post.close()


def _ended(report: RunReport) -> datetime:
    return report.finished_at or report.started_at


class _Post:
    """Posts to one webhook, on a connection that is kept. Raises MissingSecret when it can not be made."""

    def __init__(self, webhook: WebhookSettings, stop: threading.Event) -> None:
        self._address, self._keys = webhook.address, webhook.keys
        self._lane = Lane(stop.is_set, ca_file=webhook.ca_file, proxy=webhook.proxy)

    def __call__(self, delivery: Delivery) -> Outcome:
        body = (delivery.body or "").encode()
        headers = {"Content-Type": "application/json", **signature.headers(delivery.message, datetime.now(UTC), body, self._keys)}
        try:
            with (
                self._lane.watch.over(WHOLE),
                self._lane.session.post(
                    self._address, data=body, headers=headers, timeout=(CONNECT, READ), allow_redirects=False, stream=True
                ) as answer,
            ):
                # Its body is nobody's matter: it is neither read nor kept.
                asked = limits.asked_to_wait(answer.headers) or 0.0
                return Outcome(200 <= answer.status_code < 300, answer.status_code, asked, gone=answer.status_code == GONE)
        except requests.exceptions.SSLError as problem:
            found = certificate.trouble(problem)
            return Outcome(arrived=False, problem=found[0] if found else type(problem).__name__)
        except (OSError, ValueError, HTTPError) as problem:
            return Outcome(arrived=False, problem=type(problem).__name__)

    def close(self) -> None:
        self._lane.session.close()
