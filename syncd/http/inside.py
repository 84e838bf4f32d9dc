"""What is inside: who can set up a source in the console is not thereby to ask machines of the network that syncd runs in.

A name is looked up, and only then is it known where it leads; so the very address that is connected to is looked at, each time anew, and
nothing is sent to one that is refused, not even a greeting: whether something answers there is nobody's business, either.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from syncd.contract.connector import Networks
from syncd.errors import BadAnswer

# IPv6 addresses that lead to an IPv4 one (RFC 6052, section 2.1).
_TRANSLATED = IPv6Network("64:ff9b::/96")


class Inside(Exception):
    """The host leads inside, where it may not be asked."""


def is_inside(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is of this machine, of a network of its own, or of no single machine (RFC 6890)."""
    address = _meant(address)
    return not address.is_global or address.is_multicast


def may_ask(address: IPv4Address | IPv6Address, networks: Networks) -> bool:
    """Whether it lies outside, or in one of these networks."""
    address = _meant(address)
    return not is_inside(address) or any(address in network for network in networks)


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Where it leads: an IPv4 address can be written as IPv6 in several ways."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (IPv4Address(int(address) & 0xFFFFFFFF) if address in _TRANSLATED else None)
        return inner or address
    return address


def addresses(name: str, port: int, networks: Networks | None) -> list[str]:
    """Where a name leads, of that what may be asked. Raises socket.gaierror, and Inside when nothing is left."""
    try:
        found = socket.getaddrinfo(name.strip("[]"), port, type=socket.SOCK_STREAM)
    except UnicodeError as problem:
        raise socket.gaierror(str(problem)) from None
    led = list(dict.fromkeys(str(each[4][0]) for each in found))
    allowed = [address for address in led if networks is None or may_ask(ip_address(address), networks)]
    if not allowed:
        raise Inside(name)
    return allowed


def not_there(source: str, problem: Inside) -> BadAnswer:
    """What a person is told of it."""
    return BadAnswer(
        f"{source}: {problem} is an address inside the network, and sources of the console may not be asked there.",
        advice="If it is right, whoever administers syncd adds the network to [console] networks.",
    )


class Plain(HTTPConnection):
    """A connection of urllib3. networks: internal ones that it may lead to; None: it may lead anywhere. Raises Inside."""

    networks: Networks | None = None

    def _new_conn(self) -> Any:
        if self.networks is None:
            return super()._new_conn()
        name, problem = self._dns_host, None
        for address in self._addresses(name, self.networks):
            # Looked up once: a name that leads elsewhere a moment later leads nowhere.
            self._dns_host = address
            try:
                return super()._new_conn()
            except (NewConnectionError, ConnectTimeoutError) as found:
                problem = found
            finally:
                self._dns_host = name
        assert problem is not None
        raise problem

    def _addresses(self, name: str, networks: Networks) -> list[str]:
        try:
            return addresses(name, self.port or 0, networks)
        except socket.gaierror as problem:
            raise NameResolutionError(self.host, self, problem) from None


class Secure(Plain, HTTPSConnection):
    """The same, by TLS."""
