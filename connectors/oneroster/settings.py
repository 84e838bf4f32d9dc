"""The keys of a OneRoster source: sign-in differs more between providers than anything else, so all of it can be set."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from syncd.contract.connector import ConnectorSettings
from syncd.http.session import is_safe
from syncd.secret import Secret


class OneRosterSettings(ConnectorSettings):
    """url: the whole address of the rostering service. version `auto` looks at the address, then at a user. page_size: records asked
    for; a provider may give fewer. demographics: whether to take birth dates, gender and the rest. overlap_hours: how far a pull of
    changes goes back behind the newest date that it has seen; providers publish rows later than those are dated, some by a day.
    requests_at_once: pages asked for at one time. etags: whether a provider is believed that says that a page is what it was."""

    url: str
    version: Literal["1.1", "1.2", "auto"] = "auto"
    auth: Literal["oauth2", "oauth1", "bearer"] = "oauth2"
    token_url: str | None = None
    client_id: Secret | None = None
    client_secret: Secret | None = None
    token: Secret | None = None
    scope: tuple[str, ...] | None = None
    credentials_in: Literal["header", "body"] = "header"
    parameters_in: Literal["body", "query"] = "body"
    signature: Literal["HMAC-SHA256", "HMAC-SHA1"] = "HMAC-SHA256"
    page_size: int = Field(5_000, ge=1, le=50_000)
    requests_at_once: int = Field(2, ge=1, le=8)
    etags: bool = True
    demographics: bool = False
    overlap_hours: int = Field(24, ge=0, le=24 * 30)
    ca_file: str | None = None
    proxy: str | None = None

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
