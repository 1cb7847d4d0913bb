"""A page as a transcript: the commands that its reader types, each with what the page says that they print.

A block of commands follows the line `<!-- run -->`, or `<!-- prepare -->` where it is typed before the cluster's shell
is entered; a block after `<!-- prints -->` is what the commands above it print. In it `…` stands for anything, numbers
may differ a little, ages and addresses altogether.
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
    """Commands that are typed together. inside: in the cluster's network."""

    commands: str
    inside: bool
    shown: str | None = None


def steps(page: Path) -> list[Step]:
    """The steps of a page, in their order."""
    found: list[Step] = []
    for _, kind, indented in BLOCK.findall(page.read_text()):
        text = dedent(indented)
        if kind == "prints":
            found[-1] = Step(found[-1].commands, found[-1].inside, text)
        else:
            found.append(Step(text, kind == "run"))
    return found


def alike(shown: str, printed: str) -> bool:
    """Whether a page may say `shown` of commands that printed `printed`."""
    got = _tokens(printed)
    places = {0}  # how much of the printed may have been told so far
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
