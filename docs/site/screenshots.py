"""Pictures of the console's pages, in docs/screenshots, out of a pretend district: `make screenshots`."""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, ViewportSize, sync_playwright

from tests.console.console import PASSWORDS, SOURCE, Served, served, until

FOLDER = Path("docs/screenshots")
OFFICE = SOURCE + '\n[sources.office]\nconnector = "by-hand"\n'
WIDE: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}


def lived_through(console: Served) -> None:
    """A few school days, and a mass removal that waits for a person."""
    for _ in range(4):
        console.sandbox.day()
        console.sync_by_hand()
    console.sandbox.rehearse("mass-removal")
    console.sync_by_hand("--full")


def pages(page: Page, console: Served) -> dict[str, str]:
    """{name of a picture: address}."""
    page.goto(f"{console.url}/roster?kind=users&source=springfield")
    person = page.get_by_role("rowheader").first.get_by_role("link").get_attribute("href")
    page.goto(f"{console.url}/runs?state=held")
    held = page.get_by_role("rowheader").first.get_by_role("link").get_attribute("href")
    assert person and held
    return {
        "overview": "/", "source": "/sources/springfield", "new-source": "/sources/new", "connect-clever": "/sources/new?connector=clever",
        "connect-oneroster": "/sources/new?connector=oneroster", "runs": "/runs", "run": "/runs/2", "held": held,
        "roster": "/roster?kind=users", "person": person, "logs": "/logs", "quality": "/quality?source=springfield", "audit": "/audit",
        "office": "/sources/office", "enter": "/people/new?source=office", "import": "/import?source=office",
    }  # fmt: skip


def _columns(page: Page, console: Served, folder: Path, ending: str) -> None:
    """A spreadsheet in which something is wrong."""
    sheet = folder / "students.csv"
    sheet.write_text("First Name,Last Name,Username,Grade,Student ID\nVera,Ashdown,vash,9,00123\nRowan,Ashdown,vash,14,00124\n")
    page.goto(f"{console.url}/import?source=office")
    page.get_by_label("File").set_input_files(sheet)
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("button", name="Check every row").click()
    page.get_by_role("alert").wait_for()
    page.screenshot(path=FOLDER / f"import-columns{ending}.png")


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("no Chromium is here: `make tools` installs Debian's (as root)")
    FOLDER.mkdir(exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        served(Path(folder), students=400, sources=OFFICE, synced=True) as console,
        sync_playwright() as playwright,
    ):
        lived_through(console)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for ending, context in (
            ("", browser.new_context(viewport=WIDE, color_scheme="light")),
            ("-phone", browser.new_context(viewport=PHONE, color_scheme="dark")),
        ):
            page = context.new_page()
            page.goto(f"{console.url}/signin")
            page.screenshot(path=FOLDER / f"sign-in{ending}.png")
            page.get_by_label("Account").fill("ada")
            page.get_by_label("Password").fill(PASSWORDS["ada"])
            page.get_by_role("button", name="Sign in").click()
            page.get_by_role("button", name="Sign out").wait_for()
            for name, address in pages(page, console).items():
                page.goto(console.url + address)
                until(lambda page=page: page.evaluate("() => document.readyState === 'complete'"))
                page.screenshot(path=FOLDER / f"{name}{ending}.png")
            _columns(page, console, Path(folder), ending)
        browser.close()
    sys.stderr.write(f"{FOLDER}: {len(list(FOLDER.glob('*.png')))} pictures\n")


if __name__ == "__main__":
    main()
