"""How Sphinx makes a site of docs/*.md (`make docs`). The pages themselves are plain Markdown and know nothing of it; docs/decisions/0008
says why Sphinx. Whatever it warns of is an error."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from syncd import __version__  # noqa: E402

project = "syncd"
release = __version__
extensions = ["myst_parser", "sphinx_external_toc", "openapi"]

# Pages
source_suffix = {".md": "markdown"}
exclude_patterns = ["site"]
external_toc_path = str(Path(__file__).parent / "navigation.yml")
myst_enable_extensions = ["alert"]
myst_heading_anchors = 3
nitpicky = True
# It would make a dash of `--config` in a sentence.
smartquotes = False

# The HTTP API, as "module:name" of its FastAPI app: docs/api.md has a reference of all it can do.
openapi_app = "app:app"

# What it looks like
html_theme = "furo"
html_title = "syncd"
html_static_path = ["static"]
html_css_files = ["syncd.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_use_index = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1a5fb4", "color-brand-content": "#1a5fb4"},
    "dark_css_variables": {"color-brand-primary": "#78aeed", "color-brand-content": "#78aeed"},
}
