"""Reads a page as a transcript: the commands that its reader types, each with the output that the page shows.

A block of commands follows the line `<!-- run -->`, or `<!-- prepare -->` if it is typed before entering the cluster's
shell; a block after `<!-- prints -->` is the output of the commands above it. In it, `…` stands for anything; numbers
may differ slightly, and ages and addresses completely.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

BLOCK = re.compile(r"^( *)<!-- (run|prepare|prints) -->\n\1```\w+\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
ADDRESS = re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b|(?<=://)[a-z0-9.-]+\.[a-z]{2,}")
AGE = re.compile(r"\b(\d+[dhms]){1,2}\b")
TOKEN = re.compile(r"…|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|[^\W\d]\w*|\S")
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")


@dataclass(frozen=True)
class Step:
    """Commands that are typed together. inside: whether in the cluster's network."""

    commands: str
    inside: bool
    shown: str | None = None


def steps(page: Path) -> list[Step]:
    """Returns the steps of a page, in order."""
    found: list[Step] = []
    for _, kind, indented in BLOCK.findall(page.read_text()):
        text = dedent(indented)
        if kind == "prints":
            found[-1] = Step(found[-1].commands, found[-1].inside, text)
        else:
            found.append(Step(text, kind == "run"))
    return found


def output_matches(shown: str, printed: str) -> bool:
    """Returns whether a page may show `shown` for commands that printed `printed`."""
    got = _tokens(printed)
    places = {0}  # which prefix of `printed` may be matched so far
    for token in _tokens(shown):
        if token == "…":
            places = set(range(min(places, default=len(got) + 1), len(got) + 1))
        else:
            places = {place + 1 for place in places if place < len(got) and _same(token, got[place])}
    return len(got) in places


def _tokens(text: str) -> list[str]:
    return TOKEN.findall(AGE.sub("AGE", ADDRESS.sub("ADDRESS", text)))


def _same(shown: str, printed: str) -> bool:
    if NUMBER.fullmatch(shown) and NUMBER.fullmatch(printed):
        whole = "." not in shown and "." not in printed
        return shown == printed if whole else math.isclose(float(shown), float(printed), rel_tol=0.03, abs_tol=0.03)
    return shown == printed
