"""Reads and writes `people.toml` in an album's folder: what users state about it. Commands preserve comments in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from face_comparison.album import files
from face_comparison.album.people import Statement, is_mark
from face_comparison.errors import AlbumUnusable

NAME = "people.toml"

_HEADING = """\
# Names, merges, splits and hidden people of this album. Edit it, or use `face-comparison album name`, `merge`, `split`
# and `hide`; the next `face-comparison album` applies it. A face is written as in the column `face` of faces.csv.
#
# [[person]]
# name = "Anna"         # how the album calls this person
# hidden = true         # leave this person out of the page and the folders
# faces = ["..."]       # faces of this person; a few are enough, and two groups with such faces become one
# not = ["..."]         # faces that are not this person's

"""
_KEYS = {"name": str, "hidden": bool, "faces": list, "not": list}


def read(out: Path) -> list[Statement]:
    """Reads the statements of the file; none if the file does not exist.

    Args:
        out: The album.

    Raises:
        AlbumUnusable: The file is invalid; the message says where.
    """
    return [_statement(out, number, entry) for number, entry in enumerate(_document(out).get("person", []), 1)]


def write(out: Path, statements: Sequence[Statement]) -> None:
    """Writes statements and preserves everything else in the file.

    Args:
        out: The album.
        statements: All statements; they replace those in the file by position.

    Raises:
        AlbumUnusable: The file is not valid TOML, or cannot be read.
    """
    document = _document(out)
    entries = document.setdefault("person", tomlkit.aot())
    while len(entries) > len(statements):
        entries.pop()
    for number, statement in enumerate(statements):
        if number == len(entries):
            entries.append(tomlkit.table())
        entry = entries[number]
        values: dict[str, Any] = {
            "name": statement.name,
            "hidden": statement.hidden,
            "faces": list(statement.faces),
            "not": list(statement.other),
        }
        for key, value in values.items():
            if not value and key != "faces":
                entry.pop(key, None)
            elif entry.get(key) != value:
                entry[key] = value
    files.write(out / NAME, tomlkit.dumps(document).encode())


def _document(out: Path) -> Any:
    try:
        return tomlkit.parse((out / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return tomlkit.parse(_HEADING)
    except (TOMLKitError, UnicodeDecodeError, OSError) as error:
        raise AlbumUnusable(f"{out / NAME} cannot be read: {error}") from error


def _statement(out: Path, number: int, entry: Any) -> Statement:
    def wrong(problem: str) -> AlbumUnusable:
        return AlbumUnusable(f"{out / NAME}: person {number} {problem}")

    if not isinstance(entry, dict):
        raise wrong("must be a table: [[person]]")
    for key, value in entry.items():
        if key not in _KEYS:
            raise wrong(f"has the unknown key {key!r}: it may have {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]):
            raise wrong(f"must have a {_KEYS[key].__name__} as {key!r}")
    for key in ("faces", "not"):
        for each in entry.get(key, []):
            if not isinstance(each, str) or not is_mark(each):
                raise wrong(f"has in {key!r} what is not a face: {each!r}; see the column `face` of faces.csv")
    if not entry.get("faces"):
        raise wrong("names no face in 'faces', so that it could be anybody")
    return Statement(
        faces=tuple(str(each) for each in entry["faces"]),
        other=tuple(str(each) for each in entry.get("not", [])),
        name=str(entry.get("name", "")),
        hidden=bool(entry.get("hidden", False)),
    )
