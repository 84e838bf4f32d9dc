"""The headers by which a receiver knows that a report is ours, whole and not an old one again: Standard Webhooks 1.0.0, symmetric
(https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md)."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime


def headers(message: str, at: datetime, body: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    """The three headers of one try. message: the same at each try. at: of this try. keys: one signature each."""
    timestamp = str(int(at.timestamp()))
    signed = b".".join((message.encode(), timestamp.encode(), body))
    signatures = (base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys)
    return {
        "webhook-id": message,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
