"""Sends what is due to one target, one after the other, and writes down what came of it."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from syncd.store import Store, deliveries
from syncd.store.deliveries import Channel, Delivery, Outcome

log = structlog.get_logger()

# Seconds that one target may take up at a time, so that a slow one does not keep the others waiting for ever.
ROUND = 30.0
BATCH = 50


def send_due(
    store: Store,
    channel: Channel,
    target: str,
    send: Callable[[Delivery], Outcome],
    stop: threading.Event,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Send what is due to a target until nothing is, it is to be left alone, or it has had its time."""
    until = time.monotonic() + ROUND
    while True:
        with store.read() as connection:
            found = deliveries.due(connection, channel, target, now(), BATCH)
        if not found:
            return
        for delivery in found:
            if stop.is_set() or time.monotonic() > until:
                return
            with store.write() as connection:
                mine = deliveries.begin(connection, delivery, now())
            if not mine:
                continue
            outcome = send(delivery)
            if stop.is_set() and not outcome.arrived:
                # It was cut short, which says nothing of the target.
                return
            with store.write() as connection:
                enough = deliveries.end(connection, delivery, outcome, now())
            if not outcome.arrived:
                # Never with the address, which may hold a token.
                told = {"status": outcome.status, "error": outcome.problem, "tries": delivery.tries + 1}
                log.warning("not delivered", kind=channel.value, where=target, **told)
            if enough:
                return
