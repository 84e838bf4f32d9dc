"""Signing in with the district's own accounts, at a provider over a real socket: who they are and what they may do comes from there."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from tests.console.console import Served, served


class Provider:
    """An OpenID provider that lets everybody in as `claims` say. answers: what it says instead, to see that it is not believed."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, parameters={"kid": "one"})
        self.claims: dict[str, Any] = {}
        self.sign_with: Any = (self.key, {"alg": "RS256", "kid": "one"})
        self.began: dict[str, dict[str, list[str]]] = {}
        self.url = ""

    def authorize(self, asked: dict[str, list[str]]) -> str:
        code = f"code-{len(self.began)}"
        self.began[code] = asked
        return f"{asked['redirect_uri'][0]}?{urlencode({'code': code, 'state': asked['state'][0]})}"

    def token(self, sent: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        began = self.began.pop(sent["code"][0], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(sent["code_verifier"][0].encode()).digest()).rstrip(b"=").decode()
        if began is None or began["code_challenge"][0] != challenge:
            return 400, {"error": "invalid_grant"}
        usual = {"iss": self.url, "aud": "syncd", "exp": int(time.time()) + 300, "iat": int(time.time()), "nonce": began["nonce"][0]}
        key, header = self.sign_with
        token = jwt.encode(header, {**usual, "sub": "1", **self.claims}, key, algorithms=["RS256", "HS256"])
        return 200, {"access_token": "a", "token_type": "Bearer", "id_token": token}

    def answer(self, path: str, sent: dict[str, list[str]]) -> tuple[int, Any]:
        match path:
            case "/.well-known/openid-configuration":
                places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
                return 200, {"issuer": self.url, **{name: f"{self.url}/{place}" for name, place in places.items()}}
            case "/keys":
                return 200, KeySet([self.key]).as_dict(private=False)
            case "/token":
                return self.token(sent)
        return 404, {}


@contextmanager
def provided() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(parse_qs(url.query)))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._tell(*provider.answer(url.path, {}))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._tell(*provider.answer(self.path, parse_qs(body)))

        def _tell(self, status: int, told: Any) -> None:
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()


PORT = 18431


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Provider]]:
    with provided() as provider, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSO_SECRET", "a-secret-of-the-provider")
        folder = tmp_path_factory.mktemp("sso")
        # The provider sends people back to this address, so that it has to be known beforehand.
        console = f"""port = {PORT}
url = "http://127.0.0.1:{PORT}"
[console.oidc]
issuer = "{provider.url}"
client_id = "syncd"
client_secret = {{ env = "SSO_SECRET" }}
roles = {{ "syncd-admins" = "admin", "helpdesk" = "operator" }}
"""
        with served(folder, sources="", console=console, port=None) as found:
            yield found, provider


def sign_in(console: Served) -> requests.Response:
    """Go the whole way, as a browser does; where it ends."""
    return requests.Session().get(f"{console.url}/signin/oidc?next=/runs", headers={"Accept": "text/html"})


def test_somebody_of_a_group_comes_in_with_its_role(district: tuple[Served, Provider]) -> None:
    console, provider = district
    provider.claims = {"email": "Grace@springfield.example", "email_verified": True, "groups": ["everybody", "helpdesk"]}
    page = sign_in(console)
    assert page.url.endswith("/runs") and "grace@springfield.example (operator)" in page.text
    provider.claims = {**provider.claims, "groups": ["everybody"]}
    assert "in none of the groups" in sign_in(console).text, "who has left the group comes in no more"


@pytest.mark.parametrize(
    "lie",
    [
        {"aud": "another-program"},
        {"iss": "https://idp.example"},
        {"exp": 1},
        {"nonce": "another"},
        {"aud": ["syncd", "another"], "azp": "another"},
        {"email_verified": False},
        {"email": "ada", "email_verified": True},
        {"groups": []},
    ],
)
def test_what_is_not_for_us_is_not_believed(lie: dict[str, Any], district: tuple[Served, Provider]) -> None:
    console, provider = district
    provider.claims = {"email": "grace@springfield.example", "email_verified": True, "groups": ["syncd-admins"], **lie}
    page = sign_in(console)
    assert page.status_code == 401 and "/signin" in page.url and "Sign out" not in page.text


@pytest.mark.parametrize("forged", ["another key", "the secret's own", "none"])
def test_a_token_that_the_provider_did_not_sign_is_refused(forged: str, district: tuple[Served, Provider]) -> None:
    console, provider = district
    provider.claims = {"email": "grace@springfield.example", "email_verified": True, "groups": ["syncd-admins"]}
    before = provider.sign_with
    other = RSAKey.generate_key(2048, parameters={"kid": "one"})
    oct_key = OctKey.import_key("a-secret-of-the-provider-that-is-long-enough")
    provider.sign_with = {
        "another key": (other, {"alg": "RS256", "kid": "one"}),
        "the secret's own": (oct_key, {"alg": "HS256"}),
        "none": (other, {"alg": "RS256", "kid": "two"}),
    }[forged]
    try:
        page = sign_in(console)
        assert page.status_code == 401 and "can not be trusted" in page.text
    finally:
        provider.sign_with = before


def test_nobody_is_signed_in_by_a_link_of_somebody_else(district: tuple[Served, Provider]) -> None:
    console, provider = district
    provider.claims = {"email": "mallory@springfield.example", "email_verified": True, "groups": ["helpdesk"]}
    mallory = requests.Session()
    away = mallory.get(f"{console.url}/signin/oidc", allow_redirects=False).headers["Location"]
    back = requests.get(away, allow_redirects=False).headers["Location"]
    victim = requests.Session()
    assert victim.get(back).status_code == 401, "the answer to a sign-in that was not begun here"
    victim.get(f"{console.url}/signin/oidc", allow_redirects=False)
    assert victim.get(back).status_code == 401, "nor to another than the one that was"
    assert "a-secret-of-the-provider" not in console.log
