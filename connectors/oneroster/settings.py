"""The keys of a OneRoster source: sign-in differs more between providers than anything else, so all of it can be set."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from syncd.contract.connector import ConnectorSettings
from syncd.http.session import is_safe
from syncd.secret import Secret


class OneRosterSettings(ConnectorSettings):
    """One provider's rostering service."""

    url: str
    """The whole address of the rostering service, as the SIS shows it."""

    version: Literal["1.1", "1.2", "auto"] = "auto"
    """`"auto"`: as the address and the records show."""

    auth: Literal["oauth2", "oauth1", "bearer"] = "oauth2"
    """How to sign in. OAuth 1 goes with version 1.1 only."""

    token_url: str | None = None
    """OAuth 2: where tokens are asked for."""

    client_id: Secret | None = None
    """OAuth 2: the client's id. OAuth 1: the key."""

    client_secret: Secret | None = None
    """Its secret."""

    token: Secret | None = None
    """Bearer: the token."""

    scope: tuple[str, ...] | None = None
    """Scopes to ask for, where a provider wants others than the version needs."""

    credentials_in: Literal["header", "body"] = "header"
    """Where the token request carries id and secret."""

    parameters_in: Literal["body", "query"] = "body"
    """Where the token request carries its parameters."""

    signature: Literal["HMAC-SHA256", "HMAC-SHA1"] = "HMAC-SHA256"
    """Of OAuth 1."""

    page_size: int = Field(5_000, ge=1, le=50_000)
    """Records asked for at a time. A provider may give fewer."""

    requests_at_once: int = Field(2, ge=1, le=8)
    """Pages asked for at one time, where the provider tells how many records there are; one at a time for the rest of the pull once a page
    fails."""

    etags: bool = True
    """Whether a provider that marks its pages (`ETag`) is believed when it says that one is what it was. `syncd verify` and
    `syncd sync --anew` never believe it."""

    demographics: bool = False
    """Take birth date, gender and the rest."""

    # Some publish rows a day after those are dated.
    overlap_hours: int = Field(24, ge=0, le=24 * 30)
    """How far a pull of changes goes back behind the newest date seen: providers publish rows later than those are dated. 0 trusts their
    clock and ours to agree."""

    ca_file: str | None = None
    """A certificate authority of the district's own: a file in PEM form."""

    proxy: str | None = None
    """A proxy on the way to the source."""

    @field_validator("url", "token_url")
    @classmethod
    def _safe(cls, value: str | None) -> str | None:
        if value is not None and not is_safe(value):
            raise ValueError("must begin with https:// (plain http only for this very machine)")
        return value

    @field_validator("url")
    @classmethod
    def _bare(cls, value: str) -> str:
        return value.removesuffix("/")

    @model_validator(mode="after")
    def _sign_in(self) -> Self:
        needed = {
            "oauth2": ("token_url", "client_id", "client_secret"),
            "oauth1": ("client_id", "client_secret"),
            "bearer": ("token",),
        }[self.auth]
        missing = [key for key in needed if getattr(self, key) is None]
        if missing:
            raise ValueError(f'auth = "{self.auth}" needs {" and ".join(missing)}')
        return self
