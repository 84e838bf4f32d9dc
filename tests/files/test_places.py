"""Files that are picked up elsewhere: over real sockets, from an SFTP server that is known by its key, and from storage as S3 is."""

import os
import time
from collections.abc import Iterator
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import paramiko
import pytest
from pydantic import ValidationError

from connectors.oneroster_csv import OneRosterCsvConnector
from connectors.oneroster_csv.settings import OneRosterCsvSettings
from syncd.contract.connector import Context
from syncd.contract.document import Cursor, Page
from syncd.errors import BadAnswer, BadFile, SignInRefused, SourceError, SourceUnavailable, Stopped
from syncd.files.place import ASIDE
from syncd.report import RunReport
from tests.connectors.came import bundle
from tests.connectors.test_oneroster_csv import ORGS, WHOLE, whole
from tests.files.servers import BUCKET, KEY_ID, PASSWORD, REGION, SECRET_KEY, USER, SftpServer, Storage, lie, sftp_server, storage

LONG_AGO = 1_790_000_000
# Of nobody.
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ"


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE_PASSWORD", PASSWORD)
    monkeypatch.setenv("PLACE_KEY_ID", KEY_ID)
    monkeypatch.setenv("PLACE_SECRET", SECRET_KEY)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(Context, "wait", lambda _context, seconds: waited.append(seconds))
    return waited


@pytest.fixture
def sftp(tmp_path: Path, waits: list[float]) -> Iterator[SftpServer]:
    with sftp_server(tmp_path / "server") as server:
        yield server


@pytest.fixture
def s3(waits: list[float]) -> Iterator[Storage]:
    with storage() as made:
        yield made


def at_sftp(server: SftpServer, path: str = "/drop", context: Context | None = None, **settings: Any) -> OneRosterCsvConnector:
    told = {"place": "sftp", "path": path, "host": "127.0.0.1", "port": server.port, "user": USER, "host_key": [server.host_key]}
    if "private_key" not in settings:
        told["password"] = {"env": "PLACE_PASSWORD"}
    made = OneRosterCsvSettings.model_validate(told | {"still": 0} | settings)
    return OneRosterCsvConnector(made, context or Context("springfield"))


def at_s3(made: Storage, path: str = "drop", context: Context | None = None, **settings: Any) -> OneRosterCsvConnector:
    told = {"place": "s3", "path": path, "endpoint": made.url, "bucket": BUCKET, "region": REGION, "access_key_id": {"env": "PLACE_KEY_ID"}}
    told |= {"secret_access_key": {"env": "PLACE_SECRET"}, "still": 0}
    return OneRosterCsvConnector(OneRosterCsvSettings.model_validate(told | settings), context or Context("springfield"))


def arrives(server: SftpServer, name: str, files: dict[str, Any] | None = None, at: float = LONG_AGO) -> None:
    (server.folder / "drop").mkdir(exist_ok=True)
    os.utime(bundle(server.folder / "drop", files or whole(), name), (at, at))


def packed(folder: Path, files: dict[str, Any] | None = None) -> bytes:
    return bundle(folder, files or whole(), "packed.zip").read_bytes()


def ids(connector: OneRosterCsvConnector) -> tuple[set[Any], Any]:
    """The records that a pull gives, and its cursor."""
    found, cursor = set(), None
    for item in connector.pull():
        if isinstance(item, Page):
            found |= {(record.kind, record.id) for one in item.documents for record in connector.read(one).records}
        elif isinstance(item, Cursor):
            cursor = item.value
    return found, cursor


# ── SFTP ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("what", ["drop folder", "zip", "folder of files"])
def test_files_of_an_sftp_server_are_read_as_those_of_this_machine(what: str, sftp: SftpServer, tmp_path: Path) -> None:
    path = "/drop"
    if what == "folder of files":
        bundle(sftp.folder, whole(), "drop", packed=False)
        (sftp.folder / "drop" / "readme.txt").write_text("x")
    else:
        arrives(sftp, "tonight.zip")
        path = "/drop/tonight.zip" if what == "zip" else "/drop"
    context = Context("springfield")
    connector = at_sftp(sftp, path, context)
    found, cursor = ids(connector)
    assert found == WHOLE and sftp.signed_in == [USER]
    assert context.traffic.bytes > 500 and context.traffic.requests > 2
    opened = list(sftp.opened)
    assert list(connector.changes(cursor)) == [Cursor(cursor)]
    assert sftp.opened == opened and "readme.txt" not in opened, "what is known is not fetched again"
    connector.settled()
    connector.close()
    kept = {"drop folder": ["20260921T141320Z-tonight.zip"], "zip": [], "folder of files": []}[what]
    assert lie(sftp.folder, f"drop/{ASIDE}") == kept and bool(lie(sftp.folder, "drop")) == (what != "drop folder")
    again = at_sftp(sftp, path)
    assert list(again.changes(cursor)) == [Cursor(cursor)], "also where it lies now"
    again.close()
    assert not [one for one in Path("/tmp").glob("syncd-*") if any(one.rglob("tonight.zip"))], "nothing is left on this machine"


def test_the_run_s_report_names_what_was_read(sftp: SftpServer) -> None:
    arrives(sftp, "tonight.zip")
    context = Context("springfield")
    ids(at_sftp(sftp, context=context))
    report = RunReport.model_construct()
    context.traffic.tell(report)
    assert report.files == ["tonight.zip"]


def test_a_server_with_another_key_is_told_nothing_not_even_who_asks(sftp: SftpServer) -> None:
    arrives(sftp, "tonight.zip")
    strangers = [ED25519, f"ssh-rsa {paramiko.RSAKey.generate(2048).get_base64()}"]
    for stranger in strangers:
        with pytest.raises(BadAnswer, match="springfield: 127.0.0.1 showed .* Nothing was sent to it") as told:
            at_sftp(sftp, host_key=[stranger]).probe()
        assert PASSWORD not in str(told.value)
    assert sftp.signed_in == [] and sftp.opened == []
    assert "9 orgs" not in at_sftp(sftp, host_key=[*strangers, f"sftp.example.org {sftp.host_key} a remark"]).probe()


@pytest.mark.parametrize("form", ["as it is", "lines joined, as a form does"])
def test_a_private_key_signs_in(form: str, sftp: SftpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    arrives(sftp, "tonight.zip")
    sftp.allowed_key = paramiko.RSAKey.generate(2048)
    text = StringIO()
    sftp.allowed_key.write_private_key(text)
    whole_key = text.getvalue() if form == "as it is" else text.getvalue().replace("\n", "")
    monkeypatch.setenv("PLACE_PRIVATE", whole_key)
    assert ids(at_sftp(sftp, private_key={"env": "PLACE_PRIVATE"}))[0] == WHOLE
    text = StringIO()
    paramiko.RSAKey.generate(2048).write_private_key(text, password="locked")
    for wrong, told in (
        (text.getvalue(), "locked with a passphrase|no private key"),
        ("not a key at all", "is no private key that SSH knows"),
    ):
        monkeypatch.setenv("PLACE_PRIVATE", wrong)
        with pytest.raises(BadAnswer, match=told) as problem:
            at_sftp(sftp, private_key={"env": "PLACE_PRIVATE"}).probe()
        assert wrong not in str(problem.value)


def test_refused_credentials_are_told_and_never_hammered(sftp: SftpServer, waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE_PASSWORD", "another-password-4711")
    with pytest.raises(SignInRefused, match="springfield: 127.0.0.1 refused the credentials") as told:
        at_sftp(sftp).probe()
    assert "another-password" not in f"{told.value} {told.value.advice}" and waits == [] and len(sftp.transports) == 1


def test_a_connection_that_breaks_is_made_again_and_gives_the_whole_file(sftp: SftpServer, waits: list[float]) -> None:
    arrives(sftp, "tonight.zip")
    sftp.drops = 2
    context = Context("springfield")
    assert ids(at_sftp(sftp, context=context))[0] == WHOLE
    assert len(waits) == 2 and context.traffic.retries == 2 and context.traffic.answers["none"] == 2


def test_a_server_that_is_away_ends_the_pull_after_bounded_tries(sftp: SftpServer, waits: list[float]) -> None:
    sftp.drops = 100
    arrives(sftp, "tonight.zip")
    with pytest.raises(SourceUnavailable, match="springfield: 127.0.0.1 .* 5 times in a row"):
        ids(at_sftp(sftp))
    with pytest.raises(SourceUnavailable, match="nobody knows"):
        ids(at_sftp(sftp, host="no-such-host.invalid"))
    assert 1 <= len(waits) <= 10


def test_who_is_stopped_asks_nothing_more(sftp: SftpServer) -> None:
    arrives(sftp, "tonight.zip")
    context = Context("springfield")
    context.stop.set()
    with pytest.raises(Stopped):
        ids(at_sftp(sftp, context=context))
    assert sftp.signed_in == []


def test_what_is_not_there_is_told_as_what_it_is(sftp: SftpServer) -> None:
    (sftp.folder / "drop").mkdir()
    with pytest.raises(BadFile, match="springfield: there is neither a zip nor a CSV file in drop"):
        at_sftp(sftp).probe()
    with pytest.raises(BadFile, match="springfield: there is no elsewhere on 127.0.0.1"):
        at_sftp(sftp, "/elsewhere").probe()


def test_where_nothing_may_be_moved_what_was_read_is_read_and_what_waits_behind_it_is_told(
    sftp: SftpServer, caplog: pytest.LogCaptureFixture
) -> None:
    for number, name in enumerate(("one.zip", "two.zip")):
        arrives(sftp, name, {"orgs.csv": ORGS.replace("Lincoln", name)}, LONG_AGO + number)
    sftp.read_only = True
    connector = at_sftp(sftp)
    found, cursor = ids(connector)
    connector.settled()
    assert found == {("org", "d1"), ("org", "s1")} and "not set aside" in caplog.text
    connector.close()
    with pytest.raises(BadFile, match="one.zip was read, and can not be moved: 127.0.0.1 does not allow it"):
        list(at_sftp(sftp).changes({**cursor, "state": ""}))


@pytest.mark.fault("S12")
def test_a_source_of_the_console_asks_no_sftp_server_inside_but_where_it_may(sftp: SftpServer) -> None:
    arrives(sftp, "tonight.zip")
    with pytest.raises(BadAnswer, match=r"127.0.0.1 is an address inside the network.* \[console\] networks"):
        at_sftp(sftp, context=Context("springfield", networks=())).probe()
    assert sftp.transports == []
    assert "orgs" in at_sftp(sftp, context=Context("springfield", networks=(ip_network("127.0.0.0/8"),))).probe()


# ── S3 ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["drop", "/drop/", ".", "schools/über alles & more", "drop/tonight.zip"])
def test_objects_of_a_bucket_are_read_as_files(path: str, s3: Storage, tmp_path: Path) -> None:
    folder = "" if path == "." else path.strip("/").removesuffix("/tonight.zip") + "/"
    for number in range(4):
        s3.put(f"{folder}another-{number}.txt", b"x", LONG_AGO)
    s3.put(f"{folder}tonight.zip", packed(tmp_path), LONG_AGO)
    s3.put(f"{folder}deeper/other.zip", b"not looked at", LONG_AGO)
    connector = at_s3(s3, path)
    found, cursor = ids(connector)
    assert found == WHOLE
    fetched = [one for one in s3.asked if "tonight.zip" in one[1]]
    assert list(connector.changes(cursor)) == [Cursor(cursor)]
    assert [one for one in s3.asked if "tonight.zip" in one[1]] == fetched, "what is known is not fetched again"
    connector.settled()
    connector.close()
    aside = f"{folder}{ASIDE}/20260921T141320Z-tonight.zip"
    assert (aside in s3.objects, f"{folder}tonight.zip" in s3.objects) == ((False, True) if path.endswith(".zip") else (True, False))
    again = at_s3(s3, path)
    assert [type(item) for item in again.changes(cursor)] == [Cursor], "also where it lies now"


def test_many_files_are_listed_page_by_page_and_the_oldest_set_aside_go(s3: Storage, tmp_path: Path) -> None:
    for name, content in whole().items():
        s3.put(f"drop/{name}", str(content).encode(), LONG_AGO)
    assert ids(at_s3(s3))[0] == WHOLE
    s3.objects.clear()
    for night in range(5):
        s3.put("drop/roster.zip", packed(tmp_path), LONG_AGO + night * 86_400)
        connector = at_s3(s3, keep=2)
        ids(connector)
        connector.settled()
    assert [key.rpartition("/")[2][:8] for key in sorted(s3.objects)] == ["20260924", "20260925"]


def test_wrong_keys_a_missing_bucket_and_a_web_page_are_told_apart(
    s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    s3.put("drop/tonight.zip", packed(tmp_path), LONG_AGO)
    with pytest.raises(SourceError, match="springfield: 127.0.0.1 answered 404"):
        at_s3(s3, bucket="elsewhere").probe()
    monkeypatch.setenv("PLACE_SECRET", "another-secret-4711")
    with pytest.raises(SignInRefused, match="refused the credentials") as told:
        at_s3(s3).probe()
    assert "another-secret" not in str(told.value) and waits == []


def test_a_fault_that_passes_is_waited_for_and_one_that_lasts_ends_the_pull(s3: Storage, tmp_path: Path, waits: list[float]) -> None:
    s3.put("drop/tonight.zip", packed(tmp_path), LONG_AGO)
    s3.faults[:] = [503, 500]
    assert ids(at_s3(s3))[0] == WHOLE and len(waits) == 2
    s3.faults[:] = [503] * 10
    with pytest.raises(SourceUnavailable):
        ids(at_s3(s3))


@pytest.mark.fault("S12")
def test_a_source_of_the_console_asks_no_storage_inside(s3: Storage) -> None:
    with pytest.raises(BadAnswer, match="inside the network"):
        at_s3(s3, context=Context("springfield", networks=())).probe()
    assert s3.asked == []


# ── on its way ───────────────────────────────────────────────────────────────────────────────────────


def test_what_changes_between_two_looks_or_while_it_is_fetched_is_left_alone_whatever_the_other_clock_says(
    s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    half, almost = packed(tmp_path)[:100], packed(tmp_path)[:200]
    s3.put("drop/tonight.zip", half, time.time() + 1800)

    def wait(_context: Context, seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 1:
            s3.put("drop/tonight.zip", almost, time.time() + 1800)

    def read() -> None:
        s3.put("drop/tonight.zip", packed(tmp_path), time.time() + 1800)
        s3.on_read = None

    s3.on_read = read
    monkeypatch.setattr(Context, "wait", wait)
    assert ids(at_s3(s3, still=10))[0] == WHOLE
    assert waited == [10] * 3 and [one for one in s3.asked if "tonight" in one[1]] == [("GET", f"/{BUCKET}/drop/tonight.zip")] * 2


def test_what_changes_each_time_it_is_fetched_is_for_the_next_run(s3: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put("drop/tonight.zip", packed(tmp_path), LONG_AGO)
    clock, reads = time.monotonic, 0

    def read() -> None:
        nonlocal reads
        reads += 1
        s3.put("drop/tonight.zip", packed(tmp_path), LONG_AGO + reads)
        if reads == 5:
            monkeypatch.setattr(time, "monotonic", lambda: clock() + 7200)

    s3.on_read = read
    with pytest.raises(SourceUnavailable, match="springfield: tonight.zip is still being written"):
        ids(at_s3(s3, still=10))
    assert reads == 5


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"place": "sftp"}, "needs host and user and host_key"),
        ({"place": "sftp", "host": "h", "user": "u", "host_key": ["ssh-ed25519 AAAAx"]}, "needs either password or private_key"),
        ({"place": "sftp", "host_key": ["SHA256:abc"]}, "must be a line with the server's public key"),
        ({"place": "s3", "endpoint": "http://elsewhere.example.org"}, "must begin with https"),
        ({"place": "s3", "endpoint": "https://s3.example.org", "bucket": "a/b"}, "pattern"),
        ({"place": "s3"}, "needs endpoint and bucket and access_key_id and secret_access_key"),
        ({"place": "ftp"}, "'here', 'sftp' or 's3'"),
    ],
)
def test_settings_that_lack_something_say_what(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        OneRosterCsvSettings.model_validate({"path": "/drop", **settings})
