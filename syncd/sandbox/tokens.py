"""Where a OneRoster client gets its token (oneroster.md section 1): the address and its answers. Who may have one is `oauth.py`'s."""

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from syncd.sandbox.oauth import Access

BEARER = "Bearer"


class TokenEndpoint:
    """POST /oauth/token: OAuth 2 client credentials (RFC 6749 section 4.4), by HTTP Basic or in the form."""

    def __init__(self, access: Access) -> None:
        self.access = access

    async def token(self, request: Request) -> Response:
        """A token for the scopes asked for, as far as they may be granted; one scope at least must be asked
        for.
        """
        body = (await request.body()).decode("utf-8", "replace")
        form = dict(parse_qsl(request.url.query)) | dict(parse_qsl(body))
        known = self.access.check_basic(request.headers.get("authorization", "")) or (
            "client_id" in form and self.access.check_client(form["client_id"], form.get("client_secret", ""))
        )
        if not known:
            return JSONResponse({"error": "invalid_client"}, 401, {"WWW-Authenticate": "Basic"})
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        granted = self.access.grant(form.get("scope", ""))
        if granted is None:
            return JSONResponse({"error": "invalid_scope"}, 400)
        token, scopes = granted
        return JSONResponse(
            {
                "access_token": token,
                "token_type": BEARER,
                "expires_in": int(self.access.token_seconds),
                "scope": " ".join(scopes),
            },
            headers={"Cache-Control": "no-store"},
        )
