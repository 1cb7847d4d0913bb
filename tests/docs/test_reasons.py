"""The API's page explains every reason that a response may give, and no other."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from devtools import ROOT
from face_comparison.api.collections import UnindexedReason
from face_comparison.api.limits import UNRELIABILITY

FIRST_CELL = re.compile(r"^\| (.*?) \|", re.MULTILINE)
CODE = re.compile(r"`([A-Z_]+)`")


@pytest.mark.parametrize("page", ["docs/reference/api.md", "docs/zh/reference/api.md"])
@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("reasons-why-a-hash-is-not-reliable", UNRELIABILITY),
        ("reasons-why-a-face-was-not-enrolled", get_args(UnindexedReason)),
    ],
)
def test_every_reason_is_explained(page: str, section: str, values: tuple[str, ...]) -> None:
    sections = {anchor(part): part for part in re.split(r"^## ", (ROOT / page).read_text(), flags=re.MULTILINE)}
    explained = [name for cell in FIRST_CELL.findall(sections[section]) for name in CODE.findall(cell)]
    assert sorted(explained) == sorted(values)


def anchor(section: str) -> str:
    """Returns the anchor of a section's heading, which a Chinese one states."""
    heading, _, stated = section.partition("\n")[0].partition(" { #")
    return stated.removesuffix(" }") or heading.lower().replace(" ", "-")
