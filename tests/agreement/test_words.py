"""Deny-listed and misspelled words are found in source files and in documents."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from devtools import words

TABLE = words.Words.parse(tomllib.loads(words.TABLE.read_text()))


@pytest.mark.parametrize("name", ["service/module.py", "docs/page.md", "charts/values.yaml", "explorer/messages-en.js"])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("# Two persons are different.\n", "people"),
        ("Send a picture.\n", "image, or photo"),
        ("It was rejected.\nThe others are answered all the\nsame.\n", "still"),
        ("The colour of the frame\n", "color"),
        ("It is recieved.\n", "received"),
    ],
)
def test_deny_listed_and_misspelled_words_are_found(tmp_path: Path, name: str, text: str, problem: str) -> None:
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text(text)
    (found,) = words.problems([name], TABLE, tmp_path)
    assert name in found
    assert problem in found


def test_accepted_words_and_parts_of_words_pass(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("# The paeth filter; a future is cancelled; foretold.\n")
    found = words.problems(["module.py"], TABLE, tmp_path)
    assert not [message for message in found if "paeth" in message or "cancelled" in message or "people" in message]


def test_every_pattern_names_a_replacement() -> None:
    assert len(TABLE.denied) > 10
    assert all(denied.use for denied in TABLE.denied)


def test_main_fails_on_a_bad_file_and_passes_on_a_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(words, "ROOT", tmp_path)
    (tmp_path / "bad.md").write_text("Persons\n")
    (tmp_path / "good.md").write_text("People\n")
    assert words.main([str(tmp_path / "bad.md")]) == 1
    assert "bad.md:1: write 'people' instead of 'Persons'" in capsys.readouterr().out
    assert words.main([str(tmp_path / "good.md")]) == 0
