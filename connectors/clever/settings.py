"""The keys of a Clever source."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from syncd.contract.connector import ConnectorSettings
from syncd.http.session import is_safe
from syncd.secret import Secret


class CleverSettings(ConnectorSettings):
    """Either `token` (one district's token), or `client_id` and `client_secret` (for `district`, or for all connected districts)."""

    url: str = "https://api.clever.com"
    """Clever's address; plain http only for this very machine."""

    version: Literal["3.0", "3.1"] = "3.1"
    """Of the Data API."""

    token: Secret | None = None
    """The district's token; or the two below."""

    client_id: Secret | None = None
    """The app's id: for `district`, or for all connected districts."""

    client_secret: Secret | None = None
    """The app's secret."""

    district: str | None = None
    """The one district, by Clever's id."""

    token_url: str = "https://clever.com/oauth/tokens"
    """Where tokens are listed."""

    page_size: int = Field(10_000, ge=1, le=10_000)
    """Records a page. Clever allows no more than 10,000."""

    demographics: bool = False
    """Take birth date, gender and the rest."""

    events: bool = True
    """Whether the frequent pulls may read Clever's events instead of everything."""

    ca_file: str | None = None
    """A certificate authority of the district's own: a file in PEM form."""

    proxy: str | None = None
    """A proxy on the way to the source."""

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
