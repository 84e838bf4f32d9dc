"""Sends notices to people by Apprise, each in a thread of its own: a service that hangs holds nobody up.

Apprise speaks to each service by its own code, with time limits between two bytes but none on the whole. What takes longer than DEADLINE
counts as failed, and its target gets nothing more until that thread has ended.
"""

import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from syncd.notices.sending import send_due
from syncd.notices.text import Message
from syncd.secret import MissingSecret, Secret
from syncd.settings.file import Settings
from syncd.store import Store
from syncd.store.deliveries import Channel, Delivery, Outcome

# Seconds for one notice to one target.
DEADLINE = 60.0
# Seconds between two looks at whether it was sent.
EVERY = 0.1


class People:
    """The people of the configuration's addresses, to whom notices are sent."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._under_way: dict[str, threading.Thread] = {}

    def send(self, store: Store, addresses: Mapping[str, Secret]) -> None:
        """Send what is due. addresses: {the place of an address: the address}."""
        for place, secret in addresses.items():
            if self._stop.is_set():
                return
            send_due(store, Channel.NOTICE, place, partial(self._deliver, secret), self._stop)

    def _deliver(self, secret: Secret, delivery: Delivery) -> Outcome:
        return Outcome(self.tell(secret, msgspec.json.decode(delivery.body or "", type=Message)))

    def tell(self, secret: Secret, message: Message) -> bool:
        """Tell one address. False: it could not be told, or not in time."""
        before = self._under_way.get(secret.place)
        if before is not None and before.is_alive():
            return False
        arrived: list[bool] = []
        # The process does not wait for it when it ends.
        thread = threading.Thread(target=_send, args=(secret, message, arrived), name="notice", daemon=True)
        self._under_way[secret.place] = thread
        thread.start()
        until = time.monotonic() + DEADLINE
        while thread.is_alive() and time.monotonic() < until and not self._stop.is_set():
            thread.join(EVERY)
        return bool(arrived)


def addresses(settings: Settings) -> dict[str, Secret]:
    """{place: address} of all that the configuration names."""
    policies = [settings.notices(), *map(settings.notices, settings.sources)]
    return {secret.place: secret for policy in policies for secret in policy.to}


def service(secret: Secret) -> str | None:
    """What an address begins with, as `mailtos`, which is all of it that may be shown; None when Apprise does not know it. Raises
    MissingSecret."""
    known = _apprise().Apprise.instantiate(secret.reveal(), suppress_exceptions=True)
    return None if known is None else str(known.schema) if getattr(known, "schema", None) else str(known.service_name)


def _send(secret: Secret, message: Message, arrived: list[bool]) -> None:
    try:
        apprise = _apprise()
        asset = apprise.AppriseAsset(app_id="syncd", app_desc="roster sync", app_url="", async_mode=False)
        # What is sent to one address is not for another.
        asset.http_redirects = False
        target = apprise.Apprise.instantiate(secret.reveal(), asset=asset, suppress_exceptions=True)
        kind = apprise.NotifyType(message.kind)
        if target is not None and target.notify(
            title=message.title, body=message.body, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
        ):
            arrived.append(True)
    except MissingSecret:
        return
    except Exception:  # noqa: S110
        # Whatever the code for a service does, it may quote the address.
        return


def _apprise() -> Any:
    # It loads the code of all its services, which takes memory and a second: only where somebody is to be told.
    import apprise

    return apprise
