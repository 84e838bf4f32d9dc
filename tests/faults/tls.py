"""TLS in front of the sandbox, with whatever certificate a test wants: bytes go through as they are."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import trustme


def context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(made)
    return made


@contextmanager
def in_front_of(url: str, tls: ssl.SSLContext) -> Iterator[str]:
    """The address, over TLS, of what is served at `url`."""
    behind = (urlsplit(url).hostname, urlsplit(url).port)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                caller = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=take, args=(caller,), daemon=True).start()

    def take(caller: socket.socket) -> None:
        with suppress(OSError), caller, socket.create_connection(behind) as server, tls.wrap_socket(caller, server_side=True) as secure:
            back = threading.Thread(target=pass_on, args=(server, secure), daemon=True)
            back.start()
            pass_on(secure, server)
            back.join()

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65536):
                target.sendall(part)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
