"""Clever as a connector: every list of every connected district, in the order the kinds depend on each other."""

from collections.abc import Callable, Generator, Iterator
from typing import Any
from urllib.parse import quote

import msgspec

from connectors.clever import events, fetch
from connectors.clever.read import read
from connectors.clever.settings import CleverSettings
from connectors.clever.tokens import Bearer, district_tokens
from syncd.contract.connector import Abilities, Connector, Context, Resource
from syncd.contract.document import Cursor, Document, Finished, Page, Presence, Reading
from syncd.errors import BadAnswer, FullPullNeeded, SignInRefused
from syncd.http.session import Http
from syncd.roster.scope import Scope

RESOURCES = (
    Resource("districts", ("org",), one=True),
    Resource("schools", ("org",), one=True),
    Resource("terms", ("term",), one=True),
    Resource("courses", ("course",), one=True),
    Resource("sections", ("section", "enrollment"), one=True),
    Resource("users", ("user",), one=True),
)
# What Clever answers where there is no such list, or it is not shared.
NOT_TO_BE_HAD = (403, 404, 501)
# The roles that its list of one school's users has: contacts and district admins are of no school.
OF_A_SCHOOL = ("student", "teacher", "staff")


class CleverConnector(Connector):
    """One Clever app's view of one district, or of all districts connected to it."""

    settings_model = CleverSettings
    abilities = Abilities(incremental=True, one=True, scopes=frozenset({"school", "user"}))
    settings: CleverSettings

    def __init__(self, settings: CleverSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._sessions: dict[str, Http] = {}
        self._home: Http | None = None

    @property
    def _base(self) -> str:
        return f"{self.settings.url}/v{self.settings.version}"

    def resources(self) -> tuple[Resource, ...]:
        return RESOURCES

    def _connect(self) -> list[Http]:
        return list(self._by_district().values())

    def _by_district(self) -> dict[str, Http]:
        """One session per district; the district of a token that was given is called ""."""
        if not self._sessions:
            if self.settings.token is not None:
                tokens = {"": self.settings.token.reveal()}
            else:
                tokens = district_tokens(self.settings, self.context)
            for district, token in tokens.items():
                auth = Bearer(token)
                renew = self._renew(auth, district) if district else None
                self._sessions[district] = Http(
                    self.context, self.settings.url, auth=auth, renew=renew, ca_file=self.settings.ca_file, proxy=self.settings.proxy
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

    def pull(self) -> Iterator[Page | Finished | Cursor]:
        sessions = self._connect()
        # Before everything else: what happens during the pull must come again with the first changes.
        listening = self._by_district() if self.settings.events else {}
        places = {district: events.newest(http, self._base) for district, http in listening.items()}
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
        if places and all(places.values()):
            yield Cursor({district: msgspec.to_builtins(place) for district, place in places.items()})

    def changes(self, cursor: Any) -> Iterator[Page | Cursor]:
        source = self.context.source
        if not self.settings.events:
            raise FullPullNeeded(f"{source}: Clever's events are switched off in the configuration.")
        sessions = self._by_district()
        try:
            places = msgspec.convert(cursor, dict[str, events.Place])
        except msgspec.ValidationError:
            raise FullPullNeeded(f"{source}: there is no event to go on from.") from None
        if places.keys() != sessions.keys():
            raise FullPullNeeded(f"{source}: other districts are connected than before.")
        reads = {district: events.since(http, self._base, places[district]) for district, http in sessions.items()}
        for resource in RESOURCES:
            documents = [document for read_on in reads.values() for document in read_on.of(resource.name)]
            if documents:
                yield Page(resource.name, documents)
        yield Cursor({district: msgspec.to_builtins(read_on.place) for district, read_on in reads.items()})

    def part(self, scope: Scope) -> Iterator[Page | Finished]:
        own = "schools" if scope.kind == "school" else "users"
        self._home = self._where(own, scope.id)
        place, source = f"{own}/{quote(scope.id, safe='')}", self.context.source
        if scope.kind == "user":
            refused = yield from self._list("sections", f"{place}/sections")
            # Of somebody who is in none, Clever may say that there is no such list.
            doubt = None if refused in (None, 404) else f"the sections of one user are not shared (Clever answered {refused})"
            yield Finished("sections", doubt)
            yield Finished("users")
            return
        for resource in ("terms", "courses"):
            yield from self._list(resource, f"{place}/{resource}")
        answers = {}
        for resource, roles in (("sections", ()), ("users", OF_A_SCHOOL)):
            answers[resource] = refused = yield from self._list(resource, f"{place}/{resource}")
            doubt = None if refused is None else f"{resource} of one school are not shared (Clever answered {refused})"
            yield Finished(resource, doubt, roles)
        if all(answers.values()):
            raise BadAnswer(
                f"{source}: Clever gives nothing of one school by itself (answers {answers['sections']} and {answers['users']}).",
                advice=f"`syncd sync {source}` pulls all that is shared.",
            )

    def _list(self, resource: str, place: str) -> Generator[Page, None, int | None]:
        """A list that belongs to something; returns what Clever answers where it is not to be had."""
        try:
            yield from fetch.pages(self._home or self._connect()[0], self._base, resource, self.settings.page_size, place)
        except (SignInRefused, BadAnswer) as problem:
            if problem.status not in NOT_TO_BE_HAD:
                raise
            return problem.status
        return None

    def _where(self, resource: str, record_id: str) -> Http:
        """The session with the district that has a record. (Ids are unique across districts.)"""
        *others, last = self._connect()
        for http in others:
            if http.get(self._address(resource, record_id), accept=(200, 404)).status == 200:
                return http
        return last

    def about(self, user_id: str, roles: frozenset[str]) -> Iterator[Page]:
        if "student" in roles:
            yield from self._list("users", f"users/{quote(user_id, safe='')}/mycontacts")

    def _address(self, resource: str, record_id: str) -> str:
        return f"{self._base}/{resource}/{quote(record_id, safe='')}"

    def find(self, resource: str, record_id: str) -> Document | Presence:
        for http in self._connect():
            try:
                answer = http.get(self._address(resource, record_id), accept=(200, 404))
            except (SignInRefused, BadAnswer) as problem:
                # No answer of this API, or nobody believes us any more: then the pull proves nothing.
                if problem.status in (None, 401):
                    raise
                return Presence.CANNOT_TELL
            if answer.status == 200:
                return fetch.one(resource, answer.body)
        return Presence.GONE

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
        for http in self._sessions.values():
            http.close()
        self._sessions, self._home = {}, None
