"""Operators watch a run live; admins approve, and undo; an operator can do neither."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.console.conftest import Visitor
from tests.console.console import Served, served


def test_a_run_is_watched_live_until_its_end(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    with served(tmp_path, synced=True) as console:
        page = visit(console, "otto").at("/sources/springfield")
        console.sandbox.fault("slow", path="/users", seconds=6, times=1)
        page.get_by_role("button", name="Full sync").click()
        page.wait_for_url("**/runs/*")
        expect(page.get_by_role("progressbar")).to_be_visible()
        expect(page.locator("[data-progress]")).to_contain_text("fetching")
        expect(page.get_by_role("list", name="Log lines")).to_contain_text("run started")
        # Nobody loads the page anew: at the end it shows by itself how it went.
        expect(page.get_by_role("heading", level=1)).to_contain_text("applied", timeout=60_000)
        expect(page.get_by_role("list", name="Log lines")).to_contain_text("run finished")
        expect(page.get_by_text("full, manual by otto")).to_be_visible()


def test_a_mass_removal_waits_is_approved_and_is_undone(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    with served(tmp_path, synced=True) as console:
        before = console.people()
        console.sandbox.rehearse("mass-removal")
        console.sync_by_hand("--full")
        assert console.people() == before

        operator = visit(console, "otto").at("/")
        expect(operator.get_by_role("heading", name="Waits for a person")).to_be_visible()
        operator.get_by_role("region", name="Waits for a person").get_by_role("link").first.click()
        expect(operator.get_by_text("An admin has to approve or reject it.")).to_be_visible()
        expect(operator.get_by_role("button", name="Approve")).to_have_count(0)
        answer = console.browse("otto").act(f"/runs/{operator.url.rsplit('/', 1)[1]}/approve")
        assert answer.status_code == 403

        page = visit(console, "ada").at("/")
        page.get_by_role("region", name="Waits for a person").get_by_role("link").first.click()
        expect(page.get_by_role("article")).to_contain_text("would be deactivated")
        page.get_by_role("button", name="Preview the approval").click()
        expect(page.get_by_text("A dry run")).to_be_visible(timeout=60_000)
        page.go_back()
        page.goto(console.url + "/")
        page.get_by_role("region", name="Waits for a person").get_by_role("link").first.click()
        page.get_by_role("button", name="Approve: apply what is held").click()
        page.wait_for_url("**/runs/*")
        expect(page.get_by_role("heading", level=1)).to_contain_text("applied", timeout=60_000)
        assert len(console.people()) < len(before)

        page.get_by_text("Undo this run").click()
        expect(page.get_by_text("Takes back what this run changed")).to_contain_text("users deactivated")
        approval = page.url
        page.get_by_role("button", name="Undo run").click()
        page.wait_for_url(lambda url: "/runs/" in url and url != approval)
        expect(page.get_by_role("heading", level=1)).to_contain_text("applied", timeout=60_000)
        assert console.people() == before


def test_what_is_held_is_rejected(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    with served(tmp_path, synced=True) as console:
        before = console.people()
        console.sandbox.rehearse("mass-removal")
        console.sync_by_hand("--full")
        page = visit(console, "ada").at("/")
        page.get_by_role("region", name="Waits for a person").get_by_role("link").first.click()
        page.get_by_role("button", name="Reject: drop it").click()
        expect(page.get_by_role("status")).to_contain_text("Rejected")
        assert console.people() == before
        page.goto(console.url + "/")
        expect(page.get_by_role("heading", name="Waits for a person")).to_have_count(0)


def test_a_paused_source_rests_until_it_is_resumed(visit: Callable[..., Visitor], console: Served) -> None:
    page = visit(console, "otto").at("/sources/springfield")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("paused")
    expect(page.get_by_text("by otto")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("up to date")
