"""Decides which detected faces are good enough to be enrolled, and why the others are not. Pure functions.

The reasons are those of Amazon Rekognition, which are widely documented. Each of them is actionable: move closer, add
light, look into the camera. A bad reference image is worse than none, because it resembles everybody.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from face_comparison.api.collections import UnindexedReason
from face_comparison.errors import InvalidParameter
from face_comparison.vision.types import Face

QualityFilter = Literal["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Minimum quality of a face.

    Attributes:
        face_size: Minimum shorter side of the face, in pixels of the upright image.
        sharpness: Minimum sharpness, 0-100.
        brightness: Minimum brightness, 0-100.
        confidence: Minimum confidence of the detector, 0-1.
        yaw: Maximum turn of the head, 0-1, as measured by `asymmetry`.
        overexposed: Maximum brightness, 0-100.
    """

    face_size: float
    sharpness: float
    brightness: float
    confidence: float
    yaw: float
    overexposed: float = 96.0


LIMITS: dict[QualityFilter, Limits] = {
    "LOW": Limits(face_size=24, sharpness=15, brightness=6, confidence=0.5, yaw=0.85),
    "AUTO": Limits(face_size=36, sharpness=20, brightness=10, confidence=0.6, yaw=0.75),
    "MEDIUM": Limits(face_size=56, sharpness=30, brightness=15, confidence=0.65, yaw=0.65),
    "HIGH": Limits(face_size=80, sharpness=40, brightness=20, confidence=0.7, yaw=0.5),
}
"""The limits of each filter. AUTO rejects faces that would harm a collection. The input of the embedder has 112 pixels;
faces below about 40 pixels lack detail."""

_UNRELIABLE: dict[str, UnindexedReason] = {
    "EXTREME_POSE": "EXTREME_POSE",
    "LOW_SHARPNESS": "LOW_SHARPNESS",
    "LOW_BRIGHTNESS": "LOW_BRIGHTNESS",
    "SMALL_FACE": "SMALL_BOUNDING_BOX",
}
"""Maps the analyzer's reasons to Rekognition's; all others become LOW_FACE_QUALITY."""


def check_quality_filter(value: object) -> QualityFilter:
    """Returns the filter, or raises InvalidParameter."""
    for known in get_args(QualityFilter):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise InvalidParameter(f"QualityFilter must be one of {', '.join(get_args(QualityFilter))}")


def quality_reasons(face: Face, quality_filter: QualityFilter) -> list[UnindexedReason]:
    """Returns why a face must not be enrolled; empty if it may be."""
    if quality_filter == "NONE":
        return []
    limits, quality = LIMITS[quality_filter], face.quality
    failed: list[tuple[UnindexedReason, bool]] = [
        ("SMALL_BOUNDING_BOX", quality.face_size < limits.face_size),
        ("LOW_SHARPNESS", quality.sharpness < limits.sharpness),
        ("LOW_BRIGHTNESS", quality.brightness < limits.brightness),
        ("LOW_CONFIDENCE", face.confidence < limits.confidence),
        ("EXTREME_POSE", asymmetry(face.landmarks) > limits.yaw),
        ("LOW_FACE_QUALITY", quality.brightness > limits.overexposed),
    ]
    reasons = [reason for reason, is_failed in failed if is_failed]
    # An unreliable face would make the person resemble others.
    unreliable = dict.fromkeys(_UNRELIABLE.get(reason, "LOW_FACE_QUALITY") for reason in quality.reasons)
    return [*reasons, *(reason for reason in unreliable if reason not in reasons)]


def asymmetry(landmarks: NDArray[np.float32]) -> float:
    """Returns how far a head is turned to the side: 0 frontal, 1 profile.

    Along the line through the eyes, the nose of a frontal face is midway between them, and that of a profile is at one
    of them. Roll does not matter.

    Args:
        landmarks: (5, 2) in the order of LANDMARK_TYPES.
    """
    right, left, nose = (landmarks[index].astype(float) for index in range(3))
    axis = left - right
    length = math.hypot(*axis)
    if length == 0:
        return 1.0
    position = float(np.dot(nose - right, axis)) / length**2
    return min(1.0, abs(position - 0.5) * 2)
