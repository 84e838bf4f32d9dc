"""Who may read: the Clever bearer token, and OneRoster's OAuth 2 and OAuth 1.0a, checked here and nowhere
else.

The OAuth 1.0a check is written from RFC 5849, not taken from a library, so that a client library and this
server can not be wrong together. No secret is ever part of an answer, except the ones asked for with the
right password.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote

SCOPE = "https://purl.imsglobal.org/spec/or/{}/scope/{}"
SCOPES = ("roster-core.readonly", "roster.readonly", "roster-demographics.readonly")
PATHS = {"1.1": "v1p1", "1.2": "v1p2"}
WINDOW = 300  # seconds by which a signed request's clock may differ
METHODS = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}


class Refused(Exception):
    """Credentials that are missing, wrong or expired. The message says which, and never repeats them."""


@dataclass(slots=True)
class Access:
    """The credentials of the pretend providers.

    token: Clever's district token, taken by OneRoster as a fixed bearer token too. token_seconds: how long an
    OAuth 2 token lasts. scopes: the suffixes that may be granted (see `SCOPES`); OAuth 1.0a and the fixed
    token have all of these. clock_ahead: seconds by which the providers' clock is ahead of ours.
    """

    token: str = "TEST_TOKEN"
    client_id: str = "sandbox"
    client_secret: str = "sandbox-secret"
    token_seconds: float = 3600
    scopes: tuple[str, ...] = SCOPES
    clock_ahead: float = 0
    _tokens: dict[str, tuple[float, frozenset[str]]] = field(default_factory=dict)
    _nonces: dict[tuple[str, str], float] = field(default_factory=dict)

    def time(self) -> float:
        """The providers' clock, in seconds since 1970."""
        return time.time() + self.clock_ahead

    def check_client(self, name: str, secret: str) -> bool:
        """Whether this is the client, in constant time."""
        return secrets.compare_digest(f"{name}:{secret}".encode(), f"{self.client_id}:{self.client_secret}".encode())

    def check_basic(self, header: str) -> bool:
        """Whether an `Authorization: Basic …` header names the client (RFC 6749 section 2.3.1 encodes both
        parts).
        """
        kind, _, coded = header.partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            name, _, secret = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return self.check_client(name, secret) or self.check_client(unquote(name), unquote(secret))

    def check_clever(self, header: str) -> bool:
        """Whether an `Authorization` header carries the district token."""
        kind, _, token = header.partition(" ")
        return kind.lower() == "bearer" and secrets.compare_digest(token.strip().encode(), self.token.encode())

    def grant(self, asked: str) -> tuple[str, list[str]] | None:
        """A new OAuth 2 token and the scopes granted of those asked for; None if none of them can be."""
        known = {SCOPE.format(path, suffix) for path in PATHS.values() for suffix in self.scopes}
        granted = [scope for scope in asked.split() if scope in known]
        if not granted:
            return None
        now = time.monotonic()
        self._tokens = {name: kept for name, kept in self._tokens.items() if kept[0] > now}
        token = secrets.token_urlsafe(24)
        self._tokens[token] = (now + self.token_seconds, frozenset(granted))
        return token, granted

    def revoke(self) -> None:
        """Forget every OAuth 2 token, as a provider does that restarts."""
        self._tokens.clear()

    def scopes_of(self, version: str, method: str, url: str, query: str, header: str) -> frozenset[str]:
        """The scope suffixes that a OneRoster request has.

        version: `1.1` or `1.2`; url: scheme, host and path as requested, without the query; query: as sent.
        Raises Refused.
        """
        kind, _, rest = header.partition(" ")
        if kind.lower() == "bearer":
            return self._bearer(version, rest.strip())
        if kind.lower() == "oauth" and version == "1.1":
            self._signed(method, url, query, rest)
            return frozenset(self.scopes)
        raise Refused("no credentials that this version takes")

    def _bearer(self, version: str, token: str) -> frozenset[str]:
        if secrets.compare_digest(token.encode(), self.token.encode()):
            return frozenset(self.scopes)
        until, scopes = self._tokens.get(token, (0.0, frozenset[str]()))
        if until <= time.monotonic():
            raise Refused("unknown or expired token")
        prefix = SCOPE.format(PATHS[version], "")
        return frozenset(scope.removeprefix(prefix) for scope in scopes if scope.startswith(prefix))

    def _signed(self, method: str, url: str, query: str, header: str) -> None:
        """Check a signature by RFC 5849 section 3.2: two-legged, so there is no token and no token secret."""
        given: dict[str, str] = {}
        for part in header.split(","):
            name, _, value = part.strip().partition("=")
            if name in given:
                raise Refused("a parameter came twice")
            given[unquote(name)] = unquote(value.strip().strip('"'))
        digest = METHODS.get(given.get("oauth_signature_method", ""))
        if digest is None or given.get("oauth_version", "1.0") != "1.0":
            raise Refused("unknown signature method or version")
        if not secrets.compare_digest(given.get("oauth_consumer_key", "").encode(), self.client_id.encode()):
            raise Refused("unknown consumer key")
        signed = [(name, value) for name, value in given.items() if name not in ("realm", "oauth_signature")]
        signed += parse_qsl(query, keep_blank_values=True)
        key = f"{_percent(self.client_secret)}&"
        text = base_string(method, url, signed)
        right = base64.b64encode(hmac.new(key.encode(), text.encode(), digest).digest()).decode()
        if not secrets.compare_digest(given.get("oauth_signature", "").encode(), right.encode()):
            raise Refused("wrong signature")
        self._fresh(given.get("oauth_timestamp", ""), given.get("oauth_nonce", ""))

    def _fresh(self, timestamp: str, nonce: str) -> None:
        """RFC 5849 section 3.3: a request may be sent once, and soon."""
        now = self.time()
        if not timestamp.isdigit() or abs(now - int(timestamp)) > WINDOW or not nonce:
            raise Refused("timestamp out of the window, or no nonce")
        self._nonces = {seen: when for seen, when in self._nonces.items() if now - when <= 2 * WINDOW}
        if (timestamp, nonce) in self._nonces:
            raise Refused("nonce used before")
        self._nonces[timestamp, nonce] = now


def base_string(method: str, url: str, parameters: list[tuple[str, str]]) -> str:
    """RFC 5849 section 3.4.1: what is signed. url: scheme, host and path; a default port is left out."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    host = host.lower().removesuffix({"http": ":80", "https": ":443"}.get(scheme.lower(), " "))
    coded = sorted((_percent(name), _percent(value)) for name, value in parameters)
    joined = "&".join(f"{name}={value}" for name, value in coded)
    return "&".join((method.upper(), _percent(f"{scheme.lower()}://{host}{slash}{path}"), _percent(joined)))


def _percent(text: str) -> str:
    """RFC 5849 section 3.6: everything but the unreserved characters."""
    return quote(text, safe="-._~")
