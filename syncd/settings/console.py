"""`[console]`: where the web console is reached, who signs in, and the key that pasted secrets are sealed with."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from syncd.http.session import LOOPBACK, is_safe
from syncd.http.settings import NOT_SAFE
from syncd.secret import MissingSecret, Secret
from syncd.settings.table import Table

# A name or an address of either kind, without scheme, port and path.
_NAME = re.compile(r"(?:[\w.-]+|[0-9a-fA-F:]+)$", re.ASCII)

# What a host may be that is no name of one: all addresses of this machine.
EVERYWHERE = (str(IPv4Address(0)), str(IPv6Address(0)))

Role = Literal["viewer", "operator", "admin"]


def is_own(host: str | None) -> bool:
    """Whether a host's name means this very machine."""
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return host in LOOPBACK


def _address(value: str) -> str:
    parts = urlsplit(value)
    if not is_safe(value) or not parts.hostname:
        raise ValueError(NOT_SAFE)
    return value.removesuffix("/")


def _site(value: str) -> str:
    value = _address(value)
    if urlsplit(value).path or urlsplit(value).query:
        raise ValueError("is the console's own address, without a path: https://syncd.example.org")
    return value


def _name(value: str) -> str:
    if not _NAME.match(value):
        raise ValueError('write names of hosts alone, as in "syncd.example.org"')
    return value.lower()


def _with_openid(value: tuple[str, ...]) -> tuple[str, ...]:
    if "openid" not in value:
        raise ValueError('must have "openid" among them')
    return value


class OidcSettings(Table):
    """`[console.oidc]`: signing in with the district's own accounts, by OpenID Connect.

    issuer: the provider's address, below which it says what else there is to know of it. client_id, client_secret: as it gave them for
    syncd. groups: the claim that has a person's groups. roles: {group: role}; the highest counts. default_role: of somebody who is in none
    of these groups; without it, nobody gets in who is in none. scopes: what is asked for.
    """

    issuer: Annotated[str, AfterValidator(_address)]
    client_id: str
    client_secret: Secret
    groups: str = "groups"
    roles: dict[str, Role] = Field(default_factory=dict)
    default_role: Role | None = None
    scopes: Annotated[tuple[str, ...], AfterValidator(_with_openid)] = ("openid", "email", "profile")


class ConsoleSettings(Table):
    """enabled: whether `syncd serve` serves the console. host, port: where it listens. url: how people reach it, for links in notices and
    for signing in. hosts: further names that it answers to; whoever asks for another is refused, so that no foreign name can be led to it.
    certificate, private_key: files, of TLS; relative to the configuration's folder. behind_proxy: a proxy does TLS, and says in
    X-Forwarded-Proto and -For who asked how. key: what secrets are sealed with that were pasted; several, the newest first, while one
    takes the place of another. networks: internal networks, as in "10.20.0.0/16", in which sources may lie that are set up in the console;
    elsewhere inside they are not asked, since whoever sets them up need not be who administers the network. folders: of this machine, in
    which files lie that sources set up in the console may read; without any, they read none. (Sources of the file may lie anywhere.)
    oneroster: whether products may read the roster here, as from a OneRoster provider; each needs a client of its own (`syncd account
    client add`).
    """

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8420
    url: Annotated[str, AfterValidator(_site)] | None = None
    hosts: tuple[Annotated[str, AfterValidator(_name)], ...] = ()
    certificate: Path | None = None
    private_key: Path | None = None
    behind_proxy: bool = False
    key: Secret | None = None
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    folders: tuple[Path, ...] = ()
    oneroster: bool = False
    oidc: OidcSettings | None = None

    @model_validator(mode="after")
    def _closed(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        if not self.enabled:
            return self
        if not self.is_loopback and self.certificate is None and not self.behind_proxy:
            raise ValueError(
                f'host = "{self.host}" is reached from other machines: give certificate and private_key (TLS), or say behind_proxy = true '
                "where a proxy does TLS"
            )
        if self.oidc is not None and self.url is None:
            raise ValueError("oidc needs url: the provider sends people back to it")
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether it listens to this very machine only."""
        return is_own(self.host)

    @property
    def names(self) -> frozenset[str]:
        """The host names that it answers to, small letters, without a port."""
        named = {urlsplit(self.url).hostname} if self.url else set()
        own = LOOPBACK if self.is_loopback else (self.host,)
        return frozenset(name for name in {*named, *own, *self.hosts} if name and name not in EVERYWHERE)

    def beside(self, folder: Path) -> "ConsoleSettings":
        """With its files' paths, where they are relative, taken from a folder."""
        files = {name: file and folder / file for name, file in (("certificate", self.certificate), ("private_key", self.private_key))}
        return self.model_copy(update=files)

    def missing(self) -> list[str]:
        """What it needs to be served, beside its key, and is not there: a line each, beginning with the key's name."""
        if not self.enabled:
            return []
        needed = {"certificate": self.certificate, "private_key": self.private_key}
        places = {key: Secret(file=str(path)) for key, path in needed.items() if path is not None}
        if self.certificate is not None and self.certificate.is_file():
            # It is nobody's secret, and mostly readable by all.
            del places["certificate"]
        if self.oidc is not None:
            places["oidc.client_secret"] = self.oidc.client_secret
        found = []
        for key, place in places.items():
            try:
                place.reveal()
            except MissingSecret as problem:
                found.append(f"{key}: {problem}")
        return found
