"""Every page for everybody: axe-core finds nothing on any page, in light and dark, on a phone and a wide screen; a keyboard is enough."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from syncd.store import orders
from tests.console.axe import violations
from tests.console.conftest import Visitor
from tests.console.console import PASSWORDS, Served, until

PAGES = (
    "/", "/sources/springfield", "/sources/new", "/sources/new?connector=clever", "/sources/new?connector=oneroster",
    "/sources/new?connector=templates", "/runs", "/runs/1", "/runs?source=nobody",
    "/roster", "/roster?kind=sections", "/logs", "/quality", "/quality?source=springfield", "/audit", "/api/docs",
    "/there-is-no-such-page", "/orders/1",
)  # fmt: skip


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 360)])
def test_axe_finds_nothing_on_any_page(scheme: str, width: int, visit: Callable[..., Visitor], console: Served) -> None:
    visitor = visit(console, None, color_scheme=scheme, viewport={"width": width, "height": 800})
    found = {"/signin": violations(visitor.at("/signin"))}
    page = visitor.sign_in("ada")
    console.browse("ada").act("/sources/springfield/sync", dry_run="1")
    # A page that shows a run loads itself anew when that ends.
    until(lambda: not is_at_work(console), lambda: console.log)
    for path in (*PAGES, a_person(page, console)):
        page.goto(console.url + path)
        found[path] = violations(page)
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth + 1"), f"{path} scrolls sideways"
    assert {path: told for path, told in found.items() if told} == {}


def is_at_work(console: Served) -> bool:
    with console.store.read() as connection:
        return bool(orders.open_ones(connection))


def a_person(page: Page, console: Served) -> str:
    """The address of a person's page."""
    page.goto(console.url + "/roster?kind=users")
    address = page.get_by_role("rowheader").first.get_by_role("link").get_attribute("href")
    assert address
    return address


def test_a_keyboard_is_enough_to_sign_in_and_sync(visit: Callable[..., Visitor], console: Served) -> None:
    visitor = visit(console)
    page = visitor.at("/signin")
    expect(page.get_by_label("Account")).to_be_focused()
    page.keyboard.type("otto")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORDS["otto"])
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Overview").wait_for()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    reach(page, "springfield")
    page.get_by_role("heading", name="springfield").wait_for()
    reach(page, "Sync now")
    page.wait_for_url(lambda url: "/runs/" in url or "/orders/" in url)


def reach(page: Page, name: str) -> None:
    """Go with Tab to what is called so, see that its focus shows, and press Enter."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.textContent.trim()") == name:
            outline = page.evaluate("() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.boxShadow }")
            assert outline != "nonenone", f"nobody sees that {name} has the focus"
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"Tab does not lead to {name}")
