"""The docs as a site: built without a warning (a broken link is one), each page to be reached, and nothing asked of a foreign host."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.site import openapi

LOADED = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*?\bsrc=["']([^"']+)|<link\b[^>]*?\bhref=["']([^"']+)""")
IN_STYLES = re.compile(r"""(?:url\(|@import\s+)["']?([^"')]+)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "-c", "docs/site", "-d", str(folder / "trees"), "docs"]
    ended = subprocess.run([*build, str(folder / "html")], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder / "html"


def test_every_page_is_in_the_site_and_in_its_navigation(site: Path) -> None:
    pages = [path.relative_to("docs").with_suffix("") for path in Path("docs").rglob("*.md") if "site" not in path.parts]
    index = (site / "index.html").read_text(encoding="utf-8")
    assert len(pages) > 30
    assert [page for page in pages if not (site / f"{page}.html").is_file()] == []
    assert [page for page in pages if f'href="{page}.html"' not in index and str(page) != "index"] == []


def test_nothing_is_asked_of_a_foreign_host(site: Path) -> None:
    loaded = {found[1] or found[2] for page in site.rglob("*.html") for found in LOADED.finditer(page.read_text(encoding="utf-8"))}
    loaded |= {found[1] for style in site.rglob("*.css") for found in IN_STYLES.finditer(style.read_text(encoding="utf-8"))}
    assert len(loaded) > 5
    assert {address for address in loaded if re.match(r"(?:\w+:)?//", address)} == set()


@pytest.mark.parametrize("page", [Path("README.md"), Path("CONTRIBUTING.md"), *Path("docs").rglob("*.md")], ids=str)
def test_links_go_to_files_that_are_there(page: Path) -> None:
    """Sphinx knows the links within docs/; a code host shows those of the README, too."""
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_an_api_is_drawn_out_of_its_document() -> None:
    run = {
        "description": "One run.",
        "properties": {
            "run": {"type": "integer", "description": "Its number."},
            "state": {"$ref": "#/components/schemas/State"},
            "error": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
        "required": ["run"],
    }
    operation = {
        "tags": ["runs"],
        "summary": "A run",
        "parameters": [{"name": "run", "in": "path", "required": True, "schema": {"type": "integer"}, "description": "One | number."}],
        "responses": {"200": {"description": "The run", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Run"}}}}},
    }
    document = {
        "paths": {"/api/runs/{run}": {"get": operation}},
        "components": {"schemas": {"Run": run, "State": {"enum": ["held", "applied"]}}},
    }
    told = openapi.reference(document)
    assert "## Runs\n\n### `GET /api/runs/{run}`" in told
    assert r"| `run` | path | integer | One \| number. |" in told
    assert "| 200 | The run | [Run](#object-run) |" in told
    assert "| `run` | integer | Its number. |" in told
    assert "| `state` | [State](#object-state), optional |  |" in told
    assert "| `error` | string or null, optional |  |" in told
    assert "| `counts` | object of integer, optional |  |" in told
    assert "`held`, `applied`" in told
