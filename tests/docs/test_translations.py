"""The documents in Chinese have the commands of those in English, in the same order, under the same headings."""

from __future__ import annotations

import itertools
import re

import pytest

from devtools.docs.pages import BLOCK, ROOT

PAIRS = {"README.md": "README.zh.md", "docs/tutorial.md": "docs/zh/tutorial.md"}
COMMENT = re.compile(r"\s+#\s.*$", re.MULTILINE)
MARK = re.compile(r"^<!-- .* -->$", re.MULTILINE)
HEADING = re.compile(r"^#+(?= )", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
UNSPACED = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]")


def blocks(text: str) -> list[tuple[str, str]]:
    """Language and code of every block, without the comments in it."""
    return [(each["language"], COMMENT.sub("", each["text"])) for each in BLOCK.finditer(text)]


@pytest.fixture(params=PAIRS.items(), ids=PAIRS.keys())
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    english, chinese = ((ROOT / name).read_text() for name in request.param)
    return english, chinese


def test_commands_and_samples_are_the_same(pair: tuple[str, str]) -> None:
    english, chinese = map(blocks, pair)
    assert chinese == english


def test_headings_and_marks_are_the_same(pair: tuple[str, str]) -> None:
    english, chinese = (BLOCK.sub("", text) for text in pair)
    assert HEADING.findall(chinese) == HEADING.findall(english)
    assert MARK.findall(chinese) == MARK.findall(english)


def test_names_that_the_chinese_text_uses_are_those_of_the_english(pair: tuple[str, str]) -> None:
    english, chinese = (set(CODE.findall(BLOCK.sub("", text))) for text in pair)
    assert chinese - english == set()


@pytest.mark.parametrize("name", PAIRS.values())
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert targets
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("name", PAIRS.values())
def test_chinese_is_set_as_chinese_is(name: str) -> None:
    """A line break inside a paragraph would be shown as a space between two characters; beside other letters is one."""
    lines = BLOCK.sub("", (ROOT / name).read_text()).splitlines()
    pairs = [(one, other) for one, other in itertools.pairwise(lines) if one and other]
    assert [other for one, other in pairs if CHINESE.match(one[-1]) and CHINESE.match(other)] == []
    assert [line for line in lines if UNSPACED.search(CODE.sub("x", line))] == []
