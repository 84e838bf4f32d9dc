"""A browser for the tests of this folder: Debian's Chromium, without a window."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.console.console import PASSWORDS, Served, served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Seconds that a page may take on a busy machine.
expect.set_options(timeout=20_000)
MISSING = "no Chromium is here: `make tools` installs Debian's (as root)"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield found
        found.close()


class Visitor:
    """A person with a browser. foreign: hosts that a page asked for something, beside the console's own; broken: errors of its scripts."""

    def __init__(self, browser: Browser, console: Served, **options: Any) -> None:
        self.console = console
        self.context: BrowserContext = browser.new_context(**options)
        self.foreign: list[str] = []
        self.broken: list[str] = []
        self.context.on("request", lambda request: None if request.url.startswith(console.url) else self.foreign.append(request.url))
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("pageerror", lambda problem: self.broken.append(str(problem)))

    def at(self, path: str) -> Page:
        self.page.goto(self.console.url + path)
        return self.page

    def sign_in(self, name: str) -> Page:
        page = self.at("/signin")
        page.get_by_label("Account").fill(name)
        page.get_by_label("Password").fill(PASSWORDS[name])
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Sign out").wait_for()
        return page


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Open a browser's window at a console: visit(console, name=None, **options of the window)."""
    visitors: list[Visitor] = []

    def come(console: Served, name: str | None = None, **options: Any) -> Visitor:
        visitor = Visitor(browser, console, **options)
        visitors.append(visitor)
        if name is not None:
            visitor.sign_in(name)
        return visitor

    yield come
    for visitor in visitors:
        visitor.context.close()
        assert visitor.foreign == [], "a page asks another host for something"
        assert visitor.broken == [], "a script of a page is broken"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A console over a small district that was synced once."""
    with served(tmp_path_factory.mktemp("console"), synced=True) as found:
        yield found
