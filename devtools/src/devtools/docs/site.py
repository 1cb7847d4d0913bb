"""Reads the built site as browsers do: its pages, their links, and the files that they load."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from devtools import ROOT

SITE = ROOT / "build" / "site"
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "form": "action"}


@dataclass
class Page:
    """A built page: its anchors, the addresses that it links to, and those that the browser loads by itself."""

    path: Path
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def leads_to(self, address: str) -> tuple[Path, str]:
        """Returns the file and the anchor that an address on this page leads to."""
        parts = urlsplit(address)
        target = (self.path.parent / unquote(parts.path)).resolve() if parts.path else self.path
        return target / "index.html" if target.is_dir() else target, unquote(parts.fragment)


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.page.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.page.links.append(values["href"])
        # A canonical or neighboring page is named, not loaded.
        named = tag == "link" and values.get("rel") in ("canonical", "prev", "next", "alternate")
        if tag in LOADS and LOADS[tag] in values and not named:
            self.page.loaded.append(values[LOADS[tag]])


def build() -> list[Page]:
    """Builds the site in strict mode and reads every page. Raises AssertionError with the builder's output."""
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [read(path) for path in sorted(SITE.rglob("*.html"))]


def read(path: Path) -> Page:
    """Reads a built page."""
    page = Page(path)
    _Reader(page).feed(path.read_text())
    return page
