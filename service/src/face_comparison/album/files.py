"""Finds the images of a folder by their first bytes, and writes files atomically.

Unreadable files are reported and never fatal.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from face_comparison.album import database
from face_comparison.album.faces import Skipped
from face_comparison.errors import FaceComparisonError
from face_comparison.image.formats import LABELS, START_BYTES, format_of

LARGEST_BYTES = 256 * 2**20
"""Maximum size of a file that is read into memory."""

_SYSTEM_FOLDERS = frozenset({"@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "__MACOSX"})
"""Folders in which NAS, Windows, and macOS keep thumbnails, deleted files and attributes next to photographs."""


def images(folder: Path, without: Path | None = None) -> Iterator[Path | Skipped]:
    """Finds the images below a folder.

    Albums in it are silently left out: their crops are not photographs.

    Args:
        folder: Where to search. Links to files are followed; links to folders are not, because they may form cycles.
        without: A folder below it that is silently left out, too.

    Yields:
        The path of every image, relative to `folder` and sorted by name, or why a file was skipped.
    """
    yield from _below(folder, Path(), without.resolve() if without else None)


def write(path: Path, data: bytes) -> None:
    """Writes a file atomically: it is written under another name, then renamed."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _below(folder: Path, within: Path, without: Path | None) -> Iterator[Path | Skipped]:
    try:
        with os.scandir(folder / within) as found:
            entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        yield Skipped(within, "unreadable", f"the folder cannot be read: {error.strerror}")
        return
    if within != Path() and any(entry.name == database.NAME for entry in entries):
        return
    for entry in entries:
        path = within / entry.name
        if entry.name.startswith("."):
            yield Skipped(path, "hidden", "its name starts with a dot")
        elif entry.is_dir(follow_symlinks=False):
            if entry.name in _SYSTEM_FOLDERS:
                yield Skipped(path, "hidden", "a system keeps thumbnails or deleted files in it")
            elif (folder / path).resolve() != without:
                yield from _below(folder, path, without)
        else:
            yield _file(folder, path)


def _file(folder: Path, path: Path) -> Path | Skipped:
    full_path = folder / path
    try:
        if full_path.is_dir():
            return Skipped(path, "linked_folder", "links to folders are not followed")
        if not full_path.is_file() and full_path.exists():
            return Skipped(path, "unreadable", "it is not a regular file")
        with full_path.open("rb") as file:
            start = file.read(START_BYTES)
        format_of(start)
        if full_path.stat().st_size > LARGEST_BYTES:
            return Skipped(path, "image_too_large", f"the file is larger than {LARGEST_BYTES // 2**20} MiB")
    except OSError as error:
        return Skipped(path, "unreadable", f"the file cannot be read: {error.strerror}")
    except FaceComparisonError as error:
        reason = f"it is not {LABELS} (its content decides)" if start else "it is empty"
        return Skipped(path, error.code, reason)
    return path
