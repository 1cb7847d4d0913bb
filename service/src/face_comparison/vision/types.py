"""Value types for the faces of an image: no I/O, no networks, no wire format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from face_comparison.api.limits import Unreliability


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the upright image, with the origin at the top left; it may extend beyond the edges."""

    left: float
    top: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """The area in square pixels."""
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Quality:
    """Measurements that say whether comparisons with a face are reliable.

    Attributes:
        sharpness: Of the aligned face, 0-100.
        brightness: Of the aligned face, 0-100.
        face_size: Shorter side of the box, in pixels of the upright image.
        roll: Clockwise rotation of the face in the image, in degrees.
        yaw: Turn of the head to the image's right, in degrees.
        reasons: Why the hash is not reliable; empty if it is.
    """

    sharpness: float
    brightness: float
    face_size: float
    roll: float = 0.0
    yaw: float = 0.0
    reasons: tuple[Unreliability, ...] = ()

    @property
    def reliable(self) -> bool:
        """Whether the hash is reliable."""
        return not self.reasons


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face found in an image.

    Attributes:
        box: In pixels of the upright image.
        confidence: The detector's score, 0-1.
        landmarks: (5, 2) float32, x and y in pixels of the upright image, in the order of LANDMARK_TYPES.
        quality: Measurements that say whether comparisons with the face are reliable.
        hash: (768,) float32, L2 norm 1.
    """

    box: Box
    confidence: float
    landmarks: NDArray[np.float32]
    quality: Quality
    hash: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ImageAnalysis:
    """The faces of one image.

    Attributes:
        faces: By descending confidence.
        width: Of the upright image, in pixels.
        height: Of the upright image, in pixels.
        stages: Seconds per phase (`decode`, `detect`, `embed`, `queue`).
    """

    faces: tuple[Face, ...]
    width: int
    height: int
    stages: Mapping[str, float] = field(default_factory=dict)
