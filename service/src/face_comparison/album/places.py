"""Where photographs and results lie: a folder, or a prefix of a bucket (`s3://bucket/prefix`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from face_comparison.album import files
from face_comparison.album.faces import Skipped
from face_comparison.fetching import s3
from face_comparison.fetching.urls import S3Url, parse_s3
from face_comparison.image.formats import LABELS, SUFFIXES

S3 = "s3://"


class Place(Protocol):
    """path: what stands for it in an album; names within it are relative to it."""

    path: Path

    def images(self, without: Path | None = None) -> Iterator[Path | Skipped]:
        """Yields every image, sorted by name, or why a file was skipped."""
        ...

    def names(self, folder: str) -> set[str]:
        """Returns the names below a folder, relative to the place."""
        ...

    def read(self, name: str) -> bytes:
        """Returns a file. Raises OSError."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Writes a file; it is there as a whole or not at all. Raises OSError."""
        ...


class Folder:
    """A folder of this machine, or a volume that several mount."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    def images(self, without: Path | None = None) -> Iterator[Path | Skipped]:
        """See Place. The content decides what is an image."""
        return files.images(self.path, without)

    def names(self, folder: str) -> set[str]:
        """See Place."""
        below = (self.path / folder).glob("*")
        return {f"{folder}/{path.name}" for path in below}

    def read(self, name: str) -> bytes:
        """See Place."""
        return (self.path / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """See Place."""
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        files.write(self.path / name, data)


class Bucket:
    """A prefix of a bucket, with the usual AWS configuration. Raises UrlNotAllowed for an address of another form."""

    def __init__(self, url: str) -> None:
        parsed = parse_s3(url)
        self._bucket, prefix = parsed.bucket, parsed.key.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._objects = s3.Objects(self._bucket)
        self.path = Path("s3:") / self._bucket / prefix

    def images(self, without: Path | None = None) -> Iterator[Path | Skipped]:
        """See Place. The name decides what is an image: reading each would be the most of the work."""
        del without
        for key in s3.keys_below(S3Url(self._bucket, self._prefix)):
            path = Path(key.removeprefix(self._prefix))
            if any(part.startswith(".") for part in path.parts):
                yield Skipped(path, "hidden", "its name starts with a dot")
            elif not key.lower().endswith(SUFFIXES):
                yield Skipped(path, "unsupported_format", f"it is not {LABELS} (its name decides)")
            else:
                yield path

    def names(self, folder: str) -> set[str]:
        """See Place."""
        keys = s3.keys_below(S3Url(self._bucket, f"{self._prefix}{folder}"))
        return {key.removeprefix(self._prefix) for key in keys}

    def read(self, name: str) -> bytes:
        """See Place."""
        return self._objects.read(self._prefix + name)

    def write(self, name: str, data: bytes) -> None:
        """See Place."""
        self._objects.write(self._prefix + name, data)


def place(address: str) -> Folder | Bucket:
    """Returns the place that an address names. Raises UrlNotAllowed for one that is not of the form s3://BUCKET/PREFIX."""
    return Bucket(address) if address.lower().startswith(S3) else Folder(Path(address))
