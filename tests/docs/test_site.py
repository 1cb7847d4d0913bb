"""The site builds without warnings, its links resolve, and it loads nothing from other hosts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools import ROOT
from devtools.docs.site import SITE, Page, build

# Zensical's page for missing pages is served at any path, so its addresses begin at the root.
OWN = {"404.html"}
CONFIGURATION: dict[str, Any] = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
OUTSIDE = re.compile(r"^(https?:)?//")


@pytest.fixture(scope="module")
def pages() -> dict[Path, Page]:
    found = {page.path: page for page in build() if page.path.name not in OWN}
    assert SITE / "index.html" in found
    return found


def test_every_link_leads_to_a_page_and_a_heading(pages: dict[Path, Page]) -> None:
    broken = []
    for page in pages.values():
        for address in [*page.links, *page.loaded]:
            if OUTSIDE.match(address) or address.startswith(("mailto:", "data:")):
                continue
            target, anchor = page.leads_to(address)
            if not target.is_file() or (anchor and target in pages and anchor not in pages[target].anchors):
                broken.append(f"{page.path.relative_to(SITE)}: {address}")
    assert not broken


def test_every_alert_leads_to_its_entry(pages: dict[Path, Page]) -> None:
    """The chart forms `runbook_url` from the address of the site and the name of the alert."""
    template = (ROOT / "charts/face-comparison/templates/prometheusrule.yaml").read_text()
    (path,) = re.findall(r'printf "%s/([^"#]+)#%s"', template)
    alerts = re.findall(r"alert: (\w+)$", (ROOT / "charts/face-comparison/files/alerts.yaml").read_text(), re.MULTILINE)
    assert len(alerts) > 10
    assert {alert.lower() for alert in alerts} - pages[SITE / path].anchors == set()


def test_nothing_is_loaded_from_another_host(pages: dict[Path, Page]) -> None:
    assert [address for page in pages.values() for address in page.loaded if OUTSIDE.match(address)] == []
    styles = "".join(path.read_text() for path in SITE.rglob("*.css"))
    assert [url for url in re.findall(r"url\(['\"]?([^)'\"]+)", styles) if OUTSIDE.match(url)] == []


def named(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        (value,) = entry.values() if isinstance(entry, dict) else (entry,)
        yield from [value] if isinstance(value, str) else named(value)


def test_every_page_is_in_the_navigation() -> None:
    documents = ROOT / CONFIGURATION["docs_dir"]
    assert sorted(named(CONFIGURATION["nav"])) == sorted(
        str(path.relative_to(documents)) for path in documents.rglob("*.md")
    )
