"""Pages of the project's root, ``CHANGELOG.md`` and ``CONTRIBUTING.md``, as pages of the site."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"changelog": "CHANGELOG.md", "contributing": "CONTRIBUTING.md"}


def _read(_app: Sphinx, page: str, source: list[str]) -> None:
    """Put the text of the root's page in the place of the stand-in that leads to it."""
    if page in PAGES:
        text = (ROOT / PAGES[page]).read_text(encoding="utf-8")
        source[0] = re.sub(r"\]\(docs/", "](", text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Listen when a page is read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
