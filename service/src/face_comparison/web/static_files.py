"""Loads static files: each is read and compressed once, and has an entity tag computed from its content.

Browsers cache the files but revalidate them, so an upgraded service never shows an old page. Apart from media types,
this module knows nothing about HTTP.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

MEDIA_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""Media types by file name suffix; other files are not served."""

_COMPRESSED_ALREADY = (".jpg",)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file, ready to be sent.

    Attributes:
        content: The bytes.
        gzipped: The compressed bytes; None if compression does not help.
        media_type: The value of `Content-Type`.
        etag: The entity tag, without quotes; it changes with the content.
    """

    content: bytes
    gzipped: bytes | None
    media_type: str
    etag: str


def static_files(folder: Traversable) -> dict[str, StaticFile]:
    """Reads the files in a folder and returns them by relative path. `x.js.gz` on disk is a precompressed `x.js`."""
    files: dict[str, StaticFile] = {}
    for path, raw in _walk(folder, PurePosixPath()):
        if path.suffix == ".gz":
            files[str(path.with_suffix(""))] = _file(path.with_suffix("").name, gzip.decompress(raw), raw)
        elif path.suffix in MEDIA_TYPES:
            files[str(path)] = static_file(path.name, raw)
    return files


def static_file(name: str, content: bytes) -> StaticFile:
    """Creates a file from its bytes.

    Args:
        name: File name, whose suffix determines the media type.
        content: The bytes.

    Raises:
        KeyError: The suffix is not in `MEDIA_TYPES`.
    """
    # With mtime 0, all replicas of a version send the same bytes.
    compressible = not name.endswith(_COMPRESSED_ALREADY)
    return _file(name, content, gzip.compress(content, 9, mtime=0) if compressible else None)


def _file(name: str, content: bytes, gzipped: bytes | None) -> StaticFile:
    digest = hashlib.sha256(content).hexdigest()[:32]
    return StaticFile(content, gzipped, MEDIA_TYPES[PurePosixPath(name).suffix], digest)


def _walk(folder: Traversable, at: PurePosixPath) -> Iterator[tuple[PurePosixPath, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _walk(entry, at / entry.name)
        else:
            yield at / entry.name, entry.read_bytes()
