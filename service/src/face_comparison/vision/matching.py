"""Whose face is it: one face against those of other pictures. Pure: no picture, no wire name, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from face_comparison.errors import NoFace
from face_comparison.vision import embedding
from face_comparison.vision.types import Analysis, Face


@dataclass(frozen=True, slots=True)
class Scale:
    """How distances become verdicts.

    threshold: the greatest distance (0-2) at which two faces are called one person. even, slope: the bundle's
    calibration, the distance at which both answers are equally likely and how fast the probability falls around it.
    """

    threshold: float
    even: float
    slope: float


@dataclass(frozen=True, slots=True, eq=False)
class FaceMatch:
    """A target's face against the source. face None: the target was a bare hash. confidence: probability, 0-1."""

    face: Face | None
    distance: float
    confidence: float
    same_person: bool


@dataclass(frozen=True, slots=True, eq=False)
class TargetMatch:
    """One target. faces: at least one, nearest first. width, height: pixels of the upright picture, 0 for a hash."""

    faces: tuple[FaceMatch, ...]
    width: int = 0
    height: int = 0


def largest_face(faces: Sequence[Face]) -> Face:
    """The face with the largest box, the more certain of equals. Raises NoFace."""
    if not faces:
        raise NoFace("no face was found in the picture")
    return max(faces, key=lambda face: (face.box.area, face.confidence))


def picture_match(source: NDArray[np.float32], target: Analysis, scale: Scale) -> TargetMatch:
    """The source's hash against every face of a picture. Raises NoFace."""
    if not target.faces:
        raise NoFace("no face was found in the picture")
    matches = (_match(source, face.hash, face, scale) for face in target.faces)
    return TargetMatch(tuple(sorted(matches, key=lambda match: match.distance)), target.width, target.height)


def hash_match(source: NDArray[np.float32], target: NDArray[np.float32], scale: Scale) -> TargetMatch:
    """The source's hash against another hash."""
    return TargetMatch((_match(source, target, None, scale),))


def _match(source: NDArray[np.float32], target: NDArray[np.float32], face: Face | None, scale: Scale) -> FaceMatch:
    distance = embedding.distance(source, target)
    return FaceMatch(
        face=face,
        distance=distance,
        confidence=embedding.confidence(distance, scale.even, scale.slope),
        same_person=distance <= scale.threshold,
    )
