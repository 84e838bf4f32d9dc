"""Who is asking, and whether they may: by a session's cookie, a token, or, where no account exists yet, nobody at this very machine."""

import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request

from syncd.account import Role, Via, Who
from syncd.console.site import Site
from syncd.errors import SignInDenied, SyncdError
from syncd.store import accounts, sessions, tokens

# What the browser keeps. `__Host-`: it sends it back to this host only, and over TLS only.
COOKIE, SAFE_COOKIE = "syncd_session", "__Host-syncd_session"
# Methods that change nothing.
READING = ("GET", "HEAD", "OPTIONS")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class SignInNeeded(SyncdError):
    """Nobody is signed in, or no longer."""


class NotAllowed(SyncdError):
    """Whoever asks may not do that."""


class ProofNeeded(NotAllowed):
    """Who is signed in has to prove it once more."""


def site(request: Request) -> Site:
    """What all requests share."""
    found: Site = request.app.state.site
    return found


def is_safe(request: Request) -> bool:
    """Whether the browser speaks TLS, with us or with the proxy before us."""
    return request.url.scheme == "https"


def cookie_name(request: Request) -> str:
    return SAFE_COOKIE if is_safe(request) else COOKIE


def csrf(cookie: str) -> str:
    """What a page of this session has in its forms, and no other page can know."""
    return blake2b(cookie.encode(), key=b"syncd csrf", digest_size=24).hexdigest()


async def word(request: Request) -> str:
    """The session's word that a request carries: in a header, or in a form's hidden field."""
    if request.method in READING:
        return ""
    told = request.headers.get("x-csrf-token")
    return await _sent(request, "csrf") if told is None else told


async def _sent(request: Request, name: str) -> str:
    """A text field of the form that came, if one did."""
    if not request.headers.get("content-type", "").startswith(FORMS):
        return ""
    told = (await request.form()).get(name)
    return told if isinstance(told, str) else ""


async def _password(request: Request) -> str:
    """The password that came along with a form, to prove once more who it is."""
    return await _sent(request, "password")


def asking(request: Request, told: Annotated[str, Depends(word)]) -> Who:
    """Who is asking. Raises SignInNeeded, and NotAllowed for a request that another page sent in somebody's name."""
    here, now = site(request), datetime.now(UTC)
    header = request.headers.get("authorization")
    if header is not None:
        kind, _, token = header.partition(" ")
        who = tokens.who(here.store, token.strip(), now) if kind.lower() == "bearer" else None
        if who is None:
            raise SignInNeeded("the token is not known, was revoked, or has expired.", advice="`syncd account token add` makes one.")
        return who
    cookie = request.cookies.get(cookie_name(request))
    who = sessions.who(here.store, cookie, now) if cookie else None
    if who is not None and cookie:
        # A form of another site would be sent with this session's cookie, too; but such a site can not know the session's word.
        if request.method not in READING and not hmac.compare_digest(told.encode(), csrf(cookie).encode()):
            raise NotAllowed("this form is too old, or does not come from this console.", advice="Load the page again, and repeat it.")
        return who
    if _is_at_this_machine(request) and not accounts.any(here.store):
        return Who("nobody", Role.VIEWER, "open")
    raise SignInNeeded("nobody is signed in.", advice="Sign in, or send a token.")


def _is_at_this_machine(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback and "x-forwarded-for" not in request.headers
    except ValueError:
        return False


def needs(role: Role) -> Callable[..., Who]:
    """A dependency: whoever asks has at least this role. Raises NotAllowed."""

    def check(who: Annotated[Who, Depends(asking)]) -> Who:
        if not who.role.covers(role):
            if who.via == "open":
                told = "there is no account yet, so that nothing can be changed here, and no names are shown."
                raise NotAllowed(told, advice="Make one with `syncd account add NAME --role admin`.")
            raise NotAllowed(f"that needs the role {role}, and {who.name} is {who.role}.", advice="Ask an admin.")
        return who

    return check


def proof(request: Request, who: Annotated[Who, Depends(asking)], password: Annotated[str, Depends(_password)]) -> Callable[[], None]:
    """A dependency: to be called before something grave. Who is signed in at a browser gives the password once more, if that was long ago;
    a token is no session that lies open. Raises ProofNeeded, and TooManyTries."""

    def check() -> None:
        here, now, cookie = site(request), datetime.now(UTC), request.cookies.get(cookie_name(request), "")
        if who.via == Via.API or sessions.is_fresh(here.store, cookie, now):
            return
        if not password:
            raise ProofNeeded("this changes a lot at once, and you signed in a while ago.", advice="Give your password once more.")
        try:
            sessions.prove(here.store, cookie, password, request.client.host if request.client else "", now)
        except SignInDenied:
            raise ProofNeeded("the password is wrong.", advice="Nothing was done.") from None

    return check


Proof = Annotated[Callable[[], None], Depends(proof)]
Viewer = Annotated[Who, Depends(needs(Role.VIEWER))]
Operator = Annotated[Who, Depends(needs(Role.OPERATOR))]
Admin = Annotated[Who, Depends(needs(Role.ADMIN))]
Here = Annotated[Site, Depends(site)]


def may_see(who: Who, source: str, *, refuse: bool = False) -> bool:
    """Whether a source is any of their business: a token may be for one only. Raises NotAllowed if it is to `refuse`."""
    if who.source in (None, source):
        return True
    if refuse:
        raise NotAllowed(f"this token is for {who.source} only.")
    return False
