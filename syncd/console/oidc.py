"""Signing in with the district's own accounts: OpenID Connect's code flow with PKCE (OpenID Connect Core 1.0, section 3.1; RFC 7636).

Who somebody is, the provider says in a signed token; what they may do follows from the groups that it names, by `[console.oidc]`.
"""

import json
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from syncd.account import Role
from syncd.errors import SignInDenied
from syncd.http.session import is_safe
from syncd.settings.console import ConsoleSettings, OidcSettings
from syncd.store import Store, accounts, sessions

# Ways to sign that the provider alone can use; never one with a shared secret, nor none.
SIGNATURES = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
# Seconds: for an answer of the provider; for which what it says of itself serves; by which its clock may differ.
PATIENCE, FRESH, LEEWAY = 15, 3600, 60
# Bytes: far more than any document of it has.
LARGEST = 1_000_000
BACK = "/signin/oidc/back"


@dataclass(frozen=True)
class Began:
    """What the browser keeps between leaving for the provider and coming back: with it nobody else's answer is taken for its own."""

    state: str
    nonce: str
    verifier: str
    next: str


class SingleSignOn:
    """The provider of `[console.oidc]`. Threads may share it."""

    def __init__(self, console: ConsoleSettings) -> None:
        assert console.oidc is not None and console.url is not None
        self._settings: OidcSettings = console.oidc
        self._back = console.url + BACK
        self._told: tuple[float, dict[str, Any]] | None = None

    def leave(self, next: str, *, again: bool = False) -> tuple[str, Began]:
        """again: it is to ask who it is, even if it knows. Gives (the provider's address to lead to, what the browser keeps meanwhile).
        Raises SignInDenied when the provider does not answer."""
        began = Began(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), next)
        address = _address(self._provider(), "authorization_endpoint")
        extra = {"prompt": "login"} if again else {}
        url, _ = self._session().create_authorization_url(
            address, state=began.state, nonce=began.nonce, code_verifier=began.verifier, **extra
        )
        return url, began

    def come_back(self, store: Store, began: Began, state: str, code: str, now: datetime) -> str:
        """Let somebody in whom the provider sent back with a code: the value for the cookie. Raises SignInDenied."""
        if not secrets.compare_digest(began.state.encode(), state.encode()):
            raise SignInDenied("this sign-in was not begun here, or too long ago.", advice="Begin it again.")
        claims = self._claims(code, began)
        name, role = self._name(claims), self._role(claims)
        accounts.find_or_make_for_sso(store, name, role, now, governed=bool(self._settings.roles))
        return sessions.open_for(store, name, now)

    def _session(self) -> OAuth2Session:
        settings = self._settings
        return OAuth2Session(
            settings.client_id,
            settings.client_secret.reveal(),
            scope=" ".join(settings.scopes),
            redirect_uri=self._back,
            code_challenge_method="S256",
        )

    def _claims(self, code: str, began: Began) -> dict[str, Any]:
        """What the provider says of whoever came back, once it is proved that it did."""
        provider = self._provider()
        try:
            answer = self._session().fetch_token(
                _address(provider, "token_endpoint"), code=code, code_verifier=began.verifier, timeout=PATIENCE, allow_redirects=False
            )
            keys = KeySet.import_key_set({"keys": _document(_address(provider, "jwks_uri"))["keys"]})
            token = jwt.decode(answer.get("id_token", ""), keys, algorithms=SIGNATURES)
            jwt.JWTClaimsRegistry(
                now=int(datetime.now(UTC).timestamp()),
                leeway=LEEWAY,
                iss={"essential": True, "value": self._settings.issuer},
                aud={"essential": True, "value": self._settings.client_id},
                exp={"essential": True},
                nonce={"essential": True, "value": began.nonce},
            ).validate(token.claims)
        except (AuthlibBaseError, JoseError, requests.RequestException, ValueError, KeyError) as problem:
            # The text could quote what was sent.
            raise SignInDenied(f"the provider's answer can not be trusted ({type(problem).__name__}).", advice="Begin again.") from None
        if isinstance(token.claims["aud"], list) and len(token.claims["aud"]) > 1 and token.claims.get("azp") != self._settings.client_id:
            raise SignInDenied("the provider's answer is for another program.")
        return dict(token.claims)

    def _name(self, claims: dict[str, Any]) -> str:
        """Who it is. An email counts where the provider has verified it: else anybody could call themselves so."""
        name = claims.get("email") if claims.get("email_verified") is True else claims.get("preferred_username")
        if not isinstance(name, str) or not name:
            raise SignInDenied("the provider tells neither a verified email nor a preferred_username.")
        return name

    def _role(self, claims: dict[str, Any]) -> Role:
        """The highest role of the groups that somebody is in. Raises SignInDenied when they are in none that has one."""
        groups = claims.get(self._settings.groups)
        groups = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        found = [Role(self._settings.roles[group]) for group in groups if isinstance(group, str) and group in self._settings.roles]
        if self._settings.default_role is not None:
            found.append(Role(self._settings.default_role))
        if not found:
            raise SignInDenied("you are in none of the groups that may use this console.", advice="Ask an admin.")
        return max(found, key=list(Role).index)

    def _provider(self) -> dict[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery 1.0, section 4)."""
        if self._told is None or time.monotonic() - self._told[0] > FRESH:
            try:
                told = _document(f"{self._settings.issuer}/.well-known/openid-configuration")
            except (requests.RequestException, ValueError) as problem:
                raise SignInDenied(
                    f"the provider of single sign-on does not answer ({type(problem).__name__}).", advice="Try again later."
                ) from None
            if told.get("issuer") != self._settings.issuer:
                raise SignInDenied("the provider calls itself by another name than [console.oidc] issuer.", advice="Correct it.")
            self._told = (time.monotonic(), told)
        return self._told[1]


def _address(provider: dict[str, Any], name: str) -> str:
    found = provider.get(name)
    if not isinstance(found, str) or not is_safe(found):
        raise SignInDenied(f"the provider tells no safe {name}.")
    return found


def _document(url: str) -> dict[str, Any]:
    """A JSON object of the provider. Raises RequestException and ValueError."""
    with requests.get(url, timeout=PATIENCE, allow_redirects=False, stream=True) as answer:
        answer.raise_for_status()
        body = answer.raw.read(LARGEST + 1, decode_content=True)
    if answer.status_code != 200 or len(body) > LARGEST:
        raise ValueError("not a document")
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found
