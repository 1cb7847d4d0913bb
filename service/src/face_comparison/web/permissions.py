"""What the holder of an API key may do: the third field of a line `name:key:permissions`. Pure."""

from __future__ import annotations

import re
from typing import Literal, get_args

from face_comparison.errors import Forbidden

Permission = Literal["detect", "search", "enroll", "erase", "admin"]

DETECT: Permission = "detect"
"""Find and compare faces of images that come with the request."""
SEARCH: Permission = "search"
"""Search collections and verify people."""
ENROLL: Permission = "enroll"
"""Add faces and users to collections, and change users."""
ERASE: Permission = "erase"
"""Delete faces and users, and read receipts."""
ADMIN: Permission = "admin"
"""Create, delete and export collections. It does not imply the others."""

PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
ALL: frozenset[Permission] = frozenset(PERMISSIONS)

_FIELD = re.compile(r"[a-z]+(,[a-z]+)*")


def split_permissions(text: str) -> tuple[str, frozenset[Permission]]:
    """The key and its permissions, of what stands behind the name in a line; all of them where none are given.

    A key may hold colons: only lower-case words behind the last one are permissions. Raises ValueError for a word that
    is no permission, so that a misspelled one never gives more rights than were meant.
    """
    key, colon, field = text.rpartition(":")
    field = field.strip()
    if not colon or not _FIELD.fullmatch(field):
        return text, ALL
    names = set(field.split(","))
    if not names <= ALL:
        raise ValueError(f"permissions must be some of {','.join(PERMISSIONS)}, separated by commas")
    return key.strip(), frozenset(name for name in ALL if name in names)


def check_permissions(granted: frozenset[Permission], wanted: tuple[Permission, ...]) -> None:
    """Raises Forbidden when none of the wanted permissions is granted."""
    if wanted and not granted.intersection(wanted):
        raise Forbidden(f"the API key has no permission for this: it needs {' or '.join(wanted)}")
