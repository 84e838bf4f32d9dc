"""OneRoster over REST as a connector: seven flat collections, in the order the kinds depend on each other."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from connectors.oneroster.auth import ClientCredentials, sign_in
from connectors.oneroster.part import Parts
from connectors.oneroster.read import read
from connectors.oneroster.rest import Clock, Collection, one
from connectors.oneroster.settings import OneRosterSettings
from syncd.contract.connector import Abilities, Connector, Context, Resource
from syncd.contract.document import Cursor, Document, Finished, Page, Presence, Reading
from syncd.errors import BadAnswer, FullPullNeeded, SignInRefused
from syncd.http.ahead import Ahead
from syncd.http.session import Http
from syncd.roster.fields import moment
from syncd.roster.scope import Scope

RESOURCES = (
    Resource("orgs", ("org",), one=True),
    Resource("academicSessions", ("term",), one=True),
    Resource("courses", ("course",), one=True),
    Resource("classes", ("section",), one=True),
    Resource("users", ("user",), one=True),
    Resource("enrollments", ("enrollment",), one=True),
)
DEMOGRAPHICS = Resource("demographics", ())

# Sorted, so that records do not move between pages; dropped for good when a provider refuses it.
SORTED = {"sort": "sourcedId", "orderBy": "asc"}


class OneRosterConnector(Connector):
    """One provider's rostering service."""

    settings_model = OneRosterSettings
    abilities = Abilities(incremental=True, one=True, scopes=frozenset({"school", "user"}))
    settings: OneRosterSettings

    def __init__(self, settings: OneRosterSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._http: Http | None = None
        self._ahead: Ahead | None = None
        self._asked = dict(SORTED)
        self._refused: str | None = None
        self._refused_for: str | None = None

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
        return self._collection(http, resource, Clock(), page_size=10).pages()

    def _collection(self, http: Http, resource: str, clock: Clock, page_size: int | None = None, **part: str | None) -> Collection:
        ahead = self._ahead = self._ahead or Ahead(http, self.settings.requests_at_once)
        return Collection(http, ahead, resource, page_size or self.settings.page_size, self._asked, clock, **part)

    def _connect(self) -> Http:
        if self._http is None:
            auth = sign_in(self.settings, self.context, self._version())
            renew = auth.renew if isinstance(auth, ClientCredentials) else None
            settings = self.settings
            self._http = Http(
                self.context,
                settings.url,
                auth=auth,
                renew=renew,
                ca_file=settings.ca_file,
                proxy=settings.proxy,
                etags=settings.etags,
            )
        return self._http

    def pull(self) -> Iterator[Page | Finished | Cursor]:
        http, clock = self._connect(), Clock()
        known = moment((self.context.known.cursor or {}).get("modified"))
        if known is not None and known <= clock.began:
            # Records that are known have told their dates then.
            clock.newest = known
        without: list[str] = []
        for resource in self.resources():
            collection = self._collection(http, resource.name, clock)
            try:
                yield from collection.pages()
            except (SignInRefused, BadAnswer) as problem:
                if problem.status not in (403, 404):
                    raise
                without.append(resource.name)
                yield Finished(resource.name, f"{resource.name} are not to be had (answer {problem.status})")
        if len(without) == len(self.resources()):
            raise BadAnswer(
                f"{self.context.source}: {http.host} gives none of the collections.",
                advice="Check the url, and what the credentials may read.",
            )
        if self._refused is not None and self._refused_for not in without:
            yield Cursor({"refused": self._refused})
        elif clock.newest is not None:
            yield Cursor({"modified": clock.newest.isoformat(), "without": without})

    def changes(self, cursor: Any) -> Iterator[Page | Cursor]:
        """What the provider dates after the cursor, less an overlap: providers publish rows later than those are dated."""
        source = self.context.source
        self._refused = cursor.get("refused")
        known = moment(cursor.get("modified"))
        if self._refused is not None or known is None:
            raise FullPullNeeded(self._refused or f"{source}: there is no date to go on from.", known=self._refused is not None)
        # Lists that were not to be had are not asked for again before the next full pull.
        http, whole, without = self._connect(), True, cursor.get("without") or []
        clock = Clock(newest=known, since=known - timedelta(hours=self.settings.overlap_hours))
        for resource in self.resources():
            if resource.name in without:
                continue
            collection = self._collection(http, resource.name, clock)
            try:
                for item in collection.pages():
                    if isinstance(item, Page):
                        yield item
                    else:
                        whole = whole and item.doubt is None
            except FullPullNeeded as problem:
                raise self._refuse(resource.name, problem) from None
            except (SignInRefused, BadAnswer) as problem:
                if problem.status is None or problem.status == 401 or not 400 <= problem.status < 500:
                    raise
                told = f"{source}: {http.host} answered {problem.status} to {resource.name} with a filter on dateLastModified."
                raise self._refuse(resource.name, FullPullNeeded(told)) from None
        if whole and clock.newest is not None:
            yield Cursor({"modified": clock.newest.isoformat(), "without": without})

    def _refuse(self, resource: str, problem: FullPullNeeded) -> FullPullNeeded:
        """Remember that the provider takes no filter, and on which list: if that list is gone altogether, it was not the filter's fault."""
        self._refused, self._refused_for = problem.message, resource
        # The sort may have been given up on the way to finding that out.
        self._asked.update(SORTED)
        return problem

    def part(self, scope: Scope) -> Iterator[Page | Finished]:
        http, clock = self._connect(), Clock()

        def collection(resource: str, place: str | None, chosen: str | None) -> Collection:
            # A sort may have been given up for a list that the provider does not have, or for a filter that it does not take.
            self._asked.update(SORTED)
            return self._collection(http, resource, clock, place=place, chosen=chosen)

        yield from Parts(self.context.source, http.host, collection).of(scope)

    def about(self, user_id: str, roles: frozenset[str]) -> Iterator[Page]:
        if self.settings.demographics:
            found = self.find(DEMOGRAPHICS.name, user_id)
            if isinstance(found, Document):
                yield Page(DEMOGRAPHICS.name, [found])

    def find(self, resource: str, record_id: str) -> Document | Presence:
        try:
            answer = self._connect().get(f"{resource}/{quote(record_id, safe='')}", accept=(200, 404))
        except (SignInRefused, BadAnswer) as problem:
            # No answer of this API, or nobody believes us any more: then the pull proves nothing.
            if problem.status in (None, 401):
                raise
            return Presence.CANNOT_TELL
        return Presence.GONE if answer.status == 404 else one(resource, answer.body)

    def read(self, document: Document) -> Reading:
        return read(document)

    def probe(self) -> str:
        http = self._connect()
        orgs = next(page for page in self._first_page(http, "orgs"))
        count = (orgs.total or len(orgs.documents)) if isinstance(orgs, Page) else 0
        return f"OneRoster {self._version() or self._seen_version(http)}: {count} orgs"

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None
        if self._http is not None:
            self._http.close()
            self._http = None
