"""What belongs to one school or one user at a provider: by nested addresses, where it has them, else by a filter, or the other way round.

Nested addresses are optional in practice, filters are taken of few fields, and some providers answer either with more than was asked for:
what says that it belongs elsewhere is left out. What is not to be had in any way is a doubt.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote

from connectors.oneroster.read import read
from connectors.oneroster.rest import Collection
from syncd.contract.document import Document, Finished, Page
from syncd.errors import BadAnswer, SignInRefused
from syncd.roster.enrollment import Enrollment
from syncd.roster.scope import Scope
from syncd.roster.section import Section
from syncd.roster.user import User

# What providers answer to addresses and filters that they do not have.
NOT_TO_BE_HAD = (400, 403, 404, 405, 422, 501)
# The lists of people that a school has; others come only with everybody.
OF_A_SCHOOL = {"students": "student", "teachers": "teacher"}


class _NotToBeHad(Exception):
    """The provider has no such list, or answers another one. why: its answer, in words."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to a list: an address of its own, or the whole list with a filter."""

    place: str | None = None
    chosen: str | None = None


class Parts:
    """source, host: for messages. collection(resource, place, filter): a list of the provider."""

    def __init__(self, source: str, host: str, collection: Callable[[str, str | None, str | None], Collection]) -> None:
        self._source, self._host, self._collection = source, host, collection

    def of(self, scope: Scope) -> Iterator[Page | Finished]:
        """Pages of what belongs to a school or a user; see `Connector.part`."""
        yield from self._of_school(scope) if scope.kind == "school" else self._of_user(scope)

    # ── one school ───────────────────────────────────────────────────────────────────────────────────────

    def _of_school(self, scope: Scope) -> Iterator[Page | Finished]:
        place, by_school = f"schools/{_quoted(scope.id)}", _filter("school", scope.id)
        courses = yield from self._list("courses", scope, _Way(f"{place}/courses"))
        if courses is None:
            yield Finished("courses")
        # Terms are of no school: whichever come are welcome, and no more is said of them.
        yield from self._list("academicSessions", scope, _Way(f"{place}/terms"))
        refused = []
        classes = yield from self._list("classes", scope, _Way(f"{place}/classes"), *by_school)
        refused.append(classes)
        yield Finished("classes", classes)
        for people in OF_A_SCHOOL:
            refused.append((yield from self._list("users", scope, _Way(f"{place}/{people}"))))
        yield Finished("users", refused[-2] or refused[-1], tuple(OF_A_SCHOOL.values()))
        enrollments = yield from self._list("enrollments", scope, _Way(f"{place}/enrollments"), *by_school)
        refused.append(enrollments)
        yield Finished("enrollments", enrollments)
        if all(refused):
            raise BadAnswer(
                f"{self._source}: {self._host} gives nothing of one school by itself ({classes}).",
                advice=f"`syncd sync {self._source}` pulls everything.",
            )

    # ── one user ─────────────────────────────────────────────────────────────────────────────────────────

    def _of_user(self, scope: Scope) -> Iterator[Page | Finished]:
        doubt: str | None
        try:
            doubt = yield from self._first("enrollments", scope, *_filter("user", scope.id))
        except _NotToBeHad:
            try:
                doubt = yield from self._through_classes(scope)
            except _NotToBeHad as problem:
                doubt = f"enrollments of one user are not to be had ({problem.why})"
        yield Finished("enrollments", doubt)
        yield Finished("users")

    def _through_classes(self, scope: Scope) -> Generator[Page, None, str | None]:
        """The enrollments of a user, class by class. Raises _NotToBeHad."""
        classes: list[tuple[str, str]] = []
        pages = self._first("classes", scope, _Way(f"users/{_quoted(scope.id)}/classes"))
        while True:
            try:
                page = next(pages)
            except StopIteration as end:
                doubt: str | None = end.value
                break
            records = [record for document in page.documents for record in read(document).records]
            classes += [(one.school_id, one.id) for one in records if isinstance(one, Section) and one.school_id and not one.gone]
            yield page
        for school, name in classes:
            place = f"schools/{_quoted(school)}/classes/{_quoted(name)}/enrollments"
            doubt = (yield from self._first("enrollments", scope, _Way(place))) or doubt
        return doubt

    # ── one list ─────────────────────────────────────────────────────────────────────────────────────────

    def _list(self, resource: str, scope: Scope, *ways: _Way) -> Generator[Page, None, str | None]:
        """What of a list belongs to the scope; returns a doubt, None when it came whole."""
        try:
            return (yield from self._first(resource, scope, *ways))
        except _NotToBeHad as problem:
            return f"{resource} of one {scope.kind} are not to be had ({problem.why})"

    def _first(self, resource: str, scope: Scope, *ways: _Way) -> Generator[Page, None, str | None]:
        """A list by the first way that the provider has. Raises _NotToBeHad when it has none."""
        refused = []
        for way in ways:
            try:
                return (yield from self._by(resource, scope, way))
            except _NotToBeHad as problem:
                refused.append(problem.why)
        raise _NotToBeHad(", ".join(refused))

    def _by(self, resource: str, scope: Scope, way: _Way) -> Generator[Page, None, str | None]:
        doubt = None
        try:
            for item in self._collection(resource, way.place, way.chosen).pages():
                if isinstance(item, Finished):
                    doubt = item.doubt
                    continue
                mine = [document for document in item.documents if _belongs(document, scope, told=way.chosen is not None)]
                if way.chosen is not None and len(mine) < len(item.documents):
                    raise _NotToBeHad("the filter is ignored")
                if mine:
                    yield replace(item, documents=mine)
        except (SignInRefused, BadAnswer) as problem:
            if problem.status not in NOT_TO_BE_HAD:
                raise
            raise _NotToBeHad(f"answer {problem.status}") from None
        return doubt


def _belongs(document: Document, scope: Scope, *, told: bool) -> bool:
    """Whether a document says that it belongs to the scope or, unless it has to be told, does not say that it belongs elsewhere. What can
    not be read is for others to judge."""
    for record in read(document).records:
        if scope.kind == "school" and isinstance(record, Section | Enrollment):
            return record.school_id == scope.id or (record.school_id is None and not told)
        if scope.kind == "school" and isinstance(record, User):
            homes = {role.org_id for role in record.roles} - {None}
            return not homes or scope.id in homes
        if scope.kind == "user" and isinstance(record, Enrollment):
            return record.user_id == scope.id
    return True


def _filter(name: str, record_id: str) -> list[_Way]:
    """The way by a filter; none for an id with a quote in it, which the specification does not say how to write."""
    return [] if "'" in record_id else [_Way(chosen=f"{name}.sourcedId='{record_id}'")]


def _quoted(record_id: str) -> str:
    return quote(record_id, safe="")
