"""The file that names a collection store: read as text, and only where reading ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from face_comparison.errors import InvalidSettings
from face_comparison.server.collection_store import open_collections
from face_comparison.settings import Settings


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [pipe, device, Path.mkdir])
def test_only_regular_file_is_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "uri")
    with pytest.raises(InvalidSettings, match="is not a regular file"):
        open_collections(Settings(collections_file=str(tmp_path / "uri")), lambda: pytest.fail("not loaded"))


def test_missing_file_fails_startup(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="cannot be read: No such file"):
        open_collections(Settings(collections_file=str(tmp_path / "uri")), lambda: pytest.fail("not loaded"))
