"""`[notices]` and `[sources.NAME.notices]`: who is told what of the sources; `[webhooks.NAME]`: which programs get each run's report."""

import base64
import re
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import Field, PlainValidator

from syncd.http.session import is_safe
from syncd.http.settings import NOT_SAFE
from syncd.secret import HOW as SECRET
from syncd.secret import MissingSecret, Secret
from syncd.settings.table import Table

_SPAN = re.compile(r"(\d+)\s+(minute|hour|day)s?$", re.IGNORECASE)
HOW = 'write a time such as "36 hours" or "1 day", or false'
# Of a signing secret (https://www.standardwebhooks.com, "Signature scheme").
KEY = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
HOW_KEY = f"it is {KEY} and {LEAST_BYTES} to {MOST_BYTES} random bytes in base64, as `echo {KEY}$(openssl rand -base64 32)` makes one"


def _span(value: Any) -> timedelta | None:
    if value is False or value is None or isinstance(value, timedelta):
        return value or None
    found = _SPAN.match(value.strip()) if isinstance(value, str) else None
    if found is None or not 0 < int(found[1]) <= 10_000:
        raise ValueError(HOW)
    return timedelta(**{f"{found[2].lower()}s": int(found[1])})


def _count(value: Any) -> int | None:
    if value is False or value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100:
        raise ValueError("write a number of runs from 1 to 100, or false")
    return value


# None: `false` in the file, the rule is off.
Span = Annotated[timedelta | None, PlainValidator(_span)]
Count = Annotated[int | None, PlainValidator(_count)]


class NoticeSettings(Table):
    """to: the addresses, each an Apprise URL in a secret; none is told anything without one. failures: so many runs in a row failed.
    stale: no good pull for so long since one was due. held: a run waits for a person. remind: told once more when it still waits. expiring:
    so long before a source's credentials end. recovered: a source that was told to fail or to be stale is in order again. undelivered:
    reports for a webhook were given up."""

    to: tuple[Secret, ...] = ()
    failures: Count = 3
    stale: Span = timedelta(days=1)
    held: bool = True
    remind: Span = timedelta(days=3)
    expiring: Span = timedelta(days=14)
    recovered: bool = True
    undelivered: bool = True

    @property
    def places(self) -> tuple[str, ...]:
        """Where the addresses are kept, which is how they are called: the addresses themselves are secrets."""
        return tuple(dict.fromkeys(secret.place for secret in self.to))

    def but(self, own: "SourceNoticeSettings") -> Self:
        """These settings with what a source has of its own. (`to = []` there: of this source nobody is told.)"""
        return self.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})


class SourceNoticeSettings(Table):
    """What of `[notices]` is otherwise for one source; the rest is as there."""

    to: tuple[Secret, ...] = ()
    failures: Count = None
    stale: Span = None
    held: bool = True
    remind: Span = None
    expiring: Span = None
    recovered: bool = True


def _address(value: Any) -> str | Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, dict):
        return Secret(**value)
    if not isinstance(value, str):
        raise ValueError(f"must be text, in quotes, or a secret: {SECRET}")
    if problem := _unsafe(value):
        raise ValueError(problem)
    return value


def _unsafe(url: str) -> str | None:
    """What is wrong with an address to post to, or None."""
    if not is_safe(url):
        return NOT_SAFE
    if re.match(r"\w+://[^/]*@", url):
        return "must not hold a user or password: what is sent is signed"
    return None


def _key(secret: Secret) -> bytes:
    """The bytes of a signing secret, as the Standard Webhooks write them. Raises MissingSecret."""
    written = secret.reveal()
    with suppress(ValueError):
        found = base64.b64decode(written.removeprefix(KEY), validate=True)
        if written.startswith(KEY) and MOST_BYTES >= len(found) >= LEAST_BYTES:
            return found
    raise MissingSecret(f"{secret.place} holds no signing secret: {HOW_KEY}")


class WebhookSettings(Table):
    """url: where reports are posted to; where it holds a token, a secret. secret: what they are signed with; old_secret: signed with as
    well, while the receiver changes from one to the other. sources: whose runs; None: all. ca_file, proxy: as of a source."""

    url: Annotated[str | Secret, PlainValidator(_address)]
    secret: Secret
    old_secret: Secret | None = None
    sources: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    ca_file: str | None = None
    proxy: str | None = None

    @property
    def address(self) -> str:
        """Where to post to. Raises MissingSecret when it is kept in a secret that is not there, or holds no address that is safe."""
        if isinstance(self.url, str):
            return self.url
        found = self.url.reveal()
        if problem := _unsafe(found):
            raise MissingSecret(f"{self.url.place} holds no such address: it {problem}")
        return found

    @property
    def keys(self) -> tuple[bytes, ...]:
        """What to sign with. Raises MissingSecret."""
        return tuple(_key(secret) for secret in (self.secret, self.old_secret) if secret is not None)

    def wants(self, source: str) -> bool:
        """Whether it gets the reports of this source's runs."""
        return self.sources is None or source in self.sources
