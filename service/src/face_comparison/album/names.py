"""Converts file names to text: they are bytes that may be invalid text or contain what breaks a table or a page."""

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


def display_path(path: Path) -> str:
    """Returns a path as a single line; control characters become the Unicode symbols for them."""
    return text(path).translate(_CONTROL_SYMBOLS)


def link(target: Path, base: Path) -> str:
    """Returns the URL of a file, which identifies every name exactly.

    Args:
        target: Absolute path of the file; that of an object in a bucket begins with `s3:`.
        base: Absolute path of the folder that contains the link.

    Returns:
        A URL relative to `base`, or the `s3://` URL of an object.
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
    """Returns the name of a person's folder: number and name, without characters that file names cannot have."""
    cleaned = "".join(" " if sign in _NOT_IN_FILES or ord(sign) < 32 else sign for sign in name)
    cleaned = " ".join(cleaned.split()).rstrip(".").encode()[:_NAME_BYTES].decode("utf-8", "ignore").strip()
    return f"{person(number)} {cleaned}" if cleaned else person(number)
