"""Where a source of the console may not be asked: this machine and the network that syncd runs in, whatever name leads there."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from syncd.contract.connector import Context
from syncd.errors import BadAnswer
from syncd.http.inside import is_inside
from syncd.http.retry import Patience
from syncd.http.session import Http

QUICK = Patience(tries=1)


class Listening:
    """A server on this machine. calls: how many connected, whether or not they said anything."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.calls = 0

    def serve(self) -> None:
        body = json.dumps({"data": []}).encode()
        with suppress(OSError):
            while True:
                caller = self.listener.accept()[0]
                self.calls += 1
                with suppress(OSError), caller:
                    caller.recv(65536)
                    caller.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


@contextmanager
def listening() -> Iterator[Listening]:
    server = Listening()
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()


def http(url: str, *networks: str, **options: Any) -> Http:
    context = Context("springfield", networks=tuple(map(ip_network, networks)))
    return Http(context, url, policy=QUICK, **options)


@pytest.mark.fault("S12")
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "::1",
        "::", "fe80::1", "fd00:ec2::254", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "2002:a9fe:a9fe::1", "255.255.255.255",
    ],
)  # fmt: skip
def test_what_lies_inside_is_known_by_its_address(address: str) -> None:
    assert is_inside(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "172.32.0.1"])
def test_what_lies_outside_is_too(address: str) -> None:
    assert not is_inside(ip_address(address))


@pytest.mark.fault("S12")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_not_even_called(host: str) -> None:
    with listening() as server:
        with pytest.raises(BadAnswer, match=f"springfield: {host} is an address inside the network.*networks"):
            http(f"http://{host}:{server.port}").get("/list")
        assert server.calls == 0
        assert http(f"http://{host}:{server.port}", "127.0.0.0/8").get("/list").status == 200, "the administrator has allowed it"
        assert Http(Context("springfield"), f"http://{host}:{server.port}").get("/list").status == 200, "a source of the file"


@pytest.mark.fault("S12")
def test_a_name_is_looked_up_once_and_what_was_looked_at_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads to a harmless address when it is checked, and inside when it is connected to."""
    answers = iter(["127.0.0.2", "127.0.0.1"])
    asked: list[str] = []
    real = socket.getaddrinfo

    def turning(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        if host != "localhost":
            return real(host, port, *rest, **options)
        asked.append(host)
        return real(next(answers), port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", turning)
    with listening() as server:
        with pytest.raises(Exception, match="springfield: localhost"):
            http(f"http://localhost:{server.port}", "127.0.0.2/32").get("/list")
        assert (len(asked), server.calls) == (1, 0), "nobody listens at 127.0.0.2, and no second look was taken"
        with pytest.raises(BadAnswer, match="inside the network"):
            http(f"http://localhost:{server.port}", "127.0.0.2/32").get("/list")
        assert (len(asked), server.calls) == (2, 0)


@pytest.mark.fault("S12")
def test_a_proxy_inside_is_no_way_in() -> None:
    with listening() as server:
        with pytest.raises(BadAnswer, match="127.0.0.1 is an address inside"):
            http("https://sis.example.org", proxy=f"http://127.0.0.1:{server.port}").get("/list")
        assert server.calls == 0
