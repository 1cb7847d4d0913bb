"""The Explorer explains every error that the service reports, in each of its languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import face_comparison
from face_comparison.web import error_table

MESSAGES = Path(face_comparison.__file__).parent / "explorer" / "js"
LANGUAGES = sorted(MESSAGES.glob("messages-*.js"))


def keys(messages: Path) -> set[str]:
    return set(re.findall(r'^ {2}"([^"]+)":', messages.read_text(), re.MULTILINE))


@pytest.mark.parametrize("messages", LANGUAGES, ids=lambda path: path.stem)
def test_every_error_code_is_explained(messages: Path) -> None:
    codes = {f"error.{error.code}" for error in error_table.public()}
    assert codes - keys(messages) == set()


def test_languages_have_the_same_messages() -> None:
    first, *others = LANGUAGES
    assert others
    assert keys(first)
    assert [keys(each) ^ keys(first) for each in others] == [set()] * len(others)
