"""Opens the store that `--collections` names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from face_comparison.collections.stores.base import Store
from face_comparison.errors import InvalidSettings

SQLITE = "sqlite:"
POSTGRESQL = ("postgresql://", "postgres://")


def open_store(
    url: str,
    *,
    max_faces: int,
    timeout: float = 30.0,
    connections: int = 4,
    index: str = "exact",
    reread_url: Callable[[], str] | None = None,
    create: bool = True,
) -> Store:
    """Returns the store that `url` names. An unreachable database raises an error only when it is first used.

    Args:
        url: `sqlite:DIRECTORY` or `postgresql://…`.
        max_faces: Maximum number of faces per collection in the embedded store.
        timeout: Maximum seconds per statement, and for waiting for a connection or a lock.
        connections: Maximum number of connections of this process to PostgreSQL.
        index: `exact`, or `hnsw` for an approximate index in PostgreSQL.
        reread_url: Returns the current URL, for reconnecting after the password has changed.
        create: Whether to create the store if there is none yet. With False, a mistyped name does not leave an empty
            store behind.

    Raises:
        InvalidSettings: The URL is not valid, the directory cannot be used or has no store, or the packages for
            PostgreSQL are not installed.
    """
    if url.startswith(SQLITE):
        from face_comparison.collections.stores.sqlite import SqliteStore  # noqa: PLC0415 (one of the two is needed)

        return SqliteStore(_directory(url), max_faces=max_faces, timeout=timeout, create=create)
    if not url.startswith(POSTGRESQL):  # the message does not quote the URL, which may contain a password
        raise InvalidSettings("--collections must be sqlite:DIRECTORY or postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    try:
        from face_comparison.collections.stores.postgres import PostgresStore  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise InvalidSettings(
            f"PostgreSQL needs the package {error.name}: pip install 'face-comparison[postgres]'"
        ) from error
    read_url = reread_url or (lambda: url)
    return PostgresStore(read_url, timeout=timeout, connections=connections, index=index, create=create)


def _directory(url: str) -> Path:
    """Returns the directory of `sqlite:DIRECTORY`, with `~` expanded, which a shell does not do after a colon."""
    name = url.removeprefix(SQLITE).removeprefix("//")
    if not name or name == ":memory:":
        raise InvalidSettings("--collections must be sqlite:DIRECTORY, with a persistent directory on a local disk")
    return Path(name).expanduser()
