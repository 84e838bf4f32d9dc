"""OneRoster over REST as a connector: seven flat collections, in the order the kinds depend on each other."""

from collections.abc import Iterator

import msgspec

from connectors.oneroster.auth import ClientCredentials, sign_in
from connectors.oneroster.read import read
from connectors.oneroster.rest import Collection
from connectors.oneroster.settings import OneRosterSettings
from syncd.contract.connector import Connector, Context, Resource
from syncd.contract.document import Document, Finished, Page, Reading
from syncd.errors import BadAnswer, SignInRefused
from syncd.http.session import Http

RESOURCES = (
    Resource("orgs", ("org",)),
    Resource("academicSessions", ("term",)),
    Resource("courses", ("course",)),
    Resource("classes", ("section",)),
    Resource("users", ("user",)),
    Resource("enrollments", ("enrollment",)),
)
DEMOGRAPHICS = Resource("demographics", ())

# Sorted, so that records do not move between pages; dropped for good when a provider refuses it.
SORTED = {"sort": "sourcedId", "orderBy": "asc"}


class OneRosterConnector(Connector):
    """One provider's rostering service."""

    settings_model = OneRosterSettings
    settings: OneRosterSettings

    def __init__(self, settings: OneRosterSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._http: Http | None = None
        self._asked = dict(SORTED)

    def resources(self) -> tuple[Resource, ...]:
        return (*RESOURCES, DEMOGRAPHICS) if self.settings.demographics else RESOURCES

    def _version(self) -> str:
        """As configured, else as the address says; 1.1 is the more common one where neither does."""
        if self.settings.version != "auto":
            return self.settings.version
        return "1.2" if "v1p2" in self.settings.url else "1.1"

    def _connect(self) -> Http:
        if self._http is None:
            auth = sign_in(self.settings, self.context, self._version())
            renew = auth.renew if isinstance(auth, ClientCredentials) else None
            settings = self.settings
            self._http = Http(self.context, settings.url, auth=auth, renew=renew, ca_file=settings.ca_file, proxy=settings.proxy)
        return self._http

    def pull(self) -> Iterator[Page | Finished]:
        http, given = self._connect(), 0
        for resource in self.resources():
            collection = Collection(http, resource.name, resource.name, self.settings.page_size, self._asked)
            try:
                yield from collection.pages()
                given += 1
            except (SignInRefused, BadAnswer) as problem:
                if problem.status not in (403, 404):
                    raise
                yield Finished(resource.name, f"{resource.name} are not to be had (answer {problem.status})")
        if not given:
            raise BadAnswer(
                f"{self.context.source}: {http.host} gives none of the collections.",
                advice="Check the url, and what the credentials may read.",
            )

    def read(self, document: Document) -> Reading:
        return read(document)

    def probe(self) -> str:
        http = self._connect()
        answer = http.get("orgs", {"limit": 10, "offset": 0})
        count = len(msgspec.json.decode(answer.body).get("orgs") or []) if answer.body else 0
        total = answer.headers.get("X-Total-Count")
        return f"OneRoster {self._version()}: {total or f'{count} or more'} orgs"

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None
