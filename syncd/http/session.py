"""One session with one source: `requests` that can not hang, can not be flooded, and carry no secret elsewhere."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from ssl import SSLSocket
from typing import IO, Any, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

import msgspec
import requests
import structlog
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, NameResolutionError, ReadTimeoutError

from syncd.contract.connector import Context
from syncd.contract.known import Tag, fingerprint
from syncd.errors import BadAnswer, SignInRefused, SourceUnavailable, Stopped
from syncd.http import certificate, limits
from syncd.http.inside import Inside, not_there
from syncd.http.lane import Lane
from syncd.http.links import next_link
from syncd.http.mend import mended
from syncd.http.retry import WORTH_RETRYING, Passing, Patience, retrying

log = structlog.get_logger()

# Bytes to read at once: a page of 5,000 records has a few million.
CHUNK = 4 * 2**20
MOST_REDIRECTS = 3
LOOPBACK = ("127.0.0.1", "localhost", "::1")
CERTIFICATE_ENDS = 14.0  # days before which to warn
CLOCKS_AGREE = 60.0  # seconds by which two clocks may differ before it is worth a word


LONGEST_ETAG = 500


class Answer(NamedTuple):
    """An answer whose status was accepted; `body` is decoded from its transfer and content encodings, `digest` its fingerprint as sent.
    tag: what the provider calls its state. pause: seconds that the provider wants to pass before the next request."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    digest: bytes = b""
    tag: Tag | None = None
    pause: float = 0.0


def is_safe(url: str) -> bool:
    """Whether credentials may be sent there: https, or this very machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


class _Asked(NamedTuple):
    """One request. request: what else `requests` takes. address: the fingerprint of where it goes, of a page that may be known. known: the
    fingerprint of what came from there before, where that need not be sent again. json: whether that is what has to come. into: the file
    that the body of a 200 goes into."""

    method: str
    url: str
    accept: Collection[int]
    request: Mapping[str, Any]
    address: bytes = b""
    known: bytes = b""
    json: bool = True
    into: IO[bytes] | None = None


class Http:
    """A session with one source. Threads may share it, each on connections of its own.

    base_url: relative addresses are taken from it, and nothing is followed away from it. auth: signs each request. renew: called
    once when a 401 comes; True means that the sign-in is fresh and the request is worth repeating. etags: whether the source is believed
    that says that a page is what it was. Raises SignInRefused (401 or
    403), SourceUnavailable (after the retries) and BadAnswer (anything else that was not accepted).
    """

    def __init__(
        self,
        context: Context,
        base_url: str,
        *,
        auth: AuthBase | None = None,
        renew: Callable[[], bool] | None = None,
        ca_file: str | None = None,
        proxy: str | None = None,
        etags: bool = True,
        policy: Patience | None = None,
    ) -> None:
        self.context = context
        self.base_url = base_url
        self.auth = auth
        self.renew = renew
        self.etags = etags
        self.patience = policy or Patience()
        self._until = time.monotonic() + self.patience.whole
        self._looked = False
        self._closed = False
        self._own = threading.local()
        self._lanes: list[Lane] = []
        self._new_lane = partial(Lane, lambda: self._over, ca_file=ca_file, proxy=proxy, networks=context.networks)

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or self.base_url

    def get(self, url: str, params: Any = None, *, accept: Collection[int] = (200,), resource: str | None = None) -> Answer:
        """GET a JSON document, with all the care. `params` as in requests. resource: the list that it is a page of, where a page that is
        known already need not be sent again: then the answer is a 304, with the fingerprint of the one that is known."""
        asked = self._asked(url, params, accept, resource)
        try:
            answer = self._patiently(asked)
        except SignInRefused as problem:
            if problem.status != 401 or self.renew is None or not self.renew():
                raise
            answer = self._patiently(asked)
        self.heed(answer)
        return answer

    def try_once(self, url: str, params: Any, *, resource: str | None = None) -> Answer:
        """GET like `get`, but without waiting for anything, then or after: what fails raises Passing, and is no reason to give up."""
        if self.context.pace.wait(urlsplit(self.base_url).netloc):
            raise Passing("is to be left alone for a while")
        return self._once(self._asked(url, params, (200,), resource))

    def heed(self, answer: Answer) -> None:
        """Wait as long as an answer asks for. Raises Stopped."""
        if answer.pause:
            log.info("rate limit reached", host=self.host, seconds=round(answer.pause, 1))
            self.context.wait(answer.pause)

    def post(self, url: str, *, data: Any, auth: AuthBase | tuple[str, str] | None = None, params: Any = None) -> Answer:
        """POST a form, for token requests; `url` is absolute and may be at another host than the source."""
        return self._patiently(_Asked("POST", url, (200, 201), {"data": data, "auth": auth, "params": params}))

    def ask(
        self,
        url: str,
        params: Any = None,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (200,),
        into: IO[bytes] | None = None,
    ) -> Answer:
        """What has another form than JSON, or is no question. into: an empty file that the body goes into, whatever its size."""
        request = {"params": params, "auth": self.auth, "headers": {"Accept": "*/*", **(headers or {})}}
        url = urljoin(self.base_url.rstrip("/") + "/", url)
        return self._patiently(_Asked(method, url, accept, request, json=False, into=into))

    def close(self) -> None:
        self._closed = True
        for lane in self._lanes:
            lane.session.close()

    @property
    def _over(self) -> bool:
        return self._closed or self.context.over

    @property
    def _lane(self) -> Lane:
        """The calling thread's."""
        lane: Lane | None = getattr(self._own, "lane", None)
        if lane is None:
            lane = self._own.lane = self._new_lane()
            self._lanes.append(lane)
        return lane

    def _asked(self, url: str, params: Any, accept: Collection[int], resource: str | None) -> _Asked:
        url = urljoin(self.base_url.rstrip("/") + "/", url)
        request = {"params": params, "auth": self.auth}
        if resource is None or not self.etags:
            return _Asked("GET", url, accept, request)
        address = fingerprint(f"{url}?{urlencode(params or {})}".encode())
        tagged = self.context.known.tagged(resource, address)
        if tagged is None:
            return _Asked("GET", url, accept, request, address)
        etag, known = tagged
        return _Asked("GET", url, (*accept, 304), {**request, "headers": {"If-None-Match": etag}}, address, known)

    def _patiently(self, asked: _Asked) -> Answer:
        tries = retrying(self.patience, self.context.wait, self._tell)
        try:
            answer: Answer = tries(self._in_turn, asked)
        except Passing as problem:
            waited = " and asked to wait" if problem.told else ""
            raise SourceUnavailable(
                f"{self.context.source}: {urlsplit(asked.url).hostname} {problem.reason}{waited}, "
                f"{tries.statistics['attempt_number']} times in a row.",
                advice="Nothing was applied; the next run tries again.",
                status=problem.status,
            ) from None
        return answer

    def _tell(self, problem: Passing, tries: int, seconds: float) -> None:
        self.context.traffic.add(retries=1)
        log.warning(
            "retrying",
            host=self.host,
            status=problem.status,
            tries=tries,
            seconds=round(seconds, 1),
            error=problem.reason,
        )

    def _in_turn(self, asked: _Asked) -> Answer:
        """One try, once the host wants to be asked."""
        # What a host has asked another of us to wait holds here too; it may be asked for anew meanwhile.
        while time.monotonic() < self._until and (seconds := self.context.pace.wait(urlsplit(asked.url).netloc)):
            self.context.wait(seconds)
        return self._once(asked)

    def _once(self, asked: _Asked) -> Answer:
        if time.monotonic() > self._until:
            raise SourceUnavailable(
                f"{self.context.source}: {self.host} took longer than {self.patience.whole / 3600:g} hours for one pull.",
                advice="Nothing was applied; the next run tries again.",
            )
        watch = self._lane.watch
        try:
            with watch.over(self.patience.deadline), self._send(asked) as response:
                self._look_at_certificate(response)
                body = self._body(response, asked.into if response.status_code == 200 else None)
        except requests.exceptions.SSLError as problem:
            if (told := certificate.trouble(problem)) is None:
                raise self._passing(problem) from None
            raise BadAnswer(f"{self.context.source}: {urlsplit(asked.url).hostname} {told[0]}.", advice=told[1]) from None
        except (requests.exceptions.RequestException, TimeoutError, HTTPError) as problem:
            raise self._passing(problem) from None
        except Inside as problem:
            raise not_there(self.context.source, problem) from None
        except OSError:
            # requests looks for the file of authorities before it asks.
            raise BadAnswer(f"{self.context.source}: ca_file can not be read.", advice="Check its path and who may read it.") from None
        if watch.expired or self._over:
            # To http.client, a connection that was shut down in the middle of the headers is a short answer.
            raise self._passing(TimeoutError())
        return self._judge(response, body, asked)

    def _passing(self, problem: Exception) -> Exception:
        """What broke, in words; all of it may pass but what requests refuses to ask at all."""
        if self._over:
            return Stopped(f"{self.context.source}: the run was asked to stop.")
        if self._lane.watch.expired:
            return Passing(f"took longer than {self.patience.deadline:g} seconds for one answer")
        cause = problem.args[0] if problem.args else None
        match problem:
            case requests.exceptions.ConnectTimeout():
                return Passing("can not be reached in time")
            case requests.exceptions.Timeout() | TimeoutError() | ReadTimeoutError():
                return Passing("did not answer in time")
            case requests.exceptions.ChunkedEncodingError() | requests.exceptions.ContentDecodingError() | HTTPError():
                return Passing("broke off in the middle of an answer")
            case requests.exceptions.ConnectionError() if isinstance(cause, ReadTimeoutError):
                return Passing("did not answer in time")
            case requests.exceptions.ConnectionError() if isinstance(getattr(cause, "reason", None), NameResolutionError):
                return Passing("is a name that nobody knows")
            case requests.exceptions.ConnectionError():
                return Passing("can not be reached or broke the connection")
        return BadAnswer(f"{self.context.source}: {self.host} can not be asked ({type(problem).__name__}).")

    def _send(self, asked: _Asked) -> requests.Response:
        url, request = asked.url, dict(asked.request)
        for _ in range(MOST_REDIRECTS + 1):
            if not is_safe(url):
                raise BadAnswer(
                    f"{self.context.source}: {urlsplit(url).hostname} is not asked over plain http.",
                    advice="Use https.",
                )
            try:
                response = self._lane.session.request(
                    asked.method,
                    url,
                    stream=True,
                    allow_redirects=False,
                    timeout=(self.patience.connect, self.patience.read),
                    **request,
                )
            except (OSError, HTTPError):
                self.context.traffic.asked(None)
                raise
            self.context.traffic.asked(response.status_code)
            target = response.headers.get("Location")
            if asked.method != "GET" or response.status_code not in (301, 302, 303, 307, 308) or not target:
                return response
            response.close()
            url = next_link(self.context.source, url, url, target, what="a redirect")
            request["params"] = None
        raise BadAnswer(f"{self.context.source}: {self.host} redirects without end.", advice="Check the url.")

    def _look_at_certificate(self, response: requests.Response) -> None:
        """Warn once in a session when the certificate ends soon: an expired one stops the source."""
        if not self._looked:
            self._looked = True
            sock: Any = getattr(getattr(response.raw, "connection", None), "sock", None)
            days = certificate.ends_in(sock.getpeercert()) if isinstance(sock, SSLSocket) else None
            if days is not None and days < CERTIFICATE_ENDS:
                log.warning("certificate ends soon", host=self.host, error=f"in {days:.0f} days")

    def _body(self, response: requests.Response, into: IO[bytes] | None) -> bytes:
        """The body, or nothing when it goes into a file."""
        chunks, size = [], 0
        if into is not None:
            # Another try may have begun.
            into.seek(0)
            into.truncate()
        # urllib3 checks Content-Length only when told to.
        response.raw.enforce_content_length = True
        # Straight from urllib3: requests would join the body from pieces, which takes longer than to fetch it.
        while chunk := response.raw.read(CHUNK, decode_content=True):
            size += len(chunk)
            if into is not None:
                into.write(chunk)
                continue
            if size > self.patience.most_bytes:
                raise BadAnswer(
                    f"{self.context.source}: {self.host} sent more than {self.patience.most_bytes / 2**20:g} MiB in one answer.",
                    advice="Lower page_size, if a page can be that large.",
                )
            chunks.append(chunk)
        self.context.traffic.add(bytes=size)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _judge(self, response: requests.Response, body: bytes, asked: _Asked) -> Answer:
        status, source, accept = response.status_code, self.context.source, asked.accept
        if status in WORTH_RETRYING and status not in accept:
            told = limits.asked_to_wait(response.headers)
            if told is not None and told > self.patience.most_asked:
                raise SourceUnavailable(
                    f"{source}: {self.host} answered {status} and asked to wait {told:.0f} seconds.",
                    advice="Nothing was applied; the next run tries again.",
                    status=status,
                )
            if told is not None:
                self.context.pace.told(urlsplit(response.url).netloc, told)
            raise Passing(f"answered {status}", status=status, told=told)
        if status not in accept:
            if status in (401, 403):
                raise SignInRefused(
                    f"{source}: {self.host} refused the credentials ({status}).",
                    advice=f"Check that they are still valid, and what they may read.{_clocks(response.headers)}",
                    status=status,
                )
            raise BadAnswer(
                f"{source}: {self.host} answered {status} to {urlsplit(response.url).path}.",
                advice=f"Check the url and version of the source.{_clocks(response.headers) if status == 400 else ''}",
                status=status,
            )
        pause = (limits.asked_to_wait(response.headers) or 0.0) if limits.used_up(response.headers) else 0.0
        if pause > self.patience.most_asked:
            pause = 0.0
        if pause:
            self.context.pace.told(urlsplit(response.url).netloc, pause)
        digest = asked.known if status == 304 else fingerprint(body)
        if asked.json and status == 200 and not self.context.known.came(digest):
            body = self._json(body)
        etag = response.headers.get("ETag") or ""
        tag = Tag(asked.address, etag) if asked.address and status == 200 and 0 < len(etag) <= LONGEST_ETAG else None
        return Answer(status, response.headers, body, response.url, digest, tag, pause)

    def _json(self, body: bytes) -> bytes:
        body = body.removeprefix(b"\xef\xbb\xbf")
        if body.lstrip()[:1] == b"<":
            raise BadAnswer(
                f"{self.context.source}: {self.host} sent a web page where data was asked for.",
                advice="Check the url and the kind of token; a login page or a proxy may stand in between.",
            )
        if _is_json(body):
            return body
        body = mended(body)
        if not _is_json(body):
            # A body without Content-Length that ends early looks whole: only its own end tells.
            raise Passing("sent an answer that is cut off or not JSON")
        log.warning("mended an answer that is no JSON", host=self.host)
        return body


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


def _clocks(headers: Mapping[str, str]) -> str:
    """Both clocks, where they differ: a signed request is refused when its time is not the server's."""
    theirs, ours = limits.date(headers), datetime.now(UTC)
    if theirs is None or abs((theirs - ours).total_seconds()) <= CLOCKS_AGREE:
        return ""
    return f" The clocks differ: {theirs:%Y-%m-%d %H:%M:%S} UTC there, {ours:%Y-%m-%d %H:%M:%S} UTC here."
