"""Files: the images of a folder, found by their first bytes, and files that are written whole or not at all.

What cannot be read is told, never fatal.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from face_comparison.album import memory
from face_comparison.album.faces import Skipped
from face_comparison.errors import FaceComparisonError
from face_comparison.image.formats import LABELS, START_BYTES, format_of

LARGEST_BYTES = 256 * 2**20
"""Longest file that is read into memory."""


def images(folder: Path, without: Path) -> Iterator[Path | Skipped]:
    """Every image below a folder, by its path within the folder, in the order of names; and what is none, and why.

    without: a folder below it that is left out in silence, as albums made earlier are: the faces cut out for them are
    no photographs. Links to files are followed, links to folders are not: they
    may lead round in circles.
    """
    yield from _below(folder, Path(), without.resolve())


def write(path: Path, data: bytes) -> None:
    """Write a file under another name and rename it: at no moment is there half of it."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    try:
        fresh.write_bytes(data)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _below(folder: Path, within: Path, without: Path) -> Iterator[Path | Skipped]:
    try:
        with os.scandir(folder / within) as found:
            entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        yield Skipped(within, "unreadable", f"the folder cannot be read: {error.strerror}")
        return
    if within != Path() and any(entry.name == memory.NAME for entry in entries):
        return
    for entry in entries:
        path = within / entry.name
        if entry.name.startswith("."):
            yield Skipped(path, "hidden", "its name begins with a dot")
        elif entry.is_dir(follow_symlinks=False):
            if (folder / path).resolve() != without:
                yield from _below(folder, path, without)
        else:
            yield _file(folder, path)


def _file(folder: Path, path: Path) -> Path | Skipped:
    whole = folder / path
    try:
        if whole.is_dir():
            return Skipped(path, "linked_folder", "links to folders are not followed")
        if not whole.is_file() and whole.exists():
            return Skipped(path, "unreadable", "it is no plain file")
        with whole.open("rb") as file:
            start = file.read(START_BYTES)
        format_of(start)
        if whole.stat().st_size > LARGEST_BYTES:
            return Skipped(path, "image_too_large", f"the file is longer than {LARGEST_BYTES // 2**20} MiB")
    except OSError as error:
        return Skipped(path, "unreadable", f"the file cannot be read: {error.strerror}")
    except FaceComparisonError as error:
        return Skipped(path, error.code, f"not {LABELS}, judged by its content")
    return path
