"""Next-links: only to the source itself, and never in a circle."""

from urllib.parse import urljoin, urlsplit

from syncd.errors import BadAnswer

MOST_PAGES = 100_000


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port, the default port told."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def next_link(source: str, base_url: str, current_url: str, link: str, *, what: str = "a next link") -> str:
    """The absolute address of a link. Raises BadAnswer when it leads away from the configured source: our credentials would follow."""
    try:
        target = urljoin(current_url, link)
        same = origin(target) == origin(base_url)
    except ValueError:
        same = False
    if not same:
        raise BadAnswer(
            f"{source}: {origin(base_url)[1]} sent {what} to another address.",
            advice="Nothing was followed or applied; tell the operator of the source.",
        )
    return target


class LoopGuard:
    """Remembers where a paging has been. `pass_by` raises BadAnswer at a second visit, or after MOST_PAGES places."""

    def __init__(self, source: str, resource: str) -> None:
        self._source = source
        self._resource = resource
        self._been: set[int] = set()

    def pass_by(self, place: object) -> None:
        """place: whatever tells one page from another, such as its address, or what stands in it."""
        if hash(place) in self._been or len(self._been) >= MOST_PAGES:
            raise BadAnswer(
                f"{self._source}: the pages of {self._resource} go round in a circle.",
                advice="Nothing was applied; tell the source's operator.",
            )
        self._been.add(hash(place))
