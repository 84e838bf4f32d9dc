"""The keys of a Clever source."""

from typing import Literal, Self

from pydantic import Field, model_validator

from syncd.contract.connector import ADVANCED, LEADS_NOWHERE, ConnectorSettings
from syncd.http.settings import Base, CaFile, Proxy
from syncd.secret import Secret


class CleverSettings(ConnectorSettings):
    """Either `token` (one district's token), or `client_id` and `client_secret` (for `district`, or for all connected districts)."""

    url: Base = Field(
        "https://api.clever.com",
        title="Address of Clever's API",
        description="Clever's own. Another one only to try things out, as with `syncd sandbox`.",
        json_schema_extra=ADVANCED,
    )
    version: Literal["3.0", "3.1"] = Field(
        "3.1", title="Version of Clever's API", description="3.1, unless Clever says that your app has 3.0.", json_schema_extra=ADVANCED
    )
    token: Secret | None = Field(
        None,
        title="District token",
        description="The token of one district, from the page of your app at Clever. Or leave it empty, and give client id and secret.",
    )
    client_id: Secret | None = Field(
        None,
        title="Client ID",
        description="Of your app at Clever, together with the client secret: for all districts that have connected it, or for one of them.",
    )
    client_secret: Secret | None = Field(None, title="Client secret", description="Of your app at Clever; goes with the client ID.")
    district: str | None = Field(
        None,
        title="District",
        description="Clever's id of the one district that is meant, with client ID and secret. Empty: all that have connected your app.",
        json_schema_extra=LEADS_NOWHERE,
    )
    token_url: Base = Field(
        "https://clever.com/oauth/tokens",
        title="Address of the tokens",
        description="Where the districts' tokens are asked for with client ID and secret. Clever's own.",
        json_schema_extra=ADVANCED,
    )
    page_size: int = Field(
        10_000,
        ge=1,
        le=10_000,
        title="Records a page",
        description="How many records are asked for at a time. Clever answers 413 above 10,000.",
        json_schema_extra=ADVANCED,
    )
    demographics: bool = Field(
        False, title="Take demographics", description="Birth date, gender, race and the rest. Only if something that you run needs them."
    )
    events: bool = Field(
        True,
        title="Read Clever's events",
        description="The frequent pulls then ask only for what changed, where events are enabled for your app at Clever.",
    )
    ca_file: CaFile = None
    proxy: Proxy = None

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
