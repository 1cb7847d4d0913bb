"""`make help` begins with the five targets that users need first, and lists all others."""

from __future__ import annotations

import re
import subprocess

from devtools import ROOT

FIRST = ["run", "wheels", "images", "cluster", "docs"]


def test_user_targets_come_first() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    first, rest = (re.findall(r"^  make ([a-z-]+) +\S", part, re.MULTILINE) for part in shown.split("\n\n"))
    assert first == FIRST
    described = [
        name
        for file in ("Makefile", "release.mk")
        for name in re.findall(r"^([a-z-]+):.*##", (ROOT / file).read_text(), re.MULTILINE)
    ]
    assert len(described) > 25
    assert sorted({*first, *rest}) == sorted(set(described))
    assert not set(first) & set(rest)
