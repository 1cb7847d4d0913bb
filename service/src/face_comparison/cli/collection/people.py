"""The folders of people that `collection enroll` reads: one per person, named after the person's id."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from pathlib import Path

import click

from face_comparison.plurals import count_noun

_LONGEST_USER_ID = 128
_NOT_IN_USER_IDS = re.compile(r"[^a-zA-Z0-9_.\-:]+")


def people_of(folder: Path) -> dict[str, list[Path]]:
    """Returns the images of each person, by UserId, sorted by name.

    Hidden files are ignored, and files that are not in the folder of a person are reported on stderr.

    Raises:
        click.UsageError: There are no folders, or two folders would have the same UserId.
    """
    people: dict[str, list[Path]] = {}
    names: dict[str, str] = {}
    for sub in sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")):
        user_id = user_id_of(sub.name)
        if user_id in names:
            raise click.UsageError(f"the folders {names[user_id]} and {sub.name} would both be the user {user_id}")
        names[user_id] = sub.name
        people[user_id] = sorted(each for each in sub.rglob("*") if each.is_file() and not each.name.startswith("."))
    if not people:
        raise click.UsageError(f"{folder} contains no folders: create one per person, with that person's images")
    stray = [each.name for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")]
    if stray:
        noun = count_noun(len(stray), "file that is", "files that are")
        click.echo(f"skipped {noun} in {folder} but not in the folder of a person", err=True)
    return people


def user_id_of(name: str) -> str:
    """Returns a folder's name as a UserId: accents are removed, and other invalid characters become underscores.

    What is left of a name in another script, or of a long one, may be left of another person's, too: then a digest of
    the whole name is part of the id, whichever Unicode form a file system has given to the name.
    """
    apart = unicodedata.normalize("NFKD", name)
    user_id = _NOT_IN_USER_IDS.sub("_", apart.encode("ascii", "ignore").decode()).strip("_.")
    is_whole = all(each.isascii() or unicodedata.category(each)[0] not in "LNC" for each in apart)
    if user_id and is_whole and len(user_id) <= _LONGEST_USER_ID:
        return user_id
    composed = os.fsencode(unicodedata.normalize("NFC", name))
    digest = f"-{hashlib.sha256(composed).hexdigest()[:12]}"
    return (user_id or "person")[: _LONGEST_USER_ID - len(digest)] + digest
