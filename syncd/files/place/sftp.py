"""An SFTP server. It is known by its key, before anything is sent to it; and it is asked at no address at which sources of the console may
not ask."""

import io
import re
import socket
import stat
import textwrap
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import paramiko
import structlog

from syncd.contract.connector import Context
from syncd.errors import BadAnswer, BadFile, SignInRefused, SourceUnavailable, Stopped
from syncd.files.place.base import ASIDE, WAY_OUT, Item, Place, dated, is_bare
from syncd.files.settings import FilesSettings
from syncd.http.inside import Inside, addresses, not_there
from syncd.http.retry import Passing, Patience, retrying

log = structlog.get_logger()

# How a server signs with a key of a type, where that has another name.
SIGNED_BY = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
KEYS: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)

PEM = re.compile(r"(-----BEGIN [A-Z ]+-----)([A-Za-z0-9+/=\s]+)(-----END [A-Z ]+-----)")

T = TypeVar("T")


class Sftp(Place):
    """A path of one server."""

    def __init__(self, settings: FilesSettings, context: Context, patience: Patience | None = None) -> None:
        self._path = PurePosixPath(settings.path.as_posix())
        super().__init__(self._path.name or settings.path.as_posix(), context.source)
        self._settings, self._context = settings, context
        self._patience = patience or Patience()
        self._transport: paramiko.Transport | None = None
        self._client: paramiko.SFTPClient | None = None

    def file(self) -> Item | None:
        found = self._ask(lambda client: client.stat(str(self._path)), self.name)
        return None if stat.S_ISDIR(found.st_mode or 0) else _item(self.name, found)

    def files(self, *, aside: bool = False) -> list[Item]:
        folder = self._folder(aside)

        def listed(client: paramiko.SFTPClient) -> list[Item]:
            try:
                found = client.listdir_attr(str(folder))
            except FileNotFoundError:
                if aside:
                    return []
                raise
            return [_item(one.filename, one, aside) for one in found if _is_file(one) and is_bare(one.filename)]

        return self._ask(listed, folder.name)

    def get(self, item: Item, to: Path) -> None:
        self._ask(partial(self._get, item=item, to=to), item.name)
        self._context.traffic.add(bytes=item.size)

    def put_aside(self, item: Item) -> None:
        def move(client: paramiko.SFTPClient) -> None:
            with suppress(OSError):
                client.mkdir(str(self._folder(aside=True)))
            client.posix_rename(str(self._path / item.name), str(self._folder(aside=True) / dated(item)))

        self._ask(move, item.name, wanted="moved")

    def remove(self, item: Item) -> None:
        self._ask(lambda client: client.remove(str(self._folder(aside=True) / item.name)), item.name, wanted="removed")

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._transport is not None:
            self._transport.close()
        self._client = self._transport = None

    def _folder(self, aside: bool) -> PurePosixPath:
        return self._path / ASIDE if aside else self._path

    def _get(self, client: paramiko.SFTPClient, item: Item, to: Path) -> None:
        whole = self._path if self._path.name == item.name else self._folder(item.aside) / item.name

        def more(_so_far: int, _size: int) -> None:
            if self._context.over:
                raise Stopped(f"{self.source}: the run was asked to stop.")

        with to.open("wb") as file:
            client.getfo(str(whole), file, callback=more)

    def _ask(self, question: Callable[[paramiko.SFTPClient], T], name: str, *, wanted: str = "read") -> T:
        """One question, with all the care. name: of what it is about; wanted: what is done to it."""
        tries = retrying(self._patience, self._context.wait, self._tell)
        try:
            answer: T = tries(self._once, question, name, wanted)
        except Passing as problem:
            raise SourceUnavailable(
                f"{self.source}: {self._settings.host} {problem.reason}, {tries.statistics['attempt_number']} times in a row.",
                advice="Nothing was applied; the next run tries again.",
            ) from None
        return answer

    def _once(self, question: Callable[[paramiko.SFTPClient], T], name: str, wanted: str) -> T:
        if self._context.over:
            raise Stopped(f"{self.source}: the run was asked to stop.")
        try:
            answer = question(self._connected())
        except (FileNotFoundError, PermissionError) as problem:
            raise self._wrong(problem, name, wanted) from None
        except socket.gaierror:
            raise Passing("is a name that nobody knows") from None
        except TimeoutError:
            self._broken()
            raise Passing("did not answer in time") from None
        except (OSError, EOFError, paramiko.SSHException):
            self._broken()
            raise Passing("can not be reached or broke the connection") from None
        self._context.traffic.asked(200)
        return answer

    def _broken(self) -> None:
        self._context.traffic.asked(None)
        self.close()

    def _wrong(self, problem: OSError, name: str, wanted: str) -> BadFile:
        if wanted != "read":
            told = f"{self.source}: {name} was read, and can not be {wanted}: {self._settings.host} does not allow it."
            return BadFile(told, advice=WAY_OUT)
        if isinstance(problem, FileNotFoundError):
            return BadFile(f"{self.source}: there is no {name} on {self._settings.host}.", advice="Check the path.")
        return self.unreadable(name, f"{self._settings.host} does not allow it")

    def _tell(self, problem: Passing, tries: int, seconds: float) -> None:
        self._context.traffic.add(retries=1)
        log.warning("retrying", host=self._settings.host, tries=tries, seconds=round(seconds, 1), error=problem.reason)

    # ── sign-in ───────────────────────────────────────────────────────────────────────────────────

    def _connected(self) -> paramiko.SFTPClient:
        if self._client is not None and self._transport is not None and self._transport.is_active():
            return self._client
        self.close()
        settings, patience = self._settings, self._patience
        transport = self._transport = paramiko.Transport(self._socket())
        transport.banner_timeout = transport.auth_timeout = transport.channel_timeout = patience.connect * 3
        types = [line.split()[0] for line in settings.host_key]
        transport.get_security_options().key_types = [name for one in types for name in SIGNED_BY.get(one, (one,))]
        try:
            transport.start_client(timeout=patience.connect * 3)
        except paramiko.ssh_exception.IncompatiblePeer:
            raise self._stranger("keys of other types only") from None
        shown = transport.get_remote_server_key()
        if f"{shown.get_name()} {shown.get_base64()}" not in settings.host_key:
            raise self._stranger(f"the key {shown.fingerprint}")
        self._sign_in(transport)
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        channel = client.get_channel()
        assert channel is not None
        channel.settimeout(patience.read)
        self._client = client
        return client

    def _socket(self) -> socket.socket:
        """Connected to an address that may be asked."""
        settings, problem = self._settings, OSError("nowhere to connect to")
        assert settings.host is not None
        try:
            found = addresses(settings.host, settings.port, self._context.networks)
        except Inside as refused:
            raise not_there(self.source, refused) from None
        for address in found:
            try:
                return socket.create_connection((address, settings.port), timeout=self._patience.connect)
            except OSError as refused:
                problem = refused
        raise problem

    def _stranger(self, shown: str) -> BadAnswer:
        self.close()
        return BadAnswer(
            f"{self.source}: {self._settings.host} showed {shown}, and not what host_key says. Nothing was sent to it.",
            advice="If its key was changed, have its administrator tell you the new one, and set host_key.",
        )

    def _sign_in(self, transport: paramiko.Transport) -> None:
        settings = self._settings
        assert settings.user is not None
        try:
            if settings.private_key is not None:
                transport.auth_publickey(settings.user, self._private(settings.private_key.reveal()))
            elif settings.password is not None:
                transport.auth_password(settings.user, settings.password.reveal())
            if not transport.is_authenticated():
                raise paramiko.AuthenticationException
        except paramiko.AuthenticationException:
            self.close()
            raise SignInRefused(
                f"{self.source}: {settings.host} refused the credentials.", advice="Check the user, and its password or private key."
            ) from None

    def _private(self, text: str) -> paramiko.PKey:
        # A form has joined its lines.
        whole = PEM.search(text)
        if whole:
            text = "\n".join([whole[1], *textwrap.wrap("".join(whole[2].split()), 64), whole[3], ""])
        for kind in KEYS:
            try:
                return kind.from_private_key(io.StringIO(text))
            except paramiko.PasswordRequiredException:
                raise BadAnswer(f"{self.source}: private_key is locked with a passphrase.", advice="Save it without one.") from None
            except (paramiko.SSHException, ValueError):
                continue
        raise BadAnswer(
            f"{self.source}: private_key is no private key that SSH knows.",
            advice="Give its whole text, from -----BEGIN to END-----.",
        )


def _item(name: str, found: Any, aside: bool = False) -> Item:
    return Item(name, found.st_size or 0, float(found.st_mtime or 0), aside=aside)


def _is_file(found: paramiko.SFTPAttributes) -> bool:
    # Some servers do not say what a thing is.
    return not found.st_mode or stat.S_ISREG(found.st_mode)
