"""The check of the built site's links finds what is broken, and nothing else."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("links")


def site_of(folder: Path, body: str, **others: str) -> Path:
    (folder / "index.html").write_text(f"<h1 id='top'>A</h1>{body}", encoding="utf-8")
    (folder / "part").mkdir()
    (folder / "part" / "page.html").write_text("<h2 id='be-low'>B</h2>", encoding="utf-8")
    for name, text in others.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "target", ["#top", "part/page.html", "part/page.html#be-low", "part/page.html?x=1", "?q", ""]
)
def test_check__accepts_what_is_there(links: ModuleType, tmp_path: Path, target: str) -> None:
    assert links.check(site_of(tmp_path, f"<a href='{target}'>x</a>")) == ([], [])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<a href='gone.html'>x</a>", "no such file"),
        ("<a href='#gone'>x</a>", "no such place"),
        ("<a href='part/page.html#top'>x</a>", "no such place"),
        ("<a href='../outside.html'>x</a>", "no such file"),
        ("<a href='/index.html'>x</a>", "root of the server"),
        ("<img src='gone.png'>", "no such file"),
        ("<img srcset='style.css 1x, gone.png 2x'>", "gone.png: no such file"),
        ("<script src='https://cdn.example.org/a.js'></script>", "from another site"),
        ("<link rel='stylesheet' href='//fonts.example.org/a.css'>", "from another site"),
        ("<p style=\"background: url('https://example.org/a.png')\">x</p>", "from another site"),
    ],
)
def test_check__names_page_and_target(
    links: ModuleType, tmp_path: Path, body: str, why: str
) -> None:
    (problem,) = links.check(site_of(tmp_path, body, style_css=""))[0]
    assert problem.startswith("index.html: ")
    assert why in problem


def test_check__reads_style_sheets(links: ModuleType, tmp_path: Path) -> None:
    style = "@font-face { src: url(https://example.org/a.woff2) } a { b: url('data:x') }"
    problems, _ = links.check(site_of(tmp_path, "", style_css=style))
    assert problems == ["style.css: https://example.org/a.woff2: no such file in the site"]


def test_check__lists_other_sites_without_trying(links: ModuleType, tmp_path: Path) -> None:
    body = "<a href='https://example.org/'>x</a><a href='mailto:a@example.org'>y</a>"
    assert links.check(site_of(tmp_path, body)) == ([], ["https://example.org/"])


def test_main__an_empty_folder_is_a_failure(links: ModuleType, tmp_path: Path) -> None:
    assert links.main([str(tmp_path)]) == 1
