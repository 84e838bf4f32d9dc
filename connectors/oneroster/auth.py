"""Signing in: OAuth 2 client credentials, OAuth 1.0a request signing (1.1 only), or a static bearer token."""

import time
from threading import Lock

import msgspec
import requests
from requests.auth import AuthBase, HTTPBasicAuth
from requests_oauthlib import OAuth1

from connectors.oneroster.settings import OneRosterSettings
from syncd.contract.connector import Context
from syncd.errors import BadAnswer, SignInRefused, SourceUnavailable
from syncd.http.session import Http
from syncd.secret import remember

# Seconds: the life of a token whose answer does not tell one, and how early it is renewed (at most half its life).
DEFAULT_LIFE = 3600.0
MARGIN = 60.0

SCOPES = {
    "1.1": "https://purl.imsglobal.org/spec/or/v1p1/scope/",
    "1.2": "https://purl.imsglobal.org/spec/or/v1p2/scope/",
}


def scopes(settings: OneRosterSettings, version: str) -> str:
    """What to ask for: as configured, else both roster scopes, since providers differ in which one they grant."""
    if settings.scope is not None:
        return " ".join(settings.scope)
    names = ["roster-core.readonly", "roster.readonly"]
    if settings.demographics:
        names.append("roster-demographics.readonly")
    return " ".join(SCOPES[version] + name for name in names)


class Bearer(AuthBase):
    """A token that was handed over."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class ClientCredentials(AuthBase):
    """OAuth 2 client credentials (RFC 6749, section 4.4): a token is asked for when needed and renewed before it ends."""

    def __init__(self, settings: OneRosterSettings, context: Context, choices: tuple[str, ...]) -> None:
        """choices: scopes to ask for; the next is tried when a provider calls one invalid (400)."""
        self._settings = settings
        self._context = context
        self._choices = choices
        self._token: str | None = None
        self._renew_at = 0.0
        self._signing = Lock()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        with self._signing:
            if self._token is None or time.monotonic() >= self._renew_at:
                self.renew()
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def renew(self) -> bool:
        """Ask for a new token. Raises SourceError, without a status: what this endpoint answers says nothing of a list of records."""
        while True:
            try:
                return self._ask(self._choices[0])
            except (SignInRefused, SourceUnavailable, BadAnswer) as problem:
                if problem.status != 400 or len(self._choices) == 1:
                    problem.status = None
                    raise
                self._choices = self._choices[1:]

    def _ask(self, scope: str) -> bool:
        settings = self._settings
        assert settings.token_url and settings.client_id and settings.client_secret
        client, secret = settings.client_id.reveal(), settings.client_secret.reveal()
        form = {"grant_type": "client_credentials", "scope": scope}
        basic = HTTPBasicAuth(client, secret) if settings.credentials_in == "header" else None
        if basic is None:
            form |= {"client_id": client, "client_secret": secret}
        in_query = settings.parameters_in == "query"
        http = Http(self._context, settings.token_url, ca_file=settings.ca_file, proxy=settings.proxy)
        try:
            answer = http.post(settings.token_url, data=None if in_query else form, params=form if in_query else None, auth=basic)
        finally:
            http.close()
        try:
            found = msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = None
        token = found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(token, str) or not token:
            raise BadAnswer(
                f"{self._context.source}: {http.host} answered the token request without a token.",
                advice="Check token_url, credentials_in and scope.",
            )
        try:
            seconds = float(found.get("expires_in"))
        except (TypeError, ValueError):
            seconds = 0.0
        # A token that is said to end at once is used until it is refused, or each request would ask for another one.
        seconds = seconds if seconds > 0 else DEFAULT_LIFE
        remember(token)
        self._token, self._renew_at = token, time.monotonic() + seconds - min(MARGIN, seconds / 2)
        return True


def sign_in(settings: OneRosterSettings, context: Context, version: str | None) -> AuthBase:
    """What signs each request. version: None when it is not known yet; then the scopes of both are tried, the newer ones first."""
    if settings.auth == "bearer":
        assert settings.token is not None
        return Bearer(settings.token.reveal())
    if settings.auth == "oauth1":
        assert settings.client_id is not None
        assert settings.client_secret is not None
        key, secret = settings.client_id.reveal(), settings.client_secret.reveal()
        signer: AuthBase = OAuth1(key, secret, signature_method=settings.signature)
        return signer
    versions = [version] if version else ["1.2", "1.1"]
    return ClientCredentials(settings, context, tuple(dict.fromkeys(scopes(settings, one) for one in versions)))
