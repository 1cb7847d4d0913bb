"""Permissions of API keys: the third field of a line `name:key:permissions`. Pure functions."""

from __future__ import annotations

import re
from typing import Literal, get_args

from face_comparison.errors import Forbidden

Permission = Literal["detect", "search", "enroll", "erase", "admin"]

DETECT: Permission = "detect"
"""Find and compare faces in images sent with the request."""
SEARCH: Permission = "search"
"""Search collections and verify people."""
ENROLL: Permission = "enroll"
"""Add faces and users to collections, and change users."""
ERASE: Permission = "erase"
"""Delete faces and users, and read receipts."""
ADMIN: Permission = "admin"
"""Create, delete and export collections. It does not imply the others."""

READ: tuple[Permission, ...] = (SEARCH, ENROLL, ERASE, ADMIN)
"""Any permission for collections includes listing and describing them."""

PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
ALL: frozenset[Permission] = frozenset(PERMISSIONS)

_FIELD = re.compile(r"[a-z]+(,[a-z]+)*")


def split_permissions(text: str) -> tuple[str, frozenset[Permission]]:
    """Splits the part of a line after the name into the key and its permissions; by default, all permissions.

    A key may contain colons: only lower-case words after the last colon are permissions.

    Raises:
        ValueError: A word is not a permission. A misspelling must never grant more rights than intended.
    """
    key, colon, field = text.rpartition(":")
    field = field.strip()
    if not colon or not _FIELD.fullmatch(field):
        return text, ALL
    names = set(field.split(","))
    if not names <= ALL:
        raise ValueError(f"permissions must be a list of {','.join(PERMISSIONS)}, separated by commas")
    return key.strip(), frozenset(name for name in ALL if name in names)


def check_permissions(granted: frozenset[Permission], required: tuple[Permission, ...]) -> None:
    """Checks that at least one of the required permissions is granted; an empty list permits everyone.

    Raises:
        Forbidden: None of them is granted.
    """
    if required and not granted.intersection(required):
        raise Forbidden(f"the API key has no permission for this: it needs {' or '.join(required)}")
