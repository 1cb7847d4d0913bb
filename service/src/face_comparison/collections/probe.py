"""The input of an enrollment or a search: the faces of one image, or a hash. Values only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from face_comparison.collections.values import RelativeBox
from face_comparison.vision.types import Box, Face, ImageAnalysis


@dataclass(frozen=True, slots=True, eq=False)
class ProbeFace:
    """One face to enroll or to search for.

    Attributes:
        vector: (768,) float32 of norm 1.
        detected: The detection; None for a hash.
        box: In fractions of the image; None for a hash.
    """

    vector: NDArray[np.float32]
    detected: Face | None = None
    box: RelativeBox | None = None

    @property
    def reliable(self) -> bool:
        """Whether the embedding is reliable; always true for a hash, about which nothing else is known."""
        return self.detected is None or self.detected.quality.reliable


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """The faces of one image, or a hash.

    Attributes:
        faces: In order of prominence, the most prominent first.
        digest: SHA-256 of the image or hash.
        has_image: Whether there was an image.
    """

    faces: tuple[ProbeFace, ...]
    digest: bytes
    has_image: bool

    @classmethod
    def from_analysis(cls, analysis: ImageAnalysis, digest: bytes, sure_confidence: float = 0.0) -> Probe:
        """Returns the faces found in an image, most prominent first.

        Args:
            analysis: The analyzed image.
            digest: SHA-256 of the image's bytes.
            sure_confidence: See `most_prominent_face`.
        """
        by_size = sorted(
            analysis.faces,
            key=lambda face: (face.confidence >= sure_confidence, face.box.area, face.confidence),
            reverse=True,
        )
        faces = (ProbeFace(face.hash, face, _relative(face.box, analysis.width, analysis.height)) for face in by_size)
        return cls(tuple(faces), digest, has_image=True)

    @classmethod
    def from_hash(cls, vector: NDArray[np.float32]) -> Probe:
        """Returns the probe of a face_hash, (768,) float32 of norm 1."""
        digest = hashlib.sha256(np.ascontiguousarray(vector, "<f4").tobytes()).digest()
        return cls((ProbeFace(vector),), digest, has_image=False)

    @property
    def image_id(self) -> str | None:
        """A UUID derived from the digest, so that an image has the same id wherever it is enrolled; None for a hash."""
        return str(UUID(bytes=self.digest[:16], version=4)) if self.has_image else None

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The vectors of the faces, (F, 768) float32, in the order of `faces`."""
        return np.stack([face.vector for face in self.faces]) if self.faces else np.empty((0, 0), np.float32)

    @property
    def reliable(self) -> tuple[bool, ...]:
        """Whether each face is reliable, in the order of `faces`."""
        return tuple(face.reliable for face in self.faces)

    def source_key(self, number: int, user_id: str | None, external_image_id: str | None) -> bytes:
        """Returns the digest of a face of an image for a user, which makes repeated enrollments idempotent.

        Without a user, equal images are distinguished by their ExternalImageId, as in Rekognition.
        """
        owner = f"user\0{user_id}" if user_id is not None else f"image\0{external_image_id or ''}"
        return hashlib.sha256(self.digest + number.to_bytes(2, "big") + owner.encode()).digest()


def _relative(box: Box, width: int, height: int) -> RelativeBox:
    left, right = (min(1.0, max(0.0, x / width)) for x in (box.left, box.left + box.width))
    top, bottom = (min(1.0, max(0.0, y / height)) for y in (box.top, box.top + box.height))
    return RelativeBox(*(round(value, 6) for value in (left, top, right - left, bottom - top)))
