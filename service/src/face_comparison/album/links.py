"""Creates folders of links, one per person, for programs that support only folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from face_comparison.album import names

FOLDER = "people"

_LONGEST_NAME = 255
"""Maximum length of a file name in bytes on nearly all file systems."""


def replace(out: Path, folder: Path, people: Mapping[str, Iterable[Path]]) -> None:
    """Replaces the folder of links: one folder per person with a link to each image.

    If the file system does not support symbolic links, hard links are created; if it does not support these, copies.

    Args:
        out: The album.
        folder: The photographs.
        people: Paths of images, relative to `folder`, by the name of the person's folder.
    """
    fresh, old = out / f"{FOLDER}.new", out / f"{FOLDER}.old"
    for left_over in (fresh, old):
        shutil.rmtree(left_over, ignore_errors=True)
    for name, paths in people.items():
        (fresh / name).mkdir(parents=True)
        used: set[str] = set()
        for path in dict.fromkeys(paths):
            _link(folder / path, fresh / name / _free(path.name, used))
    if (out / FOLDER).exists():
        (out / FOLDER).replace(old)
    if people:
        fresh.replace(out / FOLDER)
    shutil.rmtree(old, ignore_errors=True)


def _free(name: str, used: set[str]) -> str:
    """Returns a name that is not taken, not even on case-insensitive file systems, and adds it to those taken."""
    stem, suffix = Path(name).stem, Path(name).suffix
    number = 1
    while name.casefold() in used:
        number += 1
        end = f"~{number}{suffix}"
        stem_bytes = os.fsencode(stem)[: _LONGEST_NAME - len(os.fsencode(end))]
        name = os.fsdecode(stem_bytes) + end
    used.add(name.casefold())
    return name


def _link(image: Path, link: Path) -> None:
    try:
        # A relative link, so that photographs and album can be moved together. It stays valid when the folder of links
        # is renamed to its final name.
        link.symlink_to(names.relative(image, link.parent))
    except OSError:
        try:
            link.hardlink_to(image)
        except OSError:
            shutil.copy2(image, link)
