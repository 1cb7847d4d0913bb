"""README.md and CONTRIBUTING.md: their links, the commands that they name, and their length."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = ["README.md", "README.zh.md", "CONTRIBUTING.md"]
LINK = re.compile(r"\]\((?!https?:)([^)]+)\)")


def anchors(page: str) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub generates them."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: str, folder: Path) -> list[str]:
    """Returns the links of a page that lead to no file, or to no heading."""
    broken = []
    for link in LINK.findall(page):
        path, _, anchor = link.partition("#")
        target = folder / path
        text = page if not path else target.read_text() if anchor and target.is_file() else ""
        if not target.exists() or (anchor and anchor not in anchors(text)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(name: str) -> None:
    page = (ROOT / name).read_text()
    assert len(LINK.findall(page)) > 5
    assert broken_links(page, ROOT) == []


def test_broken_links_are_found() -> None:
    page = "# One\n[a](#one) [b](#two) [c](README.md) [d](missing.md) [e](README.md#start-it) [f](README.md#missing)"
    assert broken_links(page, ROOT) == ["#two", "missing.md", "README.md#missing"]


@pytest.mark.parametrize("name", PAGES)
def test_every_named_make_target_is_in_the_help(name: str) -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]+)", (ROOT / name).read_text()))
    helped = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "run" in named or "setup" in named
    assert named <= set(re.findall(r"make ([a-z-]+)", helped))


def test_readme_is_short_and_shows_the_product_first() -> None:
    lines = README.splitlines()
    assert len(lines) <= 130
    assert next(number for number, line in enumerate(lines) if line.startswith("![")) < 15
