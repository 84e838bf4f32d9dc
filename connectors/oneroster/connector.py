"""OneRoster over REST as a connector: seven flat collections, in the order the kinds depend on each other."""

from collections.abc import Iterator

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

    def _version(self) -> str | None:
        """As configured, else as the address says, else None: reading needs no version, since each record shows its own."""
        if self.settings.version != "auto":
            return self.settings.version
        return next((version for mark, version in (("v1p1", "1.1"), ("v1p2", "1.2")) if mark in self.settings.url), None)

    def _seen_version(self, http: Http) -> str:
        """What a user looks like: only 1.2 has a list of roles."""
        users = next((page.documents for page in self._first_page(http, "users") if isinstance(page, Page)), [])
        return "1.2" if any(b'"roles"' in user.raw for user in users) else "1.1"

    def _first_page(self, http: Http, resource: str) -> Iterator[Page | Finished]:
        return Collection(http, resource, resource, 10, self._asked).pages()

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
        orgs = next(page for page in self._first_page(http, "orgs"))
        count = (orgs.total or len(orgs.documents)) if isinstance(orgs, Page) else 0
        return f"OneRoster {self._version() or self._seen_version(http)}: {count} orgs"

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None
