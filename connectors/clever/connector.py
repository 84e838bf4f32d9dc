"""Clever as a connector: every list of every connected district, in the order the kinds depend on each other."""

from collections.abc import Callable, Iterator

from connectors.clever import fetch
from connectors.clever.read import read
from connectors.clever.settings import CleverSettings
from connectors.clever.tokens import Bearer, district_tokens
from syncd.contract.connector import Connector, Context, Resource
from syncd.contract.document import Document, Finished, Page, Reading
from syncd.errors import BadAnswer, SignInRefused
from syncd.http.session import Http

RESOURCES = (
    Resource("districts", ("org",)),
    Resource("schools", ("org",)),
    Resource("terms", ("term",)),
    Resource("courses", ("course",)),
    Resource("sections", ("section", "enrollment")),
    Resource("users", ("user",)),
)


class CleverConnector(Connector):
    """One Clever app's view of one district, or of all districts connected to it."""

    settings_model = CleverSettings
    settings: CleverSettings

    def __init__(self, settings: CleverSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._sessions: list[Http] = []

    @property
    def _base(self) -> str:
        return f"{self.settings.url}/v{self.settings.version}"

    def resources(self) -> tuple[Resource, ...]:
        return RESOURCES

    def _connect(self) -> list[Http]:
        """One session per district."""
        if not self._sessions:
            if self.settings.token is not None:
                tokens = {"": self.settings.token.reveal()}
            else:
                tokens = district_tokens(self.settings, self.context)
            for district, token in tokens.items():
                auth = Bearer(token)
                renew = self._renew(auth, district) if district else None
                self._sessions.append(
                    Http(self.context, self.settings.url, auth=auth, renew=renew, ca_file=self.settings.ca_file, proxy=self.settings.proxy)
                )
        return self._sessions

    def _renew(self, auth: Bearer, district: str) -> Callable[[], bool]:
        """Tokens can be rotated: ask for the district's token again, and say whether there is a new one."""

        def renew() -> bool:
            token = district_tokens(self.settings, self.context).get(district)
            if not token or token == auth.token:
                return False
            auth.use(token)
            return True

        return renew

    def pull(self) -> Iterator[Page | Finished]:
        sessions = self._connect()
        for resource in RESOURCES:
            doubt = None
            for http in sessions:
                try:
                    yield from fetch.pages(http, self._base, resource.name, self.settings.page_size)
                except (SignInRefused, BadAnswer) as problem:
                    # 403 or 404 on one list: the district no longer shares it. The district's own list must work.
                    if problem.status not in (403, 404) or resource is RESOURCES[0]:
                        raise
                    doubt = f"{resource.name} are not shared any more (Clever answered {problem.status})"
            yield Finished(resource.name, doubt)

    def read(self, document: Document) -> Reading:
        return read(document, demographics=self.settings.demographics)

    def probe(self) -> str:
        found = []
        for http in self._connect():
            districts = next(fetch.pages(http, self._base, "districts", 10))
            users = next(fetch.pages(http, self._base, "users", 1))
            found += [f"district {document.id}" for document in districts.documents]
            if not users.documents:
                found.append("which shares no users yet")
        return f"Clever {self.settings.version}: {', '.join(found)}"

    def close(self) -> None:
        for http in self._sessions:
            http.close()
        self._sessions = []
