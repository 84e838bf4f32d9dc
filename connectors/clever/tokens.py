"""District tokens: given, or asked for with the app's client id and secret (`GET /oauth/tokens`, HTTP Basic)."""

import msgspec
import requests
from requests.auth import AuthBase, HTTPBasicAuth

from connectors.clever.settings import CleverSettings
from syncd.contract.connector import Context
from syncd.errors import BadAnswer, SignInRefused, SourceUnavailable
from syncd.http.session import Http
from syncd.secret import remember


class Bearer(AuthBase):
    """Signs with a district's token; `token` may be renewed."""

    def __init__(self, token: str) -> None:
        self.use(token)

    def use(self, token: str) -> None:
        self.token = token
        remember(token)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def district_tokens(settings: CleverSettings, context: Context) -> dict[str, str]:
    """{district id: token}, by district id. Raises SourceError, without a status; BadAnswer when no district is connected."""
    assert settings.client_id is not None
    assert settings.client_secret is not None
    basic = HTTPBasicAuth(settings.client_id.reveal(), settings.client_secret.reveal())
    http = Http(context, settings.token_url, auth=basic, ca_file=settings.ca_file, proxy=settings.proxy)
    asked = {"district": settings.district} if settings.district else {"owner_type": "district"}
    try:
        answer = http.get(settings.token_url, asked)
        found = msgspec.json.decode(answer.body)
    except (SignInRefused, SourceUnavailable, BadAnswer) as problem:
        # What this endpoint answers says nothing of a list of records.
        problem.status = None
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    finally:
        http.close()
    tokens: dict[str, str] = {}
    data = found.get("data") if isinstance(found, dict) else None
    for entry in data if isinstance(data, list) else []:
        entry = entry.get("data", entry) if isinstance(entry, dict) else {}
        token, owner = (entry.get("access_token"), entry.get("owner")) if isinstance(entry, dict) else (None, None)
        district = owner.get("id") if isinstance(owner, dict) else settings.district
        if isinstance(token, str) and token and isinstance(district, str):
            tokens[district] = token
    if not tokens:
        raise BadAnswer(
            f"{context.source}: Clever has no token for {settings.district or 'any district'}.",
            advice="Has the district connected this app?",
        )
    return dict(sorted(tokens.items()))
