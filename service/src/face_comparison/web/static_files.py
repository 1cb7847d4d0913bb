"""Files of a folder, ready to be sent: read once, compressed once, each with a tag of its content.

A browser keeps them and asks whether they are still the same, so an upgraded service never runs an old page. Values
only: nothing here knows of HTTP beyond the names of media types.
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
"""By file name suffix; a file of another kind is not served."""

_COMPRESSED_ALREADY = (".jpg",)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file. gzipped None: compressing it gains nothing. etag: without quotes, differs with the content."""

    content: bytes
    gzipped: bytes | None
    media_type: str
    etag: str


def static_files(folder: Traversable) -> dict[str, StaticFile]:
    """Every file below a folder, by its path relative to it. `x.js.gz` on disk is `x.js`, compressed beforehand."""
    files: dict[str, StaticFile] = {}
    for path, raw in _walk(folder, PurePosixPath()):
        if path.suffix == ".gz":
            files[str(path.with_suffix(""))] = _file(path.with_suffix("").name, gzip.decompress(raw), raw)
        elif path.suffix in MEDIA_TYPES:
            files[str(path)] = static_file(path.name, raw)
    return files


def static_file(name: str, content: bytes) -> StaticFile:
    """One file from its bytes; name: decides its media type. Raises KeyError for a suffix without one."""
    # mtime 0: replicas of one version send the same bytes.
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
