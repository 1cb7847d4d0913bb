"""The Chinese documents have the headings, commands, tables, and links of the English ones, in the same order."""

from __future__ import annotations

import itertools
import posixpath
import re
from pathlib import Path

import pytest

from devtools import ROOT
from devtools.docs import translations
from devtools.docs.pages import BLOCK

PAGES = translations.english_pages()
PAIRS = {"README.md": "README.zh.md"} | {f"docs/{name}": f"docs/zh/{name}" for name in PAGES}
COMMENT = re.compile(r"\s+#\s.*$", re.MULTILINE)
MARK = re.compile(r"^ *<!-- (?!translates).* -->$", re.MULTILINE)
HEADING = re.compile(r"^#+(?= )", re.MULTILINE)
ROW = re.compile(r"^\|", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\((?!https?:)([^)\s]*)\)")
SWITCH = re.compile(r"^\[(?:English|中文)\]\(.*\)$", re.MULTILINE)
IDENTIFIER = re.compile(r" \{ #[\w-]+ \}$", re.MULTILINE)
CHINESE = re.compile(r"[\u4e00-\u9fff]")
UNSPACED = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]")


def blocks(text: str) -> list[tuple[str, str]]:
    """Returns language and code of every block, without comments."""
    return [(each["language"], COMMENT.sub("", each["text"])) for each in BLOCK.finditer(text)]


@pytest.fixture(params=list(PAIRS.items()), ids=list(PAIRS))
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    english, chinese = ((ROOT / name).read_text() for name in request.param)
    return english, chinese


def test_every_page_has_a_chinese_version() -> None:
    there = {str(path.relative_to(translations.CHINESE)) for path in translations.CHINESE.rglob("*.md")}
    assert len(PAGES) > 30
    assert there == set(PAGES)


def test_commands_and_samples_match(pair: tuple[str, str]) -> None:
    english, chinese = map(blocks, pair)
    assert chinese == english


def test_headings_marks_and_table_rows_match(pair: tuple[str, str]) -> None:
    english, chinese = (BLOCK.sub("", text) for text in pair)
    assert HEADING.findall(chinese) == HEADING.findall(english)
    assert MARK.findall(chinese) == MARK.findall(english)
    assert len(ROW.findall(chinese)) == len(ROW.findall(english))


def test_code_names_match_the_english_page(pair: tuple[str, str]) -> None:
    english, chinese = (set(CODE.findall(BLOCK.sub("", text).replace("\n", " "))) for text in pair)
    assert chinese - english == set()


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_the_same_pages(name: str) -> None:
    """To the Chinese page if there is one; links to a heading of the same page may be written either way."""

    def targets(folder: str) -> set[str]:
        text = SWITCH.sub("", BLOCK.sub("", (translations.DOCS / folder / name).read_text()))
        here = posixpath.join(folder, posixpath.dirname(name))
        return {posixpath.normpath(posixpath.join(here, each)) for each in LINK.findall(text) if each[0] != "#"}

    expected = {f"zh/{each}" if each.partition("#")[0] in PAGES else each for each in targets("")}
    assert targets("zh") == expected


@pytest.mark.parametrize("name", PAIRS.values())
def test_every_link_resolves(name: str) -> None:
    page = ROOT / name
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("name", PAIRS.values())
def test_chinese_typography(name: str) -> None:
    """A line break in a paragraph is shown as a space, which is wrong between two Chinese characters."""
    text = IDENTIFIER.sub("", translations.TABLE.sub("", BLOCK.sub("", (ROOT / name).read_text())))
    lines = text.splitlines()
    pairs = [(one, other) for one, other in itertools.pairwise(lines) if one and other]
    assert [other for one, other in pairs if CHINESE.match(one[-1]) and CHINESE.match(other)] == []
    assert [line for line in lines if UNSPACED.search(CODE.sub("x", line))] == []


def test_page_records_its_english_digest(tmp_path: Path) -> None:
    english = "# Title\n\nSome words.\n\n```sh\nls\n```\n"
    chinese = translations.mark_current("# 标题\n\n几个词。\n\n```sh\nold\n```\n", english)
    assert translations.recorded_digest(chinese) == translations.digest(english)
    assert translations.mark_current(chinese, english) == chinese
    assert translations.digest(english.replace("ls", "ls -l").replace("Some words", "Some\nwords")) == (
        translations.digest(english)
    )
    assert translations.digest(english.replace("Some", "Other")) != translations.digest(english)


def test_code_is_copied_from_the_english_page() -> None:
    english = "Some words.\n\n```sh\nls\n```\n\n<!-- table a -->\n\n| x |\n\n<!-- end -->\n"
    chinese = "几个词。\n\n```sh\nold\n```\n\n<!-- table a -->\n<!-- end -->\n"
    assert translations.with_shared_parts(chinese, english) == english.replace("Some words.", "几个词。")
    with pytest.raises(ValueError, match="1 tables instead of 0"):
        translations.with_shared_parts(chinese, "Some words.\n")
    with pytest.raises(ValueError, match="1 code blocks instead of 0"):
        translations.with_shared_parts("几个词。\n\n```sh\nls\n```\n", "Some words.\n")
