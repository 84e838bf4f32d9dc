"""Storage that speaks as S3 does: ListObjectsV2, GetObject, CopyObject and DeleteObject of the Amazon S3 API reference, with the bucket in
the path, as all such storage takes it."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import Element, ParseError  # nosec B405  # for its types: defusedxml reads

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from requests_aws4auth import AWS4Auth

from syncd.contract.connector import Context
from syncd.errors import BadAnswer
from syncd.files.place.base import ASIDE, Item, Place, dated, is_bare
from syncd.files.settings import FilesSettings
from syncd.http.retry import Patience
from syncd.http.session import Answer, Http

# A bundle of a large district has some hundred MB; seconds for one.
PATIENCE = Patience(deadline=3600.0)
# Times 1,000 objects.
MOST_PAGES = 100


class S3(Place):
    """A key or a prefix of one bucket."""

    def __init__(self, settings: FilesSettings, context: Context, patience: Patience = PATIENCE) -> None:
        key = settings.path.as_posix().strip("/")
        self._key = "" if key == "." else key
        super().__init__(self._key.rpartition("/")[2] or str(settings.bucket), context.source)
        self._settings, self._context, self._patience = settings, context, patience
        self._http: Http | None = None

    def file(self) -> Item | None:
        if not self._key:
            return None
        prefix = self._key.rpartition("/")[0]
        # What has no folders knows none that is empty, either: nothing may have arrived yet.
        return next((item for item in self._listed(self._key, prefix) if item.name == self.name), None)

    def files(self, *, aside: bool = False) -> list[Item]:
        folder = self._folder(aside)
        return list(self._listed(f"{folder}/" if folder else "", folder, aside))

    def get(self, item: Item, to: Path) -> None:
        with to.open("wb") as file:
            self._asked(self._object(self._place_of(item)), into=file)

    def put_aside(self, item: Item) -> None:
        here, there = self._place_of(item), f"{self._folder(aside=True)}/{dated(item)}".lstrip("/")
        source = quote(f"/{self._settings.bucket}/{here}")
        self._asked(self._object(there), method="PUT", headers={"x-amz-copy-source": source})
        self._asked(self._object(here), method="DELETE", accept=(200, 204))

    def remove(self, item: Item) -> None:
        self._asked(self._object(self._place_of(item)), method="DELETE", accept=(200, 204))

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
        self._http = None

    def _folder(self, aside: bool) -> str:
        return f"{self._key}/{ASIDE}".lstrip("/") if aside else self._key

    def _place_of(self, item: Item) -> str:
        """Its key."""
        if self._key.rpartition("/")[2] == item.name and not item.aside:
            return self._key
        return f"{self._folder(item.aside)}/{item.name}".lstrip("/")

    def _object(self, key: str) -> str:
        return f"{self._base}/{quote(key)}"

    @property
    def _base(self) -> str:
        return f"{self._settings.endpoint}/{self._settings.bucket}"

    def _listed(self, begins: str, folder: str, aside: bool = False) -> Iterator[Item]:
        """The objects whose keys begin so and that lie in the folder itself."""
        params: dict[str, Any] = {"list-type": "2", "prefix": begins, "delimiter": "/"}
        for _ in range(MOST_PAGES):
            root = self._xml(self._asked(self._base, params))
            for found in root.iter("Contents"):
                key, name = _text(found, "Key"), _text(found, "Key").rpartition("/")[2]
                if is_bare(name) and key == (f"{folder}/{name}" if folder else name):
                    yield self._item(found, name, aside)
            if _text(root, "IsTruncated") != "true":
                return
            params["continuation-token"] = _text(root, "NextContinuationToken")
        raise self._odd("lists without end")

    def _item(self, found: Element, name: str, aside: bool) -> Item:
        try:
            changed = datetime.fromisoformat(_text(found, "LastModified")).timestamp()
            return Item(name, int(_text(found, "Size")), changed, _text(found, "ETag"), aside)
        except ValueError:
            raise self._odd("lists an object without a size or a date") from None

    def _xml(self, answer: Answer) -> Element:
        try:
            root: Element = fromstring(answer.body)
        except (ParseError, DefusedXmlException, ValueError):
            raise self._odd("sent something else than a list") from None
        for element in root.iter():
            element.tag = str(element.tag).rpartition("}")[2]
        if root.tag != "ListBucketResult":
            raise self._odd("sent something else than a list")
        return root

    def _odd(self, what: str) -> BadAnswer:
        return BadAnswer(f"{self.source}: {urlsplit(self._base).hostname} {what}.", advice="Check endpoint and bucket.")

    def _asked(self, url: str, params: Any = None, **more: Any) -> Answer:
        if self._http is None:
            settings = self._settings
            assert settings.access_key_id is not None and settings.secret_access_key is not None
            auth = AWS4Auth(settings.access_key_id.reveal(), settings.secret_access_key.reveal(), settings.region, "s3")
            self._http = Http(self._context, self._base, auth=auth, ca_file=settings.ca_file, policy=self._patience)
        return self._http.ask(url, params, **more)


def _text(element: Element, name: str) -> str:
    return (element.findtext(name) or "").strip()
