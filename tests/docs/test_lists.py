"""Lists and emphasis on the pages are separated as Markdown requires."""

from __future__ import annotations

import re
import subprocess

import pytest

from devtools import ROOT

PAGES = subprocess.run(
    ["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True
).stdout.split()  # fmt: skip
ITEM = re.compile(r"(\* |- |\d+\. )")
JOINED = re.compile(r"[.,;:!?)`]\* [A-Z`*\[0-9]|^\*\*\*[^*]")


def faults(text: str) -> list[int]:
    """Returns the lines, counted from 1, where a list or an item does not begin a block of its own."""
    found = []
    code = False
    before = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            code = not code
        if not code:
            begins_after_text = ITEM.match(line) and before.startswith(("|", "#"))
            if begins_after_text or JOINED.search(re.sub(r"`[^`]*`", "code", line)):
                found.append(number)
        before = line
    return found


@pytest.mark.parametrize("page", PAGES)
def test_lists_are_separated(page: str) -> None:
    assert faults((ROOT / page).read_text()) == []


@pytest.mark.parametrize(
    "text",
    ["* One thing.* **Another** thing", "***Bold** without a list", "| a | b |\n* an item", "## A heading\n* an item"],
)
def test_joined_lists_are_found(text: str) -> None:
    assert faults(text) != []


def test_separate_lists_are_accepted() -> None:
    assert faults("## A heading\n\n* One thing.\n* **Another** thing, *stressed*\n\n```\n# no list\n* code\n```") == []
