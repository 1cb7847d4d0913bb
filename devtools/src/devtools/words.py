"""Checks spelling and terms: `python -m devtools.words` fails on a misspelled or a deny-listed word.

Spelling is checked by codespell, American English included; deny-listed words and phrases are in `words.toml`. Every
file that git tracks is checked, unless `skip` in that file matches its path.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
TABLE = Path(__file__).with_name("words.toml")
DICTIONARIES = "clear,rare,en-GB_to_en-US"


@dataclass(frozen=True)
class Denied:
    """A deny-listed word or phrase: the pattern, what to write instead, and the files that are checked."""

    pattern: re.Pattern[str]
    use: str
    only: tuple[str, ...]

    def applies_to(self, path: str) -> bool:
        """Returns whether the file at this path, relative to the repository, is checked for it."""
        return not self.only or _matches(path, self.only)


@dataclass(frozen=True)
class Words:
    """The content of `words.toml`."""

    accept: tuple[str, ...]
    skip: tuple[str, ...]
    denied: tuple[Denied, ...]

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Words:
        """Parses the content of the TOML file."""
        denied = tuple(
            Denied(
                re.compile(rf"(?<!\w)(?:{row['word']})(?!\w)".replace(" ", r"\s+"), re.IGNORECASE),
                row["use"],
                tuple(row.get("only", ())),
            )
            for row in table["deny"]
        )
        return cls(tuple(table["accept"]), tuple(table["skip"]), denied)


def checked_files(words: Words, root: Path = ROOT) -> list[str]:
    """Returns the paths of the files to check, relative to the repository: tracked by git, or new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    return [
        path for path in sorted(set(listed.splitlines())) if (root / path).is_file() and not _matches(path, words.skip)
    ]


def denied_in(text: str, path: str, words: Words) -> Iterator[str]:
    """Returns one message per deny-listed word in the text of a file; a phrase may span two lines."""
    for denied in words.denied:
        if not denied.applies_to(path):
            continue
        for match in denied.pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield f"{path}:{line}: write {denied.use!r} instead of {' '.join(match[0].split())!r}"


def misspelled_in(paths: Iterable[str], words: Words, root: Path = ROOT) -> list[str]:
    """Returns one message per misspelled word in the files."""
    command = [str(Path(sys.executable).with_name("codespell")), "--builtin", DICTIONARIES]
    command += ["--ignore-words-list", ",".join(words.accept), *paths]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 65):  # 65: something was found
        raise RuntimeError(done.stderr)
    return done.stdout.splitlines()


def problems(paths: Iterable[str], words: Words, root: Path = ROOT) -> list[str]:
    """Returns every message about the files."""
    texts = {path: text for path in paths if (text := _read(root / path)) is not None}
    found = [message for path, text in texts.items() for message in denied_in(text, path, words)]
    return [*found, *misspelled_in(texts, words, root)]


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:  # a binary file
        return None


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def main(arguments: list[str]) -> int:
    """Checks the named files, or all."""
    words = Words.parse(tomllib.loads(TABLE.read_text()))
    paths = [path for path in arguments if not _matches(path, words.skip)] if arguments else checked_files(words)
    found = problems(paths, words)
    if found:
        print(*found, sep="\n")
        print(f"{len(found)} problems; terms are in docs/development/glossary.md, exceptions in {TABLE.name}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
