"""A private in-memory folder for small files that change often, with cleanup of folders left by killed services.

A killed service cannot remove its folder, and the memory of an abandoned folder would never be freed. Therefore, a
folder is locked as long as any process of its service is alive: the kernel releases the lock when the last of them
exits, for whatever reason, and the next service that starts removes unlocked folders.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "face-comparison."


def parent() -> Path:
    """Returns where to create such folders: in memory, if possible."""
    shared = Path("/dev/shm")  # noqa: S108 (mkdtemp chooses the names in it)
    return shared if os.access(shared, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())


@contextmanager
def folder(within: Path) -> Iterator[Path]:
    """Creates a folder for this process and its forks, after removing abandoned ones, and removes it at the end."""
    _remove_forgotten(within)
    # The folder has another name until it is locked, so that a service that starts at the same time does not remove it.
    fresh = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=within))
    lock = os.open(fresh, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    own = fresh.rename(within / fresh.name.removeprefix("."))
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        os.close(lock)


def _remove_forgotten(within: Path) -> None:
    for path in within.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is locked, belongs to another user, is not a folder, or was just removed
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
