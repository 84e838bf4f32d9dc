"""Faults of the way to a source: what passes is lived with, what lasts fails the run in one line, and neither takes anybody away."""

import gzip
import io
import re
import socket
import ssl
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from connectors.clever import CleverConnector
from connectors.clever.settings import CleverSettings
from syncd.sandbox import District, running
from syncd.secret import Secret
from syncd.store import roster
from tests.faults import tls
from tests.faults.ordeal import CLEVER, ONEROSTER, SIGNED, asked, fails, impatient, recovers, synced
from tests.journeys.synced import Synced


def clever_at(source: Synced, url: str, **settings: Any) -> None:
    """From now on the source is this address."""
    chosen = CleverSettings(url=url, token=Secret(env="T"), demographics=True, **settings)
    source.connect = lambda context: CleverConnector(chosen, context)


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that says the same to everybody, byte for byte."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                caller = listener.accept()[0]
                with suppress(OSError), caller:
                    caller.recv(65536)
                    caller.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def deaf() -> Iterator[str]:
    """An address that takes no call: its queue of callers is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for caller in callers:
            caller.close()


@pytest.mark.fault("T1")
@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("https://sis.invalid", "sis.invalid is a name that nobody knows, 2 times in a row"),
        ("http://127.0.0.1:1", "127.0.0.1 can not be reached or broke the connection, 2 times in a row"),
        ("deaf", "127.0.0.1 can not be reached in time, 2 times in a row"),
    ],
)
def test_a_source_that_can_not_be_reached_fails_the_run_and_is_named(
    where: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(CLEVER, tmp_path, monkeypatch) as source, deaf() as address:
        waits = impatient(monkeypatch, connect=0.4)
        right = source.connect
        clever_at(source, address if where == "deaf" else where)
        fails(source, told)
        assert len(waits) == 1
        source.connect = right
        recovers(source)


BROKEN: dict[str, list[tuple[dict[str, Any], str]]] = {
    CLEVER: [
        ({"effect": "reset"}, "broke the connection"),
        ({"effect": "cut", "bytes": 4000, "ending": "close"}, "cut off or not JSON"),
        ({"effect": "cut", "bytes": 4000, "ending": "length"}, "broke off in the middle of an answer"),
        ({"effect": "headers", "headers": {"content-encoding": "gzip"}}, "broke off in the middle of an answer"),
        ({"effect": "garbage"}, "cut off or not JSON"),
        ({"effect": "headers", "headers": {"x-long": "x" * 200_000}}, "broke the connection"),
    ],
    ONEROSTER: [
        ({"effect": "cut", "bytes": 4000, "ending": "reset"}, "broke off in the middle of an answer"),
        ({"effect": "cut", "bytes": 4000, "ending": "close"}, "cut off or not JSON"),
        ({"effect": "cut", "bytes": 10**9, "ending": "length"}, "broke off in the middle of an answer"),
        ({"effect": "recode", "encoding": "utf-16"}, "cut off or not JSON"),
        ({"effect": "headers", "headers": {f"x-{n}": "x" for n in range(200)}}, "broke the connection"),
    ],
}


@pytest.mark.fault("T2", "T4", "T5", "T7")
@pytest.mark.parametrize("dialect", BROKEN)
def test_what_breaks_once_is_asked_for_again_and_what_lasts_fails_the_run(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(dialect, tmp_path, monkeypatch) as source:
        impatient(monkeypatch)
        for fault, told in BROKEN[dialect]:
            source.sandbox.day()
            source.sandbox.fault(path="/users", **fault)
            fails(source, f"{told}, 2 times in a row")
            source.sandbox.clear_faults()
            source.sandbox.fault(path="/users", times=1, **fault)
            recovers(source, clear=False)


@pytest.mark.fault("T3")
def test_an_answer_that_comes_late_or_drips_is_asked_for_again_and_fails_the_run_if_that_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(CLEVER, tmp_path, monkeypatch) as source:
        impatient(monkeypatch, read=0.8, deadline=1.2)
        source.sandbox.fault("slow", path="/users", seconds=30)
        fails(source, "did not answer in time, 2 times in a row")
        source.sandbox.clear_faults()
        source.sandbox.fault("drip", path="/users", bytes=20, seconds=0.3)
        fails(source, "took longer than 1.2 seconds for one answer, 2 times in a row")
        source.sandbox.clear_faults()
        source.sandbox.fault("drip", path="/users", bytes=20, seconds=0.3, times=1)
        recovers(source, clear=False)


@pytest.mark.fault("T3")
def test_headers_that_drip_for_ever_end_with_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                caller = listener.accept()[0]
                with suppress(OSError), caller:
                    caller.sendall(b"HTTP/1.1 200 OK\r\n")
                    while not ended.wait(0.1):
                        caller.sendall(b"x")

    threading.Thread(target=serve, daemon=True).start()
    with synced(CLEVER, tmp_path, monkeypatch) as source:
        impatient(monkeypatch, read=30, deadline=0.6)
        right = source.connect
        clever_at(source, f"http://127.0.0.1:{listener.getsockname()[1]}")
        fails(source, "took longer than 0.6 seconds for one answer")
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        source.connect = right
        recovers(source)


@pytest.mark.fault("T6")
@pytest.mark.parametrize("packed", [False, True])
def test_a_body_without_end_is_given_up_at_the_limit(packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch) as source:
        waits = impatient(monkeypatch, most_bytes=8 * 2**20)
        source.sandbox.fault("endless", path="/users", gzip=packed)
        before = asked(source.sandbox, "/users")
        fails(source, "sent more than 8 MiB in one answer")
        assert waits == [] and asked(source.sandbox, "/users") == before + 1
        recovers(source)


@pytest.mark.fault("T6")
def test_a_small_body_that_unpacks_to_much_is_never_held_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6) as bomb:
        for _ in range(200):
            bomb.write(b" " * 2**20)
    body = packed.getvalue()
    assert len(body) < 2**18, "one read brings all of it"
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)
    with synced(CLEVER, tmp_path, monkeypatch) as source, answering(head + body) as address:
        impatient(monkeypatch, most_bytes=4 * 2**20)
        clever_at(source, address)
        tracemalloc.start()
        fails(source, "sent more than 4 MiB in one answer")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 40 * 2**20


@pytest.mark.fault("T7")
def test_a_byte_order_mark_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(ONEROSTER, tmp_path, monkeypatch) as source:
        source.sandbox.fault("recode", encoding="utf-8-sig")
        assert source.sync().state == "applied"
        assert source.differences() == []


@pytest.mark.fault("T7")
@pytest.mark.parametrize("dialect", [CLEVER, ONEROSTER])
def test_a_name_in_another_encoding_is_set_aside_and_stops_nobody_else(
    dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(dialect, tmp_path, monkeypatch) as source:
        child = next(user for user in source.sandbox.district.users.values() if user.roles[0].role == "student" and not user.gone)
        source.sandbox.put("users", id=child.id, given_name="Zoë")
        source.sandbox.fault("recode", path="/users", encoding="latin-1")
        report = source.sync()
        # A parent or two may have a name with an accent as well.
        assert report.state == "applied" and report.counts["users"].quarantined >= 1
        held = {record["id"]: record for record in roster.records(source.store, "user", "springfield")}
        mine = held[child.clever_id if dialect == CLEVER else child.id]
        assert mine["given_name"] != "Zoë" and mine["status"] == "active"
        recovers(source)


@pytest.mark.fault("T8")
@pytest.mark.parametrize("how", ["another host", "another port", "plain http", "for ever"])
def test_a_redirect_away_from_home_is_not_followed(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with (
        synced(CLEVER, tmp_path, monkeypatch) as source,
        running(District.generate(students=20, seed=1)) as thief,
        tls.in_front_of(source.sandbox.url, tls.context(authority.issue_cert("127.0.0.1"))) as secure,
    ):
        clever_at(source, secure, ca_file=str(tmp_path / "ca.pem"))
        target = {
            "another host": "https://collector.example.com/v3.1/users",
            "another port": f"{thief.url.replace('http', 'https')}/v3.1/users",
            "plain http": f"{source.sandbox.url}/v3.1/users?plain",
            "for ever": "/v3.1/users",
        }[how]
        source.sandbox.fault("status", path="/users", status=307, headers={"location": target})
        fails(source, "redirects without end" if how == "for ever" else "sent a redirect to another address")
        assert thief.requests() == [] and asked(source.sandbox, "users?plain") == 0
        source.sandbox.clear_faults()
        source.sandbox.fault("status", path="/users", status=302, headers={"location": "/v3.1/users?limit=10000"}, times=1)
        recovers(source)


@pytest.mark.fault("T9")
@pytest.mark.parametrize("dialect", [CLEVER, ONEROSTER])
def test_neither_netrc_nor_proxies_of_the_environment_have_a_say(dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with synced(dialect, tmp_path, monkeypatch) as source:
        recovers(source)


NOW = datetime.now(UTC)
CERTIFICATES = {
    "expired": "has a certificate that has expired",
    "not yet": "has a certificate that is not valid yet",
    "another name": "has a certificate that is made for another address",
    "unknown": "has a certificate of an authority that is not known here. If that is meant to be, name it or its authority with ca_file",
    "old": "speaks only a TLS older than 1.2",
    "no TLS": "does not speak TLS at that port",
    "no file": "ca_file can not be read",
    "no certificate": "can not be checked, since ca_file holds no certificate",
}


def _server(case: str, authority: trustme.CA) -> ssl.SSLContext:
    if case == "expired":
        return tls.context(authority.issue_cert("127.0.0.1", not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=1)))
    if case == "not yet":
        return tls.context(authority.issue_cert("127.0.0.1", not_before=NOW + timedelta(days=1), not_after=NOW + timedelta(days=9)))
    made = tls.context(
        (trustme.CA() if case == "unknown" else authority).issue_cert("sis.example" if case == "another name" else "127.0.0.1")
    )
    if case == "old":
        made.set_ciphers("ALL:@SECLEVEL=0")
        made.minimum_version, made.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return made


@pytest.mark.fault("T10")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
def test_a_certificate_that_is_no_good_fails_the_run_at_once_and_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "empty.pem").write_text("nothing\n")
    with synced(CLEVER, tmp_path, monkeypatch) as source:
        waits, right, before = impatient(monkeypatch), source.connect, len(source.sandbox.requests())
        for case, told in CERTIFICATES.items():
            file = tmp_path / {"no file": "none.pem", "no certificate": "empty.pem"}.get(case, "ca.pem")
            with tls.in_front_of(source.sandbox.url, _server(case, authority)) as secure:
                clever_at(source, source.sandbox.url.replace("http", "https") if case == "no TLS" else secure, ca_file=str(file))
                fails(source, told)
        assert waits == [] and len(source.sandbox.requests()) == before
        source.connect = right
        recovers(source)


@pytest.mark.fault("T10")
def test_a_self_signed_certificate_is_refused_and_taken_when_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    made = tls.context(certificate)
    with synced(CLEVER, tmp_path, monkeypatch) as source, tls.in_front_of(source.sandbox.url, made) as secure:
        clever_at(source, secure)
        fails(source, "with ca_file")
        clever_at(source, secure, ca_file=str(tmp_path / "ca.pem"))
        recovers(source)


@pytest.mark.fault("T10")
@pytest.mark.parametrize(("days", "warns"), [(13, True), (15, False)])
def test_a_certificate_that_ends_soon_is_warned_of(
    days: int, warns: bool, strict_logs: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    made = tls.context(authority.issue_cert("127.0.0.1", not_before=NOW, not_after=NOW + timedelta(days=days)))
    with synced(CLEVER, tmp_path, monkeypatch) as source, tls.in_front_of(source.sandbox.url, made) as secure:
        clever_at(source, secure, ca_file=str(tmp_path / "ca.pem"))
        recovers(source)
        assert strict_logs.getvalue().count("certificate ends soon") == int(warns)


@pytest.mark.fault("T10")
def test_a_handshake_that_breaks_off_may_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with synced(CLEVER, tmp_path, monkeypatch) as source, answering(b"") as address:
        waits = impatient(monkeypatch)
        clever_at(source, address.replace("http", "https"))
        fails(source, "can not be reached or broke the connection, 2 times in a row")
        assert len(waits) == 1


@pytest.mark.fault("T11")
@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_a_signed_request_that_is_refused_for_its_time_shows_both_clocks(
    ahead: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with synced(SIGNED, tmp_path, monkeypatch) as source:
        source.sandbox.set_clock(ahead)
        report = fails(source, "refused the credentials (401)")
        there, here = (datetime.fromisoformat(told) for told in re.findall(r"([\d-]{10} [\d:]{8}) UTC", report.error or ""))
        assert abs((there - here).total_seconds() - ahead) < 120
        source.sandbox.set_clock(0)
        recovers(source)
