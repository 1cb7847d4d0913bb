"""Reads and writes photographs and results in a folder, or under a prefix of a bucket (`s3://bucket/prefix`)."""

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
    """Storage of photographs or results.

    Names of files are relative to the place.

    Attributes:
        path: Path that represents the place in an album.
    """

    path: Path

    def images(self, without: Path | None = None) -> Iterator[Path | Skipped]:
        """Yields the path of every image, sorted by name, or why a file was skipped.

        Args:
            without: A folder to leave out.
        """
        ...

    def names(self, folder: str) -> set[str]:
        """Returns the names of the files in a folder, relative to the place."""
        ...

    def read(self, name: str) -> bytes:
        """Returns the content of a file. Raises OSError."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Writes a file atomically. Raises OSError."""
        ...


class Folder:
    """A folder on this machine, or on a volume that several machines mount."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    def images(self, without: Path | None = None) -> Iterator[Path | Skipped]:
        """See Place. Images are recognized by their content."""
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
    """A prefix of a bucket, accessed with the usual AWS configuration.

    Args:
        url: Address of the form s3://BUCKET/PREFIX.

    Raises:
        UrlNotAllowed: The address has another form.
    """

    def __init__(self, url: str) -> None:
        parsed = parse_s3(url)
        self._bucket, prefix = parsed.bucket, parsed.key.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._objects = s3.Objects(self._bucket)
        self.path = Path("s3:") / self._bucket / prefix

    def images(self, without: Path | None = None) -> Iterator[Path | Skipped]:
        """See Place. Images are recognized by their name: reading each object would be most of the work."""
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
    """Returns the place at an address.

    Args:
        address: Path of a folder, or s3://BUCKET/PREFIX.

    Raises:
        UrlNotAllowed: The address begins with s3:// but does not have the form s3://BUCKET/PREFIX.
    """
    return Bucket(address) if address.lower().startswith(S3) else Folder(Path(address))
