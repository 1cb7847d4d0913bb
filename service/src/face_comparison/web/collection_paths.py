"""Which paths belong to collections, also where the service has no store."""

from __future__ import annotations

import re

from flask import Flask

_PATH = re.compile(r"/[^/]+/face[_-]comparison/collections(/|$)")
_REGISTERED = "face_comparison.collections"


def is_collection_path(path: str) -> bool:
    """Returns whether a path belongs to collections, under any stage."""
    return _PATH.match(path) is not None


def has_collections(app: Flask) -> bool:
    """Returns whether the collection routes have been registered."""
    return _REGISTERED in app.extensions


def mark_registered(app: Flask) -> None:
    """Records that the collection routes have been registered."""
    app.extensions[_REGISTERED] = True
