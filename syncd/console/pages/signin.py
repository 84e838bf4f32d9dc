"""Signing in and out."""

import base64
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from syncd.console.oidc import BACK, Began, SingleSignOn
from syncd.console.pages.page import go, render
from syncd.console.who import Here, Viewer, cookie_name, is_safe
from syncd.errors import SyncdError, Unknown
from syncd.store import accounts, sessions

router = APIRouter()

# What the browser keeps while it is at the provider, and for how many seconds.
BEGAN, TIME = "syncd_signing_in", 600


def own_path(path: str) -> str:
    """A path of this console to lead to; the overview for anything else, which could lead to another site."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and "\n" not in path and "\r" not in path else "/"


@router.get("/signin")
def ask(request: Request, site: Here, next: str = "/") -> Response:
    """Ask who it is."""
    return _form(request, site, next)


@router.post("/signin")
def sign_in(
    request: Request,
    site: Here,
    name: Annotated[str, Form(max_length=100)],
    password: Annotated[str, Form(max_length=1000)],
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Sign in, and lead to where they wanted to go."""
    address = request.client.host if request.client else ""
    try:
        cookie = sessions.sign_in(site.store, name, password, address, datetime.now(UTC))
    except SyncdError as problem:
        return _form(request, site, next, problem=str(problem))
    return signed_in(request, cookie, next)


def signed_in(request: Request, cookie: str, next: str) -> Response:
    """The session begins. Lax: who comes by a link in a notice, or back from single sign-on, is signed in; forms are guarded by a word."""
    answer = go(own_path(next))
    answer.set_cookie(cookie_name(request), cookie, httponly=True, secure=is_safe(request), samesite="lax", path="/")
    return answer


@router.get("/signin/oidc")
def leave(request: Request, site: Here, next: Annotated[str, Query(max_length=2000)] = "/", again: bool = False) -> Response:
    """Lead to the provider of single sign-on. again: it is to ask who it is, even if it knows."""
    url, began = _provider(site).leave(own_path(next), again=again)
    answer = RedirectResponse(url, 303)
    kept = base64.urlsafe_b64encode(json.dumps(asdict(began)).encode()).decode()
    answer.set_cookie(BEGAN, kept, max_age=TIME, httponly=True, secure=is_safe(request), samesite="lax", path="/signin/oidc")
    return answer


@router.get(BACK)
def come_back(
    request: Request,
    site: Here,
    state: Annotated[str, Query(max_length=500)] = "",
    code: Annotated[str, Query(max_length=5000)] = "",
) -> Response:
    """Come back from there, and be signed in."""
    try:
        kept = json.loads(base64.urlsafe_b64decode(request.cookies.get(BEGAN, "")))
        began = Began(**{name: str(kept[name]) for name in ("state", "nonce", "verifier", "next")})
    except (ValueError, KeyError, TypeError):
        return _form(request, site, "/", problem="This sign-in was not begun here, or too long ago. Begin it again.")
    try:
        cookie = _provider(site).come_back(site.store, began, state, code, datetime.now(UTC))
    except SyncdError as problem:
        return _form(request, site, began.next, problem=str(problem))
    answer = signed_in(request, cookie, began.next)
    answer.delete_cookie(BEGAN, path="/signin/oidc", secure=is_safe(request), httponly=True, samesite="lax")
    return answer


@router.post("/signout")
def sign_out(request: Request, site: Here, who: Viewer) -> Response:
    """End the session, here and in the store."""
    cookie = request.cookies.get(cookie_name(request))
    if cookie:
        sessions.sign_out(site.store, cookie)
    answer = go("/signin")
    answer.delete_cookie(cookie_name(request), path="/", secure=is_safe(request), httponly=True, samesite="lax")
    return answer


def _provider(site: Here) -> SingleSignOn:
    """Raises Unknown where there is no single sign-on."""
    if site.single_sign_on is None:
        raise Unknown("single sign-on is not set up here.")
    return site.single_sign_on


def _form(request: Request, site: Here, next: str, problem: str = "") -> Response:
    oidc = site.console.oidc
    return render(
        request,
        "signin.html",
        code=401 if problem else 200,
        problem=problem,
        next=own_path(next),
        any_account=accounts.any(site.store),
        single_sign_on="the district's account" if oidc else "",
    )
