"""What has come to a place: which of it is read now, when it is all there, and what becomes of it then.

A folder in which zips arrive is a queue. Each zip is read once, in the order in which they came, and then set aside; one that lists
everything says all that those before it say, so that it goes first. What has only changes in it is never passed over.
"""

import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
import xxhash

from syncd.contract.connector import Context
from syncd.errors import BadFile, SourceError, SourceUnavailable
from syncd.files.bundle import Bundle
from syncd.files.place import Item, Place, is_zip, opened
from syncd.files.settings import FilesSettings

log = structlog.get_logger()

# Seconds for which a file that does not come to rest is waited for.
LONGEST = 600
# Seconds by which another machine's clock is taken to be wrong at most.
SKEW = 3600


@dataclass(frozen=True, slots=True)
class Choice:
    """What is read now: one zip, or the files that lie side by side. queued: it lies in a folder in which zips arrive; passed: those before
    it, of which it says all that they say; behind: how many come after it."""

    items: tuple[Item, ...]
    queued: bool = False
    passed: tuple[Item, ...] = ()
    behind: int = 0

    @property
    def state(self) -> str:
        """Says the same as long as nothing of it changes, wherever it is moved to."""
        told = [(item.size, item.changed, item.mark) if self.queued else tuple(item) for item in sorted(self.items)]
        return xxhash.xxh3_128(repr(told).encode()).hexdigest()


class Arrival:
    """The files of one source. endings: of files that are read, as `.csv`; what: those, in a word. lists_everything: whether a bundle says
    all that there is to say."""

    def __init__(
        self,
        settings: FilesSettings,
        context: Context,
        endings: Collection[str],
        what: str,
        lists_everything: Callable[[Bundle], bool],
    ) -> None:
        self._settings, self._context, self._endings, self._what = settings, context, endings, what
        self._lists_everything = lists_everything
        self._place: Place = opened(settings, context)
        self._read: Choice | None = None
        self._fetched: tuple[Choice, Path] | None = None
        self._desk = ExitStack()

    def choose(self) -> Choice:
        """What would be read now. Raises what places raise."""
        only = self._place.file()
        if only is not None:
            if self._is_loose(only):
                raise self._bad(f"{only.name} is one file, and a roster is several.", "Name the folder that it lies in.")
            return Choice((only,))
        there = self._place.files()
        loose = [item for item in there if self._is_loose(item)]
        if loose:
            return Choice(tuple(sorted(loose)))
        zips = sorted((item for item in there if is_zip(item)), key=lambda item: item.order)
        if not zips:
            return Choice((self._newest_aside(),), queued=True)
        if len(zips) > 1 and (not self._settings.set_aside or self._all_in(zips[-1])):
            return Choice((zips[-1],), queued=True, passed=tuple(zips[:-1]))
        return Choice((zips[0],), queued=True, behind=len(zips) - 1)

    @contextmanager
    def opened(self) -> Iterator[Bundle]:
        """The files, once they have come to rest. Raises BadFile, SourceUnavailable, SignInRefused and Stopped."""
        choice, path = self._rested(self.choose())
        with Bundle(path, self._context.source) as bundle:
            if not bundle.names:
                raise bundle.bad("has no files in it.", "Check the path.")
            self._context.traffic.files = [item.name for item in choice.items]
            self._read = choice
            yield bundle

    def is_read(self, state: str, kept: Callable[[str], str]) -> bool:
        """Whether what would be read now is on another machine, and in the state that it was read in. kept: makes of a state what is kept
        of it."""
        return self._place.far and kept(self.choose().state) == state

    def state(self) -> str:
        """Of what was read."""
        return self._read.state if self._read is not None else ""

    def next(self) -> bool:
        """Whether something waits behind what was read, which is set aside then. Raises BadFile where that can not be done: the others
        would wait for ever."""
        if self._read is None or not self._read.behind or not self._settings.set_aside:
            return False
        for item in self._to_move(self._read):
            self._place.put_aside(item)
        self._read = None
        return True

    def settle(self) -> None:
        """Set aside what was read, and let go of the oldest of what lies there; it is told what can not be."""
        if self._read is None or not self._settings.set_aside:
            return
        try:
            for item in self._to_move(self._read):
                self._place.put_aside(item)
            for item in self._old():
                self._place.remove(item)
        except SourceError as problem:
            log.warning("not set aside", error=problem.message)

    def earlier(self) -> list[Item]:
        """What was read before what is read now, from the newest on that lists everything, the oldest first; none when none is kept that
        does. Raises BadFile."""
        found: list[Item] = []
        for item in reversed(self._aside()):
            if self._read is None or item not in self._read.items:
                found.append(item)
                if self._is_whole(item):
                    return found[::-1]
        return []

    @contextmanager
    def kept(self, item: Item) -> Iterator[Bundle]:
        """One that was set aside."""
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="syncd-"))
            yield stack.enter_context(Bundle(self._place.fetch((item,), Path(folder)), self._context.source))

    def close(self) -> None:
        self._place.close()
        self._fetched = None
        self._desk.close()

    def _to_move(self, choice: Choice) -> list[Item]:
        if not choice.queued:
            return []
        # One that was sent anew under its name meanwhile has not been read.
        there = set(self._place.files())
        return [item for item in (*choice.passed, *choice.items) if item in there]

    def _aside(self) -> list[Item]:
        """The oldest first: their names begin with their dates."""
        return sorted(item for item in self._place.files(aside=True) if is_zip(item))

    def _old(self) -> list[Item]:
        """Those that need not be kept any more: neither among the newest, nor what changes are read on top of."""
        found = self._aside()
        if len(found) <= self._settings.keep:
            return []
        whole = next((place for place in reversed(range(len(found))) if self._is_whole(found[place])), 0)
        return found[: min(whole, len(found) - self._settings.keep)]

    def _is_whole(self, item: Item) -> bool:
        """Whether one that was set aside lists everything. One that can not be read says nothing."""
        try:
            with self.kept(item) as bundle:
                return self._lists_everything(bundle)
        except BadFile:
            return False

    def _newest_aside(self) -> Item:
        """What was read last is still what is known."""
        found = self._aside()
        if not found:
            raise self._bad(f"there is neither a zip nor a {self._what} file in {self._place.name}.", "Check the path.")
        return found[-1]

    def _all_in(self, item: Item) -> bool:
        """Whether a zip lists everything. One that can not be read says nothing."""
        try:
            _, path = self._rested(Choice((item,), queued=True))
            with Bundle(path, self._context.source) as bundle:
                return self._lists_everything(bundle)
        except BadFile:
            return False

    # ── until it is all there ─────────────────────────────────────────────────────────────────────

    def _rested(self, choice: Choice) -> tuple[Choice, Path]:
        """What is read, and where it lies on this machine, once nobody writes to it any more."""
        until, still = time.monotonic() + LONGEST, self._settings.still
        if not self._place.far:
            while (left := still - (time.time() - self._place.moved(choice.items))) > 0:
                self._pause(min(left, still), until, choice)
            return choice, self._place.fetch(choice.items, Path())
        while True:
            self._refuse_late(until, choice)
            if self._fetched is not None and self._fetched[0].items == choice.items:
                return choice, self._fetched[1]
            while time.time() - max(item.changed for item in choice.items) < SKEW + still:
                self._pause(still, until, choice)
                before, choice = choice, self._again(choice)
                if choice == before:
                    break
            self._desk.close()
            folder = self._desk.enter_context(tempfile.TemporaryDirectory(prefix="syncd-"))
            path = self._place.fetch(choice.items, Path(folder))
            before, choice = choice, self._again(choice)
            if choice == before:
                self._fetched = choice, path

    def _again(self, choice: Choice) -> Choice:
        """The same files as they are now."""
        names = {item.name for item in choice.items}
        only = None if choice.queued or len(choice.items) > 1 else self._place.file()
        there: Sequence[Item] = [only] if only is not None else self._place.files(aside=choice.items[0].aside)
        wanted = [item for item in there if (item.name in names if choice.queued or only else self._is_loose(item))]
        if not wanted:
            raise self._bad(f"{choice.items[0].name} was taken away while it was read.", "The next run looks again.")
        return Choice(tuple(sorted(wanted)), choice.queued, choice.passed, choice.behind)

    def _is_loose(self, item: Item) -> bool:
        return item.name.lower().endswith(tuple(self._endings))

    def _pause(self, seconds: float, until: float, choice: Choice) -> None:
        self._refuse_late(until, choice)
        self._context.wait(seconds)

    def _refuse_late(self, until: float, choice: Choice) -> None:
        if time.monotonic() > until:
            raise SourceUnavailable(
                f"{self._context.source}: {choice.items[0].name} is still being written.", advice="The next run tries again."
            )

    def _bad(self, told: str, advice: str) -> BadFile:
        return BadFile(f"{self._context.source}: {told}", advice=advice)
