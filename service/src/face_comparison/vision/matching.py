"""Compares a face with the faces of other images. Pure: no images, no wire names, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from face_comparison.errors import NoFace
from face_comparison.vision import embedding
from face_comparison.vision.types import Face, ImageAnalysis

Verdict = Literal["same", "review", "different"]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Maps distances (0-2) to confidences and verdicts.

    Attributes:
        threshold: Maximum distance that counts as the same person.
        midpoint: Distance at which the same person and different people are equally likely: the bundle's own threshold.
        slope: Scale of the logistic function, in units of distance; the smaller, the faster the probability falls
            around the midpoint.
        same_below: Lower limit of `review` at the bundle's own threshold.
        different_above: Upper limit of `review` at the bundle's own threshold.
    """

    threshold: float
    midpoint: float
    slope: float
    same_below: float
    different_above: float

    def verdict(self, distance: float) -> Verdict:
        """Returns the verdict for a distance. The limits of `review` move along with the threshold."""
        shift = self.threshold - self.midpoint
        if distance <= self.same_below + shift:
            return "same"
        return "different" if distance > self.different_above + shift else "review"


@dataclass(frozen=True, slots=True, eq=False)
class FaceMatch:
    """The comparison of one face of a target with the source.

    Attributes:
        face: The target's face; None if the target was a hash.
        distance: Euclidean distance, 0-2.
        confidence: Probability, 0-1, that both are the same person.
        same_person: Whether the distance is within the threshold.
        verdict: `same`, `different`, or `review` if a person should decide, because the distance is near the threshold
            or one of the faces is not reliable.
    """

    face: Face | None
    distance: float
    confidence: float
    same_person: bool
    verdict: Verdict


@dataclass(frozen=True, slots=True, eq=False)
class TargetMatch:
    """The comparison of one target with the source.

    Attributes:
        faces: At least one, by ascending distance.
        width: Pixels of the upright image; 0 for a hash.
        height: Pixels of the upright image; 0 for a hash.
    """

    faces: tuple[FaceMatch, ...]
    width: int = 0
    height: int = 0


def most_prominent_face(faces: Sequence[Face], sure_confidence: float) -> Face:
    """Returns the largest face with at least `sure_confidence`, or the largest of all if there is none.

    Raises:
        NoFace: There are no faces.
    """
    if not faces:
        raise NoFace("no face was found in the image")
    return max(faces, key=lambda face: (face.confidence >= sure_confidence, face.box.area, face.confidence))


def image_match(
    source: NDArray[np.float32], target: ImageAnalysis, calibration: Calibration, *, reliable: bool = True
) -> TargetMatch:
    """Compares the source's hash with every face of an image.

    Args:
        source: Hash (768,) float32.
        target: The image's faces.
        calibration: The bundle's calibration at the request's threshold.
        reliable: Whether the source's hash is reliable.

    Raises:
        NoFace: The image has no face.
    """
    if not target.faces:
        raise NoFace("no face was found in the image")
    matches = (_match(source, face.hash, face, calibration, reliable) for face in target.faces)
    return TargetMatch(tuple(sorted(matches, key=lambda match: match.distance)), target.width, target.height)


def hash_match(
    source: NDArray[np.float32], target: NDArray[np.float32], calibration: Calibration, *, reliable: bool = True
) -> TargetMatch:
    """Compares the source's hash with another hash; for the arguments, see `image_match`."""
    return TargetMatch((_match(source, target, None, calibration, reliable),))


def _match(
    source: NDArray[np.float32],
    target: NDArray[np.float32],
    face: Face | None,
    calibration: Calibration,
    reliable: bool,
) -> FaceMatch:
    distance = embedding.distance(source, target)
    reliable = reliable and (face is None or face.quality.reliable)
    return FaceMatch(
        face=face,
        distance=distance,
        confidence=embedding.confidence(distance, calibration.midpoint, calibration.slope),
        same_person=distance <= calibration.threshold,
        verdict=calibration.verdict(distance) if reliable else "review",
    )
