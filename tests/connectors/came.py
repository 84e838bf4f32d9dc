"""What a connector of files gives, and bundles for it."""

import zipfile
from pathlib import Path
from typing import Any

from syncd.contract.connector import Connector, Context
from syncd.contract.document import Cursor, Finished, Page
from syncd.words import REASONS

Content = str | bytes


def bundle(folder: Path, files: dict[str, Content], name: str = "bundle.zip", *, packed: bool = True) -> Path:
    """Files as a zip, or side by side in a folder."""
    path = folder / name
    if not packed:
        path.mkdir()
        for file, content in files.items():
            (path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        return path
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    return path


class Came:
    """What a pull gave. told: {rule: where}; doubts: {resource: why}; records: {(kind, id): record}."""

    def __init__(self, connector: type[Connector], path: Path, **settings: Any) -> None:
        self.connector = connector(connector.settings_model.model_validate({"path": path, "still": 0, **settings}), Context("springfield"))
        self.records: dict[tuple[str, str], Any] = {}
        self.told: dict[str, list[str | None]] = {}
        self.unusable: dict[str | None, list[str]] = {}
        self.doubts: dict[str, str | None] = {}
        self.parts: list[Any] = []
        self.passwords: list[Any] = []
        self.cursor: Any = None
        for item in self.connector.pull():
            if isinstance(item, Finished):
                self.doubts[item.resource] = item.doubt
            elif isinstance(item, Cursor):
                self.cursor = item.value
            else:
                self._read(item)
        assert set(self.told) <= set(REASONS), "each rule has its words"

    def _read(self, page: Page) -> None:
        for document in page.documents:
            assert b"secret-word" not in document.raw, "a password is not even read"
            reading = self.connector.read(document)
            for problem in reading.problems:
                self.told.setdefault(problem.rule, []).append(problem.field)
                if problem.fatal:
                    self.unusable.setdefault(document.id, []).append(problem.rule)
            if not any(problem.fatal for problem in reading.problems):
                self.records |= {(record.kind, record.id): record for record in reading.records}
                self.parts += reading.parts
                self.passwords += reading.passwords
