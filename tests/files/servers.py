"""Servers that keep files, over real sockets: SFTP (paramiko's own server), and storage that speaks as S3 does and checks each signature
with botocore, which is Amazon's."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import paramiko
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

USER, PASSWORD = "springfield", "sftp-password-4711"
KEY_ID, SECRET_KEY, REGION, BUCKET = "AKIDCANARY", "s3-secret-4711", "eu-central-1", "rosters"
# Objects of one answer.
PAGE = 3


@dataclass
class SftpServer:
    """folder: what its `/` is. key: by which it is known. drops: how many connections are ended at the next file that is read; read_only:
    nothing may be changed; signed_in: users, in turn; opened: files that were read."""

    folder: Path
    key: paramiko.PKey = field(default_factory=lambda: paramiko.RSAKey.generate(2048))
    port: int = 0
    drops: int = 0
    read_only: bool = False
    allowed_key: paramiko.PKey | None = None
    signed_in: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    transports: list[paramiko.Transport] = field(default_factory=list)

    @property
    def host_key(self) -> str:
        return f"{self.key.get_name()} {self.key.get_base64()}"


class _Door(paramiko.ServerInterface):
    def __init__(self, server: SftpServer) -> None:
        self.server = server

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_auth_password(self, username: str, password: str) -> int:
        return self._answer(username == USER and password == PASSWORD, username)

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return self._answer(username == USER and key == self.server.allowed_key, username)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def _answer(self, right: bool, username: str) -> int:
        if right:
            self.server.signed_in.append(username)
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED


class _Open(paramiko.SFTPHandle):
    """A file that is read: the server looks for it as `readfile`."""

    def __init__(self, flags: int, path: Path) -> None:
        super().__init__(flags)
        self.readfile = path.open("rb")


class _Shelf(paramiko.SFTPServerInterface):
    def __init__(self, door: _Door, *_: Any, **__: Any) -> None:
        super().__init__(door)
        self.server = door.server

    def _path(self, path: str) -> Path:
        return self.server.folder / path.lstrip("/")

    def _done(self, action: Any, *, changes: bool = False) -> Any:
        if changes and self.server.read_only:
            return paramiko.SFTP_PERMISSION_DENIED
        try:
            return action()
        except OSError as problem:
            return paramiko.SFTPServer.convert_errno(problem.errno or 0)

    def list_folder(self, path: str) -> Any:
        folder = self._path(path)
        return self._done(lambda: [paramiko.SFTPAttributes.from_stat(one.stat(), one.name) for one in folder.iterdir()])

    def stat(self, path: str) -> Any:
        return self._done(lambda: paramiko.SFTPAttributes.from_stat(self._path(path).stat()))

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        self.server.opened.append(path.rpartition("/")[2])
        if self.server.drops:
            self.server.drops -= 1
            for transport in self.server.transports:
                transport.close()
            return paramiko.SFTP_FAILURE
        return _Open(flags, self._path(path))

    def posix_rename(self, oldpath: str, newpath: str) -> Any:
        return self._done(lambda: self._path(oldpath).replace(self._path(newpath)) and paramiko.SFTP_OK, changes=True)

    def mkdir(self, path: str, attr: Any) -> Any:
        return self._done(lambda: self._path(path).mkdir() or paramiko.SFTP_OK, changes=True)

    def remove(self, path: str) -> Any:
        return self._done(lambda: self._path(path).unlink() or paramiko.SFTP_OK, changes=True)


@contextmanager
def sftp_server(folder: Path) -> Iterator[SftpServer]:
    """An SFTP server on loopback."""
    folder.mkdir(exist_ok=True)
    server, listening = SftpServer(folder), socket.create_server(("127.0.0.1", 0))
    server.port = listening.getsockname()[1]

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(server.key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Shelf)
            server.transports.append(transport)
            # Who does not like the key goes away in the middle of the greeting.
            transport.start_server(event=threading.Event(), server=_Door(server))

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for transport in server.transports:
            transport.close()
        thread.join(10)


@dataclass
class Storage:
    """objects: {key: (bytes, seconds since the epoch)}. faults: statuses that the next requests get instead of an answer; asked: (method,
    path) of each request; on_read: called when an object is read."""

    objects: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    faults: list[int] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    on_read: Callable[[], None] | None = None

    def put(self, key: str, content: bytes, at: float) -> None:
        self.objects[key] = (content, at)


class _S3(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    storage: Storage

    def log_message(self, *_: object) -> None:
        return

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _is_signed(self) -> bool:
        told = dict(part.strip().split("=", 1) for part in self.headers.get("Authorization", "= ").partition(" ")[2].split(","))
        names = told.get("SignedHeaders", "").split(";")
        request = AWSRequest(
            self.command, f"http://{self.headers['Host']}{self.path.partition('?')[0]}", {name: self.headers[name] for name in names}
        )
        request.params = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()}
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        signer = S3SigV4Auth(Credentials(KEY_ID, SECRET_KEY), "s3", REGION)
        expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        return told.get("Signature") == expected and {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names)

    def _begin(self) -> str | None:
        """The key that is asked for; None when it was answered already."""
        self.storage.asked.append((self.command, self.path.partition("?")[0]))
        if self.storage.faults:
            self._answer(self.storage.faults.pop(0))
        elif not self._is_signed():
            self._answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        elif not (path := unquote(urlsplit(self.path).path)).startswith(f"/{BUCKET}"):
            self._answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        else:
            return path.removeprefix(f"/{BUCKET}").lstrip("/")
        return None

    def do_GET(self) -> None:
        key = self._begin()
        if key == "":
            self._list({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})
        elif key is not None and key in self.storage.objects:
            content = self.storage.objects[key][0]
            if self.storage.on_read is not None:
                self.storage.on_read()
            self._answer(200, content, ETag=_etag(content))
        elif key is not None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_PUT(self) -> None:
        key = self._begin()
        if key is not None:
            source = unquote(self.headers["x-amz-copy-source"]).removeprefix(f"/{BUCKET}/")
            self.storage.put(key, self.storage.objects[source][0], self.storage.objects[source][1] + 1)
            self._answer(200, b"<CopyObjectResult/>")

    def do_DELETE(self) -> None:
        key = self._begin()
        if key is not None:
            self.storage.objects.pop(key, None)
            self._answer(204)

    def _list(self, asked: dict[str, str]) -> None:
        assert asked["list-type"] == "2" and asked["delimiter"] == "/"
        prefix = asked.get("prefix", "")
        keys = sorted(key for key in self.storage.objects if key.startswith(prefix) and "/" not in key[len(prefix) :])
        begin = int(asked.get("continuation-token", 0))
        more = len(keys) > begin + PAGE
        rows = ""
        for key in keys[begin : begin + PAGE]:
            content, at = self.storage.objects[key]
            when = f"{_iso(at)}"
            rows += f"<Contents><Key>{escape(key)}</Key><LastModified>{when}</LastModified><ETag>{escape(_etag(content))}</ETag>"
            rows += f"<Size>{len(content)}</Size></Contents>"
        told = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        told += f"<NextContinuationToken>{begin + PAGE}</NextContinuationToken>" if more else ""
        body = f'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{told}{rows}</ListBucketResult>'
        self._answer(200, body.encode(), Content_Type="application/xml", Date=formatdate(usegmt=True))


def _etag(content: bytes) -> str:
    return f'"{md5(content).hexdigest()}"'


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@contextmanager
def storage() -> Iterator[Storage]:
    """Storage on loopback, with one bucket."""
    made = Storage()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Mine", (_S3,), {"storage": made}))
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def lie(folder: Path, sub: str = "") -> list[str]:
    """The names of the files in a folder."""
    place = folder / sub
    return sorted(file.name for file in place.iterdir() if file.is_file()) if place.exists() else []
