"""The keys of a Clever source."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from syncd.contract.connector import ConnectorSettings
from syncd.http.session import is_safe
from syncd.secret import Secret


class CleverSettings(ConnectorSettings):
    """Either `token` (one district's token), or `client_id` and `client_secret` (for `district`, or for all connected districts).

    page_size: records a page; Clever answers 413 above 10,000. demographics: whether to take birth dates, gender and the rest.
    events: whether frequent pulls read Clever's events, where the app has them, instead of pulling everything.
    """

    url: str = "https://api.clever.com"
    version: Literal["3.0", "3.1"] = "3.1"
    token: Secret | None = None
    client_id: Secret | None = None
    client_secret: Secret | None = None
    district: str | None = None
    token_url: str = "https://clever.com/oauth/tokens"
    page_size: int = Field(10_000, ge=1, le=10_000)
    demographics: bool = False
    events: bool = True
    ca_file: str | None = None
    proxy: str | None = None

    @field_validator("url", "token_url")
    @classmethod
    def _safe(cls, value: str) -> str:
        if not is_safe(value):
            raise ValueError("must begin with https:// (plain http only for this very machine)")
        return value.removesuffix("/")

    @model_validator(mode="after")
    def _sign_in(self) -> Self:
        by_client = self.client_id is not None or self.client_secret is not None
        if self.token is not None and by_client:
            raise ValueError("give either token, or client_id and client_secret, not both")
        if self.token is None and (self.client_id is None or self.client_secret is None):
            raise ValueError("needs token, or client_id and client_secret")
        if self.district and not by_client:
            raise ValueError("district goes with client_id and client_secret; a token knows its district")
        return self
