"""Which differences are tolerated between a page and the output of its commands; the tutorial is such a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from devtools.docs import transcript

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("faces created\n", "faces created\n"),
        ("A   B\nfaces  True\n", "A B\nfaces True\n"),
        ('"Left":0.405106', '"Left":0.41'),
        ("faces http://198.18.0.10/prod 1 12s", "faces http://10.1.2.3/prod 1 4m3s"),
        ("faces http://198.18.0.10/prod", "faces http://faces.example.com/prod"),
        ("NAME: x\n…\nSTATUS: deployed\n…\n", "NAME: x\nLAST DEPLOYED: now\nSTATUS: deployed\nNOTES:\nmany words\n"),
        ("a …", "a"),
        ("no node: … Insufficient gpu …", "no node: 0/1 are available: 1 Insufficient cpu, 1 Insufficient gpu."),
        ("begin\n…\nend", "begin " + "word " * 3000 + "end"),
    ],
)
def test_matching_output(shown: str, printed: str) -> None:
    assert transcript.output_matches(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("faces created", "faces unchanged"),
        ("faces created", "faces created\nand more"),
        ("faces created\nfaces ready", "faces created"),
        ('"Left":0.405106', '"Left":0.5'),
        ("200", "503"),
        ("768", "128"),
        ("STATUS: deployed\n…", "STATUS: failed\nbecause"),
        ("true", "false"),
        ("READY True", "READY False"),
        ("", "Error: something"),
    ],
)
def test_different_output(shown: str, printed: str) -> None:
    assert not transcript.output_matches(shown, printed)


def test_every_tutorial_step_shows_its_output() -> None:
    steps = transcript.steps(TUTORIAL)
    assert len(steps) > 8
    assert all(step.shown for step in steps)
    assert [step.commands for step in steps if not step.inside] == ["make photos\n"]
