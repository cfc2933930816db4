"""Follow every link of the built site: pages, pictures, scripts, styles and places in pages.

``python tools/links.py site`` needs no network: links to other sites are listed, not tried. What a
page loads by itself (scripts, styles, pictures, fonts) must be part of the site.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes that name something, and whether a browser fetches it by itself.
_NAMES = {"href": False, "src": True, "poster": True, "data": True, "srcset": True}
_FETCHED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "manifest"}
_IN_STYLE = re.compile(r"""url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)""")


@dataclass
class _Page(HTMLParser):
    """What a page names, and the places that it has."""

    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    places: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.places.update(given[name] for name in ("id", "name") if given.get(name))
        self.fetched += _in_style(given.get("style", ""))
        for name, by_itself in _NAMES.items():
            if name not in given or (name == "data" and tag != "object"):
                continue
            if tag == "link":
                by_itself = not _FETCHED_LINKS.isdisjoint(given.get("rel", "").split())
            several = given[name].split(",") if name == "srcset" else [given[name]]
            targets = self.fetched if by_itself else self.links
            targets += [one.split()[0] if name == "srcset" else one for one in several]


def check(site: Path) -> tuple[list[str], list[str]]:
    """Check a site.

    Parameters
    ----------
    site : Path
        Its folder.

    Returns
    -------
    list of str
        A sentence for each link that leads nowhere, and for each thing fetched from elsewhere.
    list of str
        Addresses of other sites, sorted.
    """
    pages = {path.resolve(): _read(path) for path in sorted(site.rglob("*.html"))}
    problems: list[str] = []
    elsewhere: set[str] = set()
    for path, page in pages.items():
        shown = path.relative_to(site.resolve())
        for target, by_itself in _all_targets(page):
            parts = urlsplit(target)
            if parts.scheme in ("data", "mailto", "javascript"):
                continue
            if parts.scheme or parts.netloc:
                if by_itself:
                    problems.append(f"{shown}: fetches {target} from another site")
                elsewhere.add(target)
            elif wrong := _wrong(site, path, pages, parts.path, parts.fragment):
                problems.append(f"{shown}: {target}: {wrong}")
    for path in sorted(site.rglob("*.css")):
        problems.extend(
            f"{path.relative_to(site)}: {target}: no such file in the site"
            for target in _in_style(path.read_text(encoding="utf-8"))
            if not target.startswith(("data:", "#")) and not _is_there(site, path, target)
        )
    return problems, sorted(elsewhere)


def main(arguments: list[str]) -> int:
    """Check the site in a folder and say what was found; return the exit status."""
    site = Path(arguments[0])
    n_pages = len(list(site.rglob("*.html")))
    if not n_pages:
        print(f"Error: there is no page in {site}.", file=sys.stderr)
        return 1
    problems, elsewhere = check(site)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{n_pages} pages, {len(problems)} broken links; of other sites, not tried:")
    for address in elsewhere:
        print(f"  {address}")
    return 1 if problems else 0


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def _all_targets(page: _Page) -> Iterator[tuple[str, bool]]:
    yield from ((target, False) for target in page.links)
    yield from ((target, True) for target in page.fetched)


def _wrong(site: Path, path: Path, pages: dict[Path, _Page], target: str, place: str) -> str:
    """Say why a link within the site leads nowhere; empty if it does lead somewhere."""
    if target.startswith("/"):
        return "starts at the root of the server, where the site may not lie"
    found = (path.parent / unquote(target)).resolve() if target else path
    if found.is_dir():
        found /= "index.html"
    if not found.is_relative_to(site.resolve()) or not found.is_file():
        return "no such file in the site"
    if place and found in pages and unquote(place) not in pages[found].places:
        return "no such place in the page"
    return ""


def _is_there(site: Path, path: Path, target: str) -> bool:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return False
    found = (path.parent / unquote(parts.path)).resolve()
    return found.is_relative_to(site.resolve()) and found.is_file()


def _in_style(text: str) -> list[str]:
    return [one or other for one, other in _IN_STYLE.findall(text)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
