"""Reads the source pages of the documentation and the samples in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import yaml

from devtools import ROOT

PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """Returns the code blocks of a language, without their indentation."""
    found = BLOCK.finditer(page.read_text())
    return [dedent(each["text"]) for each in found if each["language"] == language]


def resources() -> Iterator[tuple[str, dict[str, Any]]]:
    """Returns every FaceComparison that a page shows, with a name for the test."""
    for page in PAGES:
        for number, text in enumerate(blocks(page, "yaml"), start=1):
            shown = yaml.safe_load(text)
            if isinstance(shown, dict) and shown.get("kind") == "FaceComparison":
                yield f"{page.stem}-{number}", shown
