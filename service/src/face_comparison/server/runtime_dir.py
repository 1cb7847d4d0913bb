"""A private in-memory folder for small files that change often, with cleanup of folders left by killed services.

A killed service removes nothing, and the memory of an abandoned folder would never be freed. So a folder is locked as
long as a process of its service lives: the kernel releases the lock with the last of them, however it ends, and the
next service that starts removes unlocked folders.
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
    shared = Path("/dev/shm")  # noqa: S108 (names in it are made by mkdtemp)
    return shared if os.access(shared, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())


@contextmanager
def folder(within: Path) -> Iterator[Path]:
    """A new folder, this process's and those of all that it forks. Removed at the end, with all that was forgotten."""
    _remove_forgotten(within)
    # Under another name until it is locked, so that nobody who starts at the same time takes it for forgotten.
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
        with suppress(OSError):  # another user's, no folder, or just removed
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
