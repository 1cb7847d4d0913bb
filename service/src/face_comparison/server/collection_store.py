"""Opens the collection store named in the settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from face_comparison.collections.service import CollectionService
from face_comparison.collections.stores import open_store
from face_comparison.errors import InvalidSettings
from face_comparison.serving.collection_upkeep import CollectionUpkeep
from face_comparison.settings import Settings
from face_comparison.vision.analyzer import ModelInfo


def open_collections(
    settings: Settings, model: Callable[[], ModelInfo], *, create: bool = True
) -> CollectionUpkeep | None:
    """Opens the collection store and returns the collection service of a process, or None if no store is configured.

    Args:
        settings: The options of the service.
        model: Returns the running model.
        create: Whether to create the store if there is none yet.

    Raises:
        InvalidSettings: The settings of the store are not valid.
    """
    url = settings.collections
    if settings.collections_file is not None:
        url = _read(settings.collections_file)
    if url is None:
        return None
    store = open_store(
        url,
        max_faces=settings.collections_max_faces,
        timeout=settings.request_seconds,
        index=settings.collections_index,
        reread_url=None if settings.collections_file is None else partial(_reread, settings.collections_file, url),
        create=create,
    )
    return CollectionUpkeep(CollectionService(store, model, backup_days=settings.collections_backup_days))


def _read(file: str) -> str:
    if Path(file).exists() and not Path(file).is_file():  # reading a pipe or a device may never end
        raise InvalidSettings(f"--collections-file {file} is not a regular file")
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InvalidSettings(f"--collections-file {file} cannot be read: {reason}") from error


def _reread(file: str, first: str) -> str:
    """Reads the URL in the file again, which changes with the Secret; returns the first one if that fails."""
    try:
        return _read(file)
    except InvalidSettings:
        return first
