"""What of a source is known already, as a connector may ask: a page that came before, byte for byte, need not be taken apart again.

A connector that does not ask works all the same: its pages are then compared document by document.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import xxhash

# bytes → 16 bytes that differ when those do. (XXH3 is quick, and meets no enemy here: who sends a source's documents may change them.)
fingerprint = xxhash.xxh3_128_digest


@dataclass(frozen=True, slots=True)
class Same:
    """A page that came before just so, and of whose documents nothing has to be read again.

    number: its place among the resource's pages then, from 0. count: its documents. first, last: their first and last id, where all stood
    in rising order; else None. ids: reads the ids of all, in the page's order.
    """

    number: int
    count: int
    first: str | None
    last: str | None
    ids: Callable[[], list[str]]


@dataclass(frozen=True, slots=True)
class Tag:
    """What a provider calls the state of an answer (ETag, RFC 9110, section 8.8.3). address: the fingerprint of where it was asked for."""

    address: bytes
    etag: str


class Known:
    """What is known of a source. This one knows nothing: everything is new to it. It is asked from the thread that fetches.

    cursor: where the next pull of changes was to start by what is known.
    """

    cursor: Any = None

    def page(self, resource: str, digest: bytes) -> Same | None:
        """The page of a resource whose answer had this fingerprint, if nothing of it has to be read again."""
        return None

    def tagged(self, resource: str, address: bytes) -> tuple[str, bytes] | None:
        """(ETag, fingerprint) of the answer that came from an address, if `page` would know it again."""
        return None

    def came(self, digest: bytes) -> bool:
        """Whether an answer with this fingerprint came before, and was understood."""
        return False
