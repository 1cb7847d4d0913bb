"""Value types of an image's faces. Values only: no I/O, no model, no wire name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from face_comparison.api.limits import Unreliability


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the upright image, origin top left; may reach beyond the image's edges."""

    left: float
    top: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Quality:
    """What makes a comparison with a face doubtful.

    sharpness, brightness: of the aligned face, 0-100, higher is sharper, brighter. face_size: shorter side of the box,
    pixels of the upright image. roll: degrees by which the face is rotated clockwise in the image. yaw: degrees by
    which it looks to the image's right. reasons: why the hash cannot be relied upon; none where it can.
    """

    sharpness: float
    brightness: float
    face_size: float
    roll: float = 0.0
    yaw: float = 0.0
    reasons: tuple[Unreliability, ...] = ()

    @property
    def reliable(self) -> bool:
        """Whether the hash can be relied upon."""
        return not self.reasons


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face found in an image.

    confidence: the detector's score, 0-1. landmarks: (5, 2) float32, x and y in pixels of the upright image, in
    the order of LANDMARK_TYPES. hash: (768,) float32, L2 norm 1.
    """

    box: Box
    confidence: float
    landmarks: NDArray[np.float32]
    quality: Quality
    hash: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What one image holds.

    faces: by descending confidence. width, height: pixels, upright. stages: seconds by stage name
    (`decode`, `detect`, `embed`, `queue`).
    """

    faces: tuple[Face, ...]
    width: int
    height: int
    stages: Mapping[str, float] = field(default_factory=dict)
