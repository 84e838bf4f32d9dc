"""District IT turns on automatic sync in the browser: from an empty installation to an applied first run, without a terminal."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from syncd.store import keyfile
from tests.console.axe import violations
from tests.console.conftest import Visitor
from tests.console.console import served, until

# The sandbox is at this machine.
REACHED = 'networks = ["127.0.0.0/8"]'


def test_from_nothing_to_a_synced_clever_district(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    with served(tmp_path, sources="", console=REACHED) as console:
        page = visit(console, "ada").page
        expect(page.get_by_text("No source yet")).to_be_visible()
        page.get_by_role("button", name="Enable automatic Clever sync").click()
        page.get_by_label("A short name for the district").fill("springfield")
        page.get_by_label("District token").fill("not-the-token-at-all")
        page.get_by_text("More settings").click()
        page.locator("input[name=url]").fill(console.sandbox.clever_url)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_contain_text("Saved")
        assert "not-the-token-at-all" not in page.content()

        page.get_by_role("button", name="Test the connection").click()
        expect(page.get_by_role("status")).to_contain_text("refused")

        page.get_by_role("button", name="Settings").click()
        assert "not-the-token-at-all" not in page.content(), "a secret is never shown again"
        page.get_by_label("District token").fill(console.sandbox.token)
        page.get_by_role("button", name="Save").click()
        page.get_by_role("button", name="Test the connection").click()
        expect(page.get_by_role("status")).to_contain_text("The connection works")

        page.get_by_role("button", name="Preview (dry run)").click()
        expect(page.get_by_text("A dry run: this is what would change. Nothing was changed.")).to_be_visible(timeout=60_000)
        people = page.get_by_role("row", name="users").get_by_role("cell").nth(1)
        count = people.inner_text()
        assert int(count.replace(",", "")) > 60, "students, guardians and teachers would be created"
        expect(page.get_by_role("group", name="Samples").get_by_text("given_name").first).to_be_visible()
        assert console.command("roster", "users", "--json").count('"id"') == 0

        page.get_by_role("button", name="Switch on springfield").click()
        expect(page.get_by_role("status")).to_contain_text("Switched on")
        admin = console.browse("ada")
        until(lambda: "up to date" in admin.at("/sources/springfield").text, lambda: console.log)
        page.reload()
        expect(page.get_by_role("heading", name="springfield")).to_contain_text("up to date")
        expect(page.get_by_role("link", name=count).first).to_be_visible()


def test_what_is_wrong_in_the_form_is_said_and_nothing_is_lost(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    with served(tmp_path, sources="", console=REACHED) as console:
        page = visit(console, "ada").at("/sources/new?connector=oneroster")
        page.get_by_label("A short name for the district").fill("shelbyville")
        page.get_by_label("Address of the service").fill("http://sis.example.org/ims/oneroster/v1p1")
        page.get_by_label("Frequent pulls").fill("now and then")
        page.get_by_label("Client secret").fill("pasted-secret-of-shelbyville")
        page.get_by_text("More settings").click()
        page.get_by_label("Believe ETags").uncheck()
        page.get_by_role("button", name="Save").click()
        problems = page.get_by_role("alert")
        expect(problems).to_contain_text("schedule")
        expect(page.get_by_label("A short name for the district")).to_have_value("shelbyville")
        expect(page.get_by_label("Frequent pulls")).to_have_value("now and then")
        expect(page.get_by_label("Believe ETags")).not_to_be_checked()
        assert "pasted-secret" not in page.content()
        assert console.command("sources", "--json").count("shelbyville") == 0


def test_what_can_not_be_used_as_it_is_kept_stands_on_the_overview_and_can_be_mended(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    with served(tmp_path, sources="", console=REACHED) as console:
        admin = console.browse("ada")
        fields = {"connector": "clever", "token": console.sandbox.token, "url": console.sandbox.clever_url, "schedule": "every 1 hour"}
        for name in ("springfield", "shelbyville"):
            assert admin.act("/sources/new", source=name, **fields).status_code == 303
        console.stop()
        keyfile.path(console.store).unlink()
        console.start()
        page = visit(console, "ada").at("/")
        left_out = page.get_by_role("region", name="Left out")
        expect(left_out).to_contain_text("shelbyville")
        expect(left_out).to_contain_text("enter them again")
        assert violations(page) == []
        left_out.get_by_role("listitem").filter(has_text="springfield").get_by_role("link", name="Mend it").click()
        page.get_by_label("District token").fill(console.sandbox.token)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_contain_text("Saved")
        page.goto(console.url + "/")
        expect(left_out).to_contain_text("shelbyville")
        expect(left_out).not_to_contain_text("springfield")
        page.get_by_role("link", name="springfield").click()
        page.get_by_role("button", name="Test the connection").click()
        expect(page.get_by_role("status")).to_contain_text("The connection works")
