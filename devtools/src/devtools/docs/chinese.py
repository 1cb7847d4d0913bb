"""Translates the generated tables of the documentation into Chinese by a list of sentences.

A generated table is Markdown: tables, lists, headings, and paragraphs. Each cell, item, heading, or paragraph is looked
up in `chinese.toml` as a whole; code blocks and messages of the programs stay as they are. An entry matches every
sentence of the same shape, which is the sentence without numbers and code: with `1 to 5` in an entry, `2 to 9` is
translated as well. Sentences that are not in the list stay English, and `devtools.docs.translations` reports them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from devtools.docs.pages import BLOCK

CATALOG = Path(__file__).with_name("chinese.toml")

_TOKEN = re.compile(r"\[`[^`]*`\]\([^)]*\)|`[^`]*`|https?://[^\s|]+|(?<![\w.])\d(?:[\d.,]*\d)?(?![\w])")
_WORDS = re.compile(r"[A-Za-z]{2}")
_CELLS = re.compile(r"(?<!\\)\|")
_SUFFIXES = (
    (re.compile(r"^(?P<text>.*?) Default: (?P<value>[^\s].*)\.$"), "{text}默认值：{value}。"),  # noqa: RUF001
    (
        re.compile(r"^(?P<text>.*?) \\\[default: (?P<value>.*?)\](?P<range>(?: \\\[.*\])?)$"),
        "{text}（默认值：{value}）{range}",  # noqa: RUF001
    ),
    (re.compile(r"^(?P<text>.*), optional$"), "{text}，可选"),  # noqa: RUF001
)
_VERBATIM = {"message", "column"}
"""Columns that hold what the programs print, which is English."""
_BEFORE_MESSAGES = "Rejected with these messages:"
_TEXT_NODE = re.compile(r"(?<=>)[^<>]*[A-Za-z]{2}[^<>]*(?=<)")
_ITEM = re.compile(r"^(?P<start>[-*] (?:`[^`]*`: )?)(?P<text>.*)$", re.DOTALL)


@dataclass(slots=True)
class Catalog:
    """Translations by their English text.

    Attributes:
        exact: Translations exactly as in the list.
        missing: Texts that were looked up and not found, each once.
    """

    exact: Mapping[str, str]
    missing: dict[str, None] = field(default_factory=dict)
    _shapes: dict[str, tuple[list[str], str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for english, chinese in self.exact.items():
            tokens = _TOKEN.findall(english)
            if set(_TOKEN.findall(chinese)) <= set(tokens):  # skipped where a number is written differently
                self._shapes.setdefault(shape(english), (tokens, chinese))

    def heading(self, text: str) -> str:
        """Returns a heading in Chinese, or unchanged: most are names of commands, classes, and fields."""
        return self._found(text) or text

    def sentence(self, text: str) -> str:
        """Returns a sentence in Chinese, or unchanged if it is not in the list."""
        if not _WORDS.search(_TOKEN.sub("", text)):
            return text
        found = self._found(text)
        if found is None:
            self.missing[text] = None
            return text
        return found

    def _found(self, text: str) -> str | None:
        if text in self.exact:
            return self.exact[text]
        if shape(text) in self._shapes:
            tokens, chinese = self._shapes[shape(text)]
            mine = dict(zip(tokens, _TOKEN.findall(text), strict=True))
            return _TOKEN.sub(lambda found: mine.get(found[0], found[0]), chinese)
        for pattern, created in _SUFFIXES:
            if match := pattern.match(text):
                inner = match["text"]
                known = self._found(inner) if _WORDS.search(_TOKEN.sub("", inner)) else inner
                return None if known is None else created.format(**match.groupdict() | {"text": known})
        return None


def shape(text: str) -> str:
    """Returns a sentence without its numbers, code, and addresses."""
    return _TOKEN.sub("\0", text)


@cache
def catalog() -> Catalog:
    """Returns the list of sentences in `chinese.toml`."""
    return Catalog(tomllib.loads(CATALOG.read_text()))


def translate(markdown: str, known: Catalog) -> str:
    """Returns Markdown with its sentences translated; link targets stay the same."""
    blocks = [found[0] for found in BLOCK.finditer(markdown)]
    texts = [_paragraphs(text, known) for text in _outside(markdown)]
    return "".join(text + block for text, block in zip(texts, [*blocks, ""], strict=True))


def _outside(markdown: str) -> list[str]:
    """Yields the text before, between, and after code blocks."""
    texts, start = [], 0
    for found in BLOCK.finditer(markdown):
        texts.append(markdown[start : found.start()])
        start = found.end()
    return [*texts, markdown[start:]]


def _paragraphs(text: str, known: Catalog) -> str:
    created, before = [], ""
    for part in re.split(r"(\n\n+|^\n+|\n+$)", text):
        if not part.strip() or before == _BEFORE_MESSAGES:
            created.append(part)
        else:
            created.append(_paragraph(part, known))
        before = part.strip() or before
    return "".join(created)


def _paragraph(text: str, known: Catalog) -> str:
    lines = text.splitlines()
    if lines[0].startswith("<!--"):
        head, _, rest = text.partition("\n")
        return f"{head}\n{_paragraph(rest, known)}" if rest.strip() else text
    if lines[0].startswith("<"):
        return _TEXT_NODE.sub(lambda found: _node(found[0], known), text)
    if lines[0].startswith("|"):
        return "\n".join(_rows(lines, known))
    if lines[0].startswith("#"):
        marks, _, heading = lines[0].partition(" ")
        words, mark, anchor = heading.partition(" {#")
        translated = known.heading(words)
        kept = f"{mark}{anchor}" if mark else "" if translated == words else f" {{ #{_anchor(words)} }}"
        return f"{marks} {translated}{kept}"
    if lines[0].startswith(("- ", "* ")):
        return "\n".join(_item(item, known) for item in _items(lines))
    return known.sentence(" ".join(line.strip() for line in lines))


def _node(text: str, known: Catalog) -> str:
    """Translates the text between two tags and keeps the white space around it."""
    return text.replace(text.strip(), known.sentence(text.strip()))


def _rows(lines: list[str], known: Catalog) -> Iterator[str]:
    head = [cell.strip() for cell in _CELLS.split(lines[0])[1:-1]]
    for number, line in enumerate(lines):
        if not set(line) - set("|-: "):
            yield line
            continue
        cells = [cell.strip() for cell in _CELLS.split(line)[1:-1]]
        translated = [
            cell if number and column in _VERBATIM else known.sentence(cell)
            for column, cell in zip(head, cells, strict=True)
        ]
        yield f"| {' | '.join(translated)} |"


def _items(lines: list[str]) -> Iterator[str]:
    item: list[str] = []
    for line in lines:
        if line.startswith(("- ", "* ")) and item:
            yield " ".join(item)
            item = []
        item.append(line.strip())
    yield " ".join(item)


def _item(item: str, known: Catalog) -> str:
    match = _ITEM.match(item)
    assert match is not None
    return match["start"] + known.sentence(match["text"])


def _anchor(heading: str) -> str:
    """Returns the anchor of the English heading, to which links lead."""
    return re.sub(r"[^\w]+", "-", heading.lower()).strip("-")
