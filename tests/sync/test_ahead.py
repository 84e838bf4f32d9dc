"""While one page is read and written the next ones come, within bounds; and nobody waits for a source that is not needed any more."""

import threading
from collections.abc import Iterator

import pytest
import structlog

from syncd.contract.connector import Context
from syncd.errors import BadAnswer, Stopped
from syncd.sync.ahead import DEPTH, ahead

WAIT = 20


def test_what_comes_keeps_its_order_and_its_end() -> None:
    with ahead(iter(range(50)), Context("springfield")) as items:
        assert list(items) == list(range(50))


def test_the_next_page_is_fetched_while_this_one_is_in_hand_and_not_many_more() -> None:
    made: list[int] = []
    enough = threading.Event()

    def pages() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if number == DEPTH + 1:
                enough.set()
            yield number

    with ahead(pages(), Context("springfield")) as items:
        assert next(items) == 0
        # Nobody takes page 1, and page DEPTH + 1 is made all the same.
        assert enough.wait(WAIT)
        assert not threading.Event().wait(0.2)
        assert made == list(range(DEPTH + 2))
        assert list(items) == list(range(1, 10))


def test_what_goes_wrong_comes_after_what_came_before_it() -> None:
    def pages() -> Iterator[int]:
        yield 1
        raise BadAnswer("springfield: no list")

    got = []
    with pytest.raises(BadAnswer, match="no list"), ahead(pages(), Context("springfield")) as items:
        got += list(items)
        raise AssertionError("the list ended without a word")
    assert got == []
    with ahead(pages(), Context("springfield")) as items:
        assert next(items) == 1
        with pytest.raises(BadAnswer):
            next(items)


def test_who_leaves_early_does_not_wait_for_the_source() -> None:
    context, waited = Context("springfield"), []

    def pages() -> Iterator[int]:
        yield 1
        try:
            context.wait(3600)
        except Stopped:
            waited.append("ended")
            raise

    with pytest.raises(ZeroDivisionError), ahead(pages(), context) as items:
        next(items)
        raise ZeroDivisionError
    assert waited == ["ended"]
    assert not [thread for thread in threading.enumerate() if thread.name == "fetch-springfield"]


def test_who_has_all_of_it_may_ask_the_source_on() -> None:
    context = Context("springfield")
    with ahead(iter([1]), context) as items:
        list(items)
    assert not context.over


def test_what_the_fetching_thread_logs_belongs_to_the_run() -> None:
    seen = []

    def pages() -> Iterator[int]:
        seen.append(structlog.contextvars.get_contextvars())
        yield 1

    with structlog.contextvars.bound_contextvars(run=7), ahead(pages(), Context("springfield")) as items:
        list(items)
    assert seen[0]["run"] == 7
