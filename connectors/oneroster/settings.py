"""The keys of a OneRoster source: sign-in differs more between providers than anything else, so all of it can be set."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from syncd.contract.connector import ADVANCED, LEADS_NOWHERE, ConnectorSettings, shown_for
from syncd.http.settings import Address, Base, CaFile, Proxy
from syncd.secret import Secret

_OAUTH2: dict[str, Any] = shown_for(auth=["oauth2"])
_OAUTH: dict[str, Any] = shown_for(auth=["oauth2", "oauth1"])


class OneRosterSettings(ConnectorSettings):
    """What a provider's rostering service is asked with."""

    url: Base = Field(
        title="Address of the service",
        description="The whole address of the rostering service, as the SIS shows it: https://sis.example.org/ims/oneroster/v1p1",
    )
    version: Literal["1.1", "1.2", "auto"] = Field(
        "auto",
        title="Version of OneRoster",
        description="auto looks at the address, then at a user.",
        json_schema_extra=ADVANCED,
    )
    auth: Literal["oauth2", "oauth1", "bearer"] = Field(
        "oauth2",
        title="How to sign in",
        description="oauth2: with a client id and secret at a token address. oauth1: older providers, with key and secret. bearer: with a "
        "token that the provider gave you.",
    )
    token_url: Address | None = Field(
        None,
        title="Token address",
        description="Where tokens are asked for, as the SIS shows it: https://sis.example.org/oauth/token",
        json_schema_extra=_OAUTH2,
    )
    client_id: Secret | None = Field(
        None, title="Client ID", description="As the SIS gave it; with oauth1 it is called the consumer key.", json_schema_extra=_OAUTH
    )
    client_secret: Secret | None = Field(
        None,
        title="Client secret",
        description="As the SIS gave it; with oauth1 it is called the consumer secret.",
        json_schema_extra=_OAUTH,
    )
    token: Secret | None = Field(
        None, title="Token", description="The token that the provider gave you.", json_schema_extra=shown_for(auth=["bearer"])
    )
    scope: tuple[str, ...] | None = Field(
        None,
        title="Scopes",
        description="What the token is asked for, one a line, where the provider wants others than the standard names.",
        json_schema_extra=ADVANCED | LEADS_NOWHERE | _OAUTH2,
    )
    credentials_in: Literal["header", "body"] = Field(
        "header",
        title="Where client ID and secret stand",
        description="In the token request: in its header, as most providers want it, or in its body.",
        json_schema_extra=ADVANCED | _OAUTH2,
    )
    parameters_in: Literal["body", "query"] = Field(
        "body",
        title="Where the parameters stand",
        description="In the token request: in its body, as most providers want it, or in its address.",
        json_schema_extra=ADVANCED | _OAUTH2,
    )
    signature: Literal["HMAC-SHA256", "HMAC-SHA1"] = Field(
        "HMAC-SHA256",
        title="Signature",
        description="How requests are signed; HMAC-SHA1 for old providers.",
        json_schema_extra=ADVANCED | shown_for(auth=["oauth1"]),
    )
    page_size: int = Field(
        5_000,
        ge=1,
        le=50_000,
        title="Records a page",
        description="How many records are asked for at a time; a provider may give fewer.",
        json_schema_extra=ADVANCED,
    )
    requests_at_once: int = Field(
        2,
        ge=1,
        le=8,
        title="Requests at once",
        description="Pages asked for at one time. 1 for a provider that can not bear more.",
        json_schema_extra=ADVANCED,
    )
    etags: bool = Field(
        True,
        title="Believe ETags",
        description="Whether a provider is believed that says that a page is what it was.",
        json_schema_extra=ADVANCED,
    )
    demographics: bool = Field(
        False, title="Take demographics", description="Birth date, gender, race and the rest. Only if something that you run needs them."
    )
    overlap_hours: int = Field(
        24,
        ge=0,
        le=24 * 30,
        title="Overlap, in hours",
        description="How far a pull of changes goes back behind the newest date that it has seen. Providers publish rows later than those "
        "are dated, some by a day.",
        json_schema_extra=ADVANCED,
    )
    ca_file: CaFile = None
    proxy: Proxy = None

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
