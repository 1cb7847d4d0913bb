"""The value types of an album: images, faces, and their people. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from face_comparison.client.detection import DetectedFace, Detection

FaceKey: TypeAlias = tuple[str, int]
"""SHA-256 of an image's content, and the number of the face in the image, from 0."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that is not in the album. `path` is relative to the folder of the photographs."""

    path: Path
    code: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Analyzed:
    """The faces of an image that is identified by the digest of its content. `crops` holds a JPEG file per face."""

    digest: str
    detection: Detection
    crops: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """An image, identified by the digest of its content, that can never be analyzed."""

    digest: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One face of one file.

    Attributes:
        path: Path relative to the folder of the photographs.
        key: Identifies the face.
        face: The detected face.
        person: Number of the person, from 1; None for a person seen only once.
        name: Name of the person; empty if nobody has named them.
    """

    path: Path
    key: FaceKey
    face: DetectedFace
    person: int | None
    name: str = ""
