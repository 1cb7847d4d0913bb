"""File names as text: they are bytes that may not be valid text, or may contain what breaks a table or a page."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

_NOT_IN_FILES = frozenset('/\\:*?"<>|')
"""Characters that some file systems reject in names."""

_NAME_BYTES = 200

_CONTROL_SYMBOLS = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421}


def text(path: Path) -> str:
    """Returns a path as valid Unicode; bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def shown(path: Path) -> str:
    """Returns a path on one line; control characters become the symbols that Unicode has for them."""
    return text(path).translate(_CONTROL_SYMBOLS)


def link(target: Path, base: Path) -> str:
    """Returns the URL from a folder to a file, exact for every name: relative, or that of an object of a bucket.

    Both paths are absolute; that of an object begins with `s3:`.
    """
    if target.parts[:1] == ("s3:",):
        return "s3://" + quote(os.fsencode(Path(*target.parts[1:])))
    return quote(os.fsencode(relative(target, base)))


def relative(target: Path, base: Path) -> Path:
    """Returns the relative path from a folder to a file, both absolute."""
    return Path(os.path.relpath(target, base))


def person(number: int) -> str:
    """Returns the name of a person's folder and anchor."""
    return f"person-{number:03d}"


def folder(number: int, name: str) -> str:
    """Returns the name of a person's folder: the number and the name, without what files cannot have."""
    kept = "".join(" " if sign in _NOT_IN_FILES or ord(sign) < 32 else sign for sign in name)
    kept = " ".join(kept.split()).rstrip(".").encode()[:_NAME_BYTES].decode("utf-8", "ignore").strip()
    return f"{person(number)} {kept}" if kept else person(number)
