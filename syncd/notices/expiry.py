"""When a source's credentials end, as far as that can be known: by the day that a person wrote down (`expires`), and by what a token that
is a JWT says of itself (`exp`, RFC 7519 section 4.1.4). It is only looked at here, never trusted: whether it still holds, its source says.
"""

import base64
from contextlib import suppress
from datetime import UTC, datetime, time

import msgspec

from syncd.secret import MissingSecret, Secret
from syncd.settings.source import Source


def ends(source: Source) -> dict[str, datetime]:
    """{key of the source's settings: when what it names ends}."""
    found = {}
    if source.common.expires is not None:
        found["expires"] = datetime.combine(source.common.expires, time(), UTC)
    for key in type(source.own).model_fields:
        value = getattr(source.own, key)
        if isinstance(value, Secret):
            with suppress(MissingSecret):
                until = _of_token(value.reveal())
                if until is not None:
                    found[key] = until
    return found


def _of_token(token: str) -> datetime | None:
    """When a JWT says that it ends; None when it says nothing, or is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    with suppress(ValueError, OverflowError, OSError, RecursionError):
        claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        until = claims.get("exp") if isinstance(claims, dict) else None
        if isinstance(until, int | float) and not isinstance(until, bool):
            return datetime.fromtimestamp(until, UTC)
    return None
