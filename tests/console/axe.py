"""axe-core, which looks at a page for what keeps people out (WCAG)."""

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "build" / "assets" / "node_modules" / "axe-core" / "axe.min.js"


def violations(page: Page) -> list[str]:
    """What axe-core finds on a page: rule, and where."""
    if not page.evaluate("() => 'axe' in window"):
        # As a test's own, and not as a script of the page, which the page's policy would refuse.
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [f"{rule['id']}: {node['target']}" for rule in found["violations"] for node in rule["nodes"]]
