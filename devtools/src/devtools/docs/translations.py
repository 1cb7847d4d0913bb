"""Compares the Chinese pages with the English ones: which exist, what they share, and which are out of date.

`docs/zh` has the same tree as `docs`. `make generate` copies code blocks from the English page and translates generated
tables by a list of sentences (`chinese`), so only prose is written by hand. Each Chinese page ends with the digest of
the English prose that it translates: `python -m devtools.docs.translations` lists the pages whose English text has
changed since, and `--accept PAGE` records that a page has been brought up to date.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from devtools import ROOT
from devtools.docs import chinese
from devtools.docs.pages import BLOCK

DOCS = ROOT / "docs"
CHINESE = DOCS / "zh"

TABLE = re.compile(r"(<!-- table (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
DIGEST = re.compile(r"\n<!-- translates (?P<digest>[0-9a-f]{12}) -->\n$")
_WIDTH = 12


def english_pages() -> list[str]:
    """Returns the pages that are translated, relative to `docs`."""
    names = (str(path.relative_to(DOCS)) for path in sorted(DOCS.rglob("*.md")))
    return [name for name in names if not name.startswith("zh/")]


def untranslated() -> list[str]:
    """Returns the sentences in generated tables that `chinese.toml` lacks."""
    known = chinese.Catalog(chinese.catalog().exact)
    for name in english_pages():
        for found in TABLE.finditer((DOCS / name).read_text()):
            chinese.translate(found[0], known)
    return list(known.missing)


def digest(english: str) -> str:
    """Returns the digest of a page's prose; changes of code and generated tables need no translation."""
    prose = TABLE.sub("", BLOCK.sub("", english))
    return hashlib.sha256(" ".join(prose.split()).encode()).hexdigest()[:_WIDTH]


def recorded_digest(page: str) -> str:
    """Returns the digest at the end of a Chinese page; empty if there is none."""
    found = DIGEST.search(page)
    return found["digest"] if found else ""


def mark_current(page: str, english: str) -> str:
    """Returns a Chinese page marked as a translation of the current English one."""
    return DIGEST.sub("", page.rstrip("\n") + "\n").rstrip("\n") + f"\n\n<!-- translates {digest(english)} -->\n"


def with_shared_parts(page: str, english: str) -> str:
    """Returns a Chinese page with the code blocks of the English one, and its tables in Chinese.

    Raises:
        ValueError: The pages have different numbers of blocks or tables.
    """
    page = _with_each(TABLE, "tables", page, [_in_chinese(each) for each in TABLE.finditer(english)])
    return _with_each(BLOCK, "code blocks", page, [found[0] for found in BLOCK.finditer(english)])


def _in_chinese(table: re.Match[str]) -> str:
    return chinese.translate(table[0], chinese.catalog())


def _with_each(pattern: re.Pattern[str], kind: str, page: str, theirs: list[str]) -> str:
    ours = pattern.findall(page)
    if len(theirs) != len(ours):
        raise ValueError(f"{len(ours)} {kind} instead of {len(theirs)}")
    return _replace_each(pattern, page, iter(theirs))


def _replace_each(pattern: re.Pattern[str], text: str, parts: Iterator[str]) -> str:
    return pattern.sub(lambda _: next(parts), text)


def generated_files(english: Mapping[Path, str]) -> dict[Path, str]:
    """Returns each Chinese page as `make generate` leaves it, by path.

    Args:
        english: New content of the pages that are generated themselves.

    Raises:
        ValueError: A page lacks the parts that it shares with the English one.
    """
    created = {}
    for name in english_pages():
        path = CHINESE / name
        if path.exists():
            try:
                created[path] = with_shared_parts(
                    path.read_text(), english.get(DOCS / name) or (DOCS / name).read_text()
                )
            except ValueError as error:
                raise ValueError(f"docs/zh/{name}: {error}; docs/{name} has changed") from error
    return created


def problems() -> Iterator[str]:
    """Yields one line per page that is missing or out of date."""
    for name in english_pages():
        path = CHINESE / name
        if not path.exists():
            yield f"docs/zh/{name} is missing"
        elif recorded_digest(path.read_text()) != digest((DOCS / name).read_text()):
            yield f"docs/zh/{name} is older than docs/{name}"
    yield from (f"chinese.toml lacks: {sentence}" for sentence in untranslated())


def main() -> int:
    """Lists the pages that are missing or out of date."""
    parser = argparse.ArgumentParser(description="List Chinese pages that are missing or out of date.")
    parser.add_argument(
        "--accept", metavar="PAGE", action="append", default=[], help="record that this page is up to date"
    )
    for name in parser.parse_args().accept:
        path = CHINESE / Path(name).resolve().relative_to(CHINESE)
        path.write_text(mark_current(path.read_text(), (DOCS / path.relative_to(CHINESE)).read_text()))
    found = list(problems())
    print(*(found or ["every page is up to date"]), sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
