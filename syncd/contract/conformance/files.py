"""The suite for a connector that reads files: a folder, a zip, or a folder in which zips arrive."""

import csv
import json
import os
import time
import zipfile
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syncd.contract.conformance.every import CANARY_NAME, CANARY_SECRET, Conformance, Pretend
from syncd.contract.connector import Context
from syncd.contract.document import Cursor, Document, Finished, Page
from syncd.errors import BadFile, FullPullNeeded, SourceError, SourceUnavailable, Stopped

# What may arrive under the name of a file of rows.
NO_TABLES: dict[str, bytes] = {
    "empty": b"",
    "blank": b"\n \n\n",
    "a page": b"<!doctype html><html><body>Sign in</body></html>",
    "json": b'{"error": "no"}',
    "zeros": bytes(1000),
    "a program": b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 20,
    "a quote that is never closed": b'a,"b\n' * 50,
    "another table": b"colour,weight\nred,7\n",
    "half a character": "sourcedId,näme\n".encode("utf-16-le")[:-1],
}


class PretendFiles(Pretend):
    """Files of a handful of records. The suite writes them to where `path` says."""

    path: Path

    @abstractmethod
    def files(self) -> dict[str, str]:
        """{name: text} of a healthy set that lists everything."""

    @abstractmethod
    def file(self) -> str:
        """The name of the file that has the documents of `resource`."""

    @abstractmethod
    def changed(self) -> dict[str, str]:
        """A set in which stands that one document of `resource` has changed, and nothing else."""

    def write(self, files: dict[str, str] | dict[str, bytes] | dict[str, str | bytes]) -> None:
        """Put them where they are read, in place of what is there."""
        with zipfile.ZipFile(self.path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)


class AsFiles(Conformance):
    """Each test gets a healthy set and breaks one thing."""

    @pytest.fixture
    @abstractmethod
    def pretend(self) -> PretendFiles: ...

    @pytest.fixture
    def healthy(self, pretend: PretendFiles, tmp_path: Path) -> None:
        pretend.path = tmp_path / "bundle.zip"
        pretend.write(pretend.files())

    def _broken(self, pretend: PretendFiles, content: bytes, name: str | None = None) -> None:
        pretend.write({name: text.encode() for name, text in pretend.files().items()} | {name or pretend.file(): content})

    def _with_names(self, pretend: PretendFiles) -> tuple[str, str]:
        """A file that has people in it, and its text."""
        return next((name, text) for name, text in pretend.files().items() if CANARY_NAME in text)

    def _ids(self, documents: list[Document]) -> set[str | None]:
        return {document.id for document in documents if document.id is not None}

    # ── whole ─────────────────────────────────────────────────────────────────────────────────────

    def test_making_one_opens_nothing(self, pretend: PretendFiles, tmp_path: Path) -> None:
        pretend.path = tmp_path / "nothing" / "here.zip"
        pretend.made().resources()
        with pytest.raises(BadFile):
            pretend.made().probe()

    def test_a_healthy_set_ends_every_resource_without_a_doubt(self, pretend: PretendFiles, healthy: None) -> None:
        assert set(self._pull(pretend)[1].values()) == {None}

    def test_a_zip_a_folder_and_a_folder_of_zips_are_the_same(self, pretend: PretendFiles, healthy: None, tmp_path: Path) -> None:
        expected = self._pull(pretend)
        packed, folder, drop = pretend.path, tmp_path / "folder", tmp_path / "drop"
        for place in (folder, drop):
            place.mkdir()
        for name, text in pretend.files().items():
            (folder / name).write_bytes(text.encode())
        (drop / "tonight.zip").write_bytes(packed.read_bytes())
        for pretend.path in (folder, drop):
            assert self._pull(pretend) == expected

    # ── on its way ────────────────────────────────────────────────────────────────────────────────

    def test_what_is_still_being_written_is_waited_for(self, pretend: PretendFiles, healthy: None, monkeypatch: pytest.MonkeyPatch) -> None:
        waits: list[float] = []

        def wait(_context: Context, seconds: float) -> None:
            waits.append(seconds)
            os.utime(pretend.path, (time.time() - 7200, time.time() - 7200))

        monkeypatch.setattr(Context, "wait", wait)
        settings = pretend.settings().model_copy(update={"still": 3600})
        list(pretend.connector(settings, Context("springfield")).pull())
        assert len(waits) == 1 and 0 < waits[0] <= 3600

    def test_what_does_not_come_to_rest_is_left_to_the_next_run(
        self, pretend: PretendFiles, healthy: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = time.monotonic

        def wait(_context: Context, seconds: float) -> None:
            pretend.path.touch()
            monkeypatch.setattr(time, "monotonic", lambda: clock() + 7200)

        monkeypatch.setattr(Context, "wait", wait)
        settings = pretend.settings().model_copy(update={"still": 60})
        with pytest.raises(SourceUnavailable, match="springfield"):
            list(pretend.connector(settings, Context("springfield")).pull())

    def test_a_run_that_is_stopped_waits_for_nothing(self, pretend: PretendFiles, healthy: None) -> None:
        settings, context = pretend.settings().model_copy(update={"still": 3600}), Context("springfield")
        context.stop.set()
        with pytest.raises(Stopped):
            list(pretend.connector(settings, context).pull())

    # ── broken ────────────────────────────────────────────────────────────────────────────────────

    def test_a_file_that_is_not_there_is_a_doubt_or_an_error_and_no_empty_list(self, pretend: PretendFiles, healthy: None) -> None:
        pretend.write({name: text for name, text in pretend.files().items() if name != pretend.file()})
        try:
            _, ends = self._pull(pretend)
        except BadFile:
            return
        assert ends[pretend.resource]

    @pytest.mark.parametrize("name", NO_TABLES)
    def test_a_file_that_is_no_table_is_a_doubt_or_an_error_and_no_empty_list(
        self, name: str, pretend: PretendFiles, healthy: None
    ) -> None:
        self._broken(pretend, NO_TABLES[name])
        try:
            documents, ends = self._pull(pretend)
        except BadFile as problem:
            assert "springfield" in str(problem) and problem.advice
            return
        assert ends[pretend.resource] and not [one for one in documents if one.resource == pretend.resource and one.id is not None]

    def test_wherever_a_file_breaks_off_nobody_is_taken_for_gone_by_it(self, pretend: PretendFiles, healthy: None) -> None:
        everybody = self._ids(self._pull(pretend)[0])
        whole = pretend.files()[pretend.file()]
        cells = max(len(row) for row in csv.reader(whole.splitlines()))
        for length in range(len(whole) - 1):
            *_, last = csv.reader(["", *whole[:length].split("\n")])
            if not last or len(last) == cells:
                # It could be a smaller file that is whole: that is for the limits.
                continue
            self._broken(pretend, whole[:length].encode())
            try:
                documents, ends = self._pull(pretend)
            except BadFile:
                continue
            assert everybody <= self._ids(documents) or ends[pretend.resource], f"{length} of {len(whole)} bytes"

    @pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.99])
    def test_an_archive_that_breaks_off_is_an_error(self, part: float, pretend: PretendFiles, healthy: None) -> None:
        whole = pretend.path.read_bytes()
        pretend.path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(BadFile, match="springfield"):
            self._pull(pretend)

    def test_an_archive_of_which_one_byte_is_another_is_the_same_or_an_error(self, pretend: PretendFiles, healthy: None) -> None:
        expected, whole = self._pull(pretend), pretend.path.read_bytes()
        for place in range(0, len(whole), max(len(whole) // 200, 1)):
            pretend.path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
            try:
                documents, ends = self._pull(pretend)
            except SourceError:
                continue
            if any(doubt is not None for doubt in ends.values()):
                continue
            assert self._ids(documents) == self._ids(expected[0]), f"byte {place}"

    # ── the same again, and changes ───────────────────────────────────────────────────────────────

    def _cursor(self, pretend: PretendFiles) -> Any:
        *_, last = pretend.made().pull()
        assert isinstance(last, Cursor) and json.loads(json.dumps(last.value)) == last.value
        return last.value

    def test_the_same_files_say_nothing_new_however_they_are_packed(self, pretend: PretendFiles, healthy: None) -> None:
        cursor = self._cursor(pretend)
        pretend.write(dict(reversed(pretend.files().items())))
        assert [type(item) for item in pretend.made().changes(cursor)] == [Cursor]

    def test_files_that_list_everything_are_never_read_as_changes(self, pretend: PretendFiles, healthy: None) -> None:
        cursor = self._cursor(pretend)
        name, text = self._with_names(pretend)
        pretend.write(pretend.files() | {name: text.replace(CANARY_NAME, "Noble")})
        with pytest.raises(FullPullNeeded):
            list(pretend.made().changes(cursor))

    def test_changes_are_whole_documents_and_end_with_a_cursor(self, pretend: PretendFiles, healthy: None) -> None:
        cursor = self._cursor(pretend)
        pretend.write(pretend.changed())
        connector = pretend.made()
        *pages, last = connector.changes(cursor)
        assert isinstance(last, Cursor) and last.value != cursor
        documents = [document for page in pages if isinstance(page, Page) for document in page.documents if document.id is not None]
        assert [document.resource for document in documents] == [pretend.resource]
        assert connector.read(documents[0]).records

    def test_who_is_not_among_changes_is_not_gone(self, pretend: PretendFiles, healthy: None) -> None:
        pretend.write(pretend.changed())
        assert all(self._pull(pretend)[1].values())

    # ── privacy ───────────────────────────────────────────────────────────────────────────────────

    def test_no_name_in_any_error_or_doubt(self, pretend: PretendFiles, healthy: None) -> None:
        told, (name, text) = [], self._with_names(pretend)
        breaks: list[Callable[[str], str]] = [
            lambda text: text.replace(CANARY_NAME, f'"{CANARY_NAME}'),
            lambda text: text.replace(CANARY_NAME, f"{CANARY_NAME},{CANARY_NAME}"),
            lambda text: text.replace("\n", f"{CANARY_NAME}\n"),
            lambda text: text.replace(CANARY_NAME, f"{CANARY_NAME}\x00"),
            lambda text: text.partition("\n")[2],
            lambda text: text[: text.index(CANARY_NAME) + len(CANARY_NAME)],
        ]
        for change in breaks:
            self._broken(pretend, change(text).encode(), name)
            connector = pretend.made()
            try:
                for item in connector.pull():
                    if isinstance(item, Finished):
                        told.append(str(item.doubt))
                    elif isinstance(item, Page):
                        told += [repr(problem) for one in item.documents for problem in connector.read(one).problems]
            except BadFile as problem:
                told += [str(problem), repr(problem), str(problem.advice)]
        assert len(told) >= len(breaks)
        assert not [one for one in told if CANARY_NAME in one or CANARY_SECRET in one]
