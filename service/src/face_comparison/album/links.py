"""Folders of links, one a person: for programs that know only folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from face_comparison.album import names

FOLDER = "people"

_LONGEST_NAME = 255
"""Bytes that a file's name may have nearly everywhere."""


def replace(out: Path, folder: Path, persons: Mapping[str, Iterable[Path]]) -> None:
    """A folder for each person with a link to each image; it takes the place of an earlier one as a whole.

    persons: paths within the folder of the photographs, by the name of the person's folder. Where the file system has
    no symbolic links, hard links are made, and copies where there are none either.
    """
    fresh, old = out / f"{FOLDER}.new", out / f"{FOLDER}.old"
    for left_over in (fresh, old):
        shutil.rmtree(left_over, ignore_errors=True)
    for name, paths in persons.items():
        (fresh / name).mkdir(parents=True)
        taken: set[str] = set()
        for path in dict.fromkeys(paths):
            _link(folder / path, fresh / name / _free(path.name, taken))
    if (out / FOLDER).exists():
        (out / FOLDER).replace(old)
    if persons:
        fresh.replace(out / FOLDER)
    shutil.rmtree(old, ignore_errors=True)


def _free(name: str, taken: set[str]) -> str:
    """A name that no other has, also where capitals are not told from small letters."""
    stem, suffix = Path(name).stem, Path(name).suffix
    number = 1
    while name.casefold() in taken:
        number += 1
        end = f"~{number}{suffix}"
        whole = os.fsencode(stem)[: _LONGEST_NAME - len(os.fsencode(end))]
        name = os.fsdecode(whole) + end
    taken.add(name.casefold())
    return name


def _link(image: Path, link: Path) -> None:
    try:
        # Relative, so that photographs and album can be moved together; the new folder has the depth of the old one.
        link.symlink_to(names.relative(image, link.parent))
    except OSError:
        try:
            link.hardlink_to(image)
        except OSError:
            shutil.copy2(image, link)
