"""File names as text: they are bytes, and may be no text at all, or text that would break a table or a page."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

_CONTROL_IMAGES = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421}


def text(path: Path) -> str:
    """A path as valid Unicode; bytes that are no UTF-8 become U+FFFD. Of a plain name, the name itself."""
    return os.fsencode(path).decode("utf-8", "replace")


def shown(path: Path) -> str:
    """A path in one line: control characters as the images that Unicode has of them."""
    return text(path).translate(_CONTROL_IMAGES)


def link(target: Path, base: Path) -> str:
    """A relative URL from a folder to a file, exact for every name. Both paths are absolute."""
    return quote(os.fsencode(relative(target, base)))


def relative(target: Path, base: Path) -> Path:
    """The way from a folder to a file, both absolute."""
    return Path(os.path.relpath(target, base))


def person(number: int) -> str:
    return f"person-{number:03d}"
