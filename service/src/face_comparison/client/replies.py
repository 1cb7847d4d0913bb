"""Replies as values. Boxes and landmarks are in fractions (0-1) of the upright image, whatever its size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """A face's place: fractions of the upright image's width and height, origin top left."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Quality:
    """sharpness, brightness: 0-100. face_size: shorter side of the box, pixels of the upright image.

    roll: degrees by which the face is rotated clockwise. yaw: degrees by which it looks to the image's right. reasons:
    why the hash cannot be relied upon, by name; none where it can.
    """

    sharpness: float
    brightness: float
    face_size: float
    roll: float = 0.0
    yaw: float = 0.0
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face of an image.

    confidence: the detector's, 0-1. landmarks: x and y by name (`eyeLeft`, ...). hash: (768,) float32 of norm 1, which
    compares only with hashes of the same model_version.
    """

    box: BoundingBox
    confidence: float
    landmarks: Mapping[str, tuple[float, float]]
    quality: Quality
    hash: NDArray[np.float32]
    model_version: str


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """faces: by descending confidence; empty when there is none."""

    faces: tuple[Face, ...]
    model_version: str


@dataclass(frozen=True, slots=True)
class SourceFace:
    """The face that was compared with all others: the largest of the source."""

    box: BoundingBox
    confidence: float


@dataclass(frozen=True, slots=True)
class Match:
    """A target's face against the source's.

    distance: Euclidean, 0-2. confidence: the probability that both are one person, 0-1. verdict: `same`, `different` or
    `review` where a person should decide. box, face_confidence None: the target was a hash.
    """

    distance: float
    confidence: float
    same_person: bool
    verdict: str
    box: BoundingBox | None
    face_confidence: float | None


@dataclass(frozen=True, slots=True)
class Target:
    """One target: its best face's verdict, and every face's, nearest first."""

    same_person: bool
    verdict: str
    distance: float
    confidence: float
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class TargetFailure:
    """A target without a verdict, and why. same_person: always None, so that targets can be looked through alike."""

    code: str
    message: str
    same_person: None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """targets: in the order of the request. source None: it was a hash."""

    targets: tuple[Target | TargetFailure, ...]
    source: SourceFace | None
    threshold: float
    model_version: str


@dataclass(frozen=True, slots=True)
class About:
    """What a service runs and allows. threshold: its bundle's. max_body_bytes: of a whole request."""

    model_version: str
    threshold: float
    min_confidence: float
    max_body_bytes: int


def about(reply: Mapping[str, Any]) -> About:
    """Converts the description of the service."""
    defaults = reply["defaults"]
    return About(
        reply["FaceModelVersion"], defaults["threshold"], defaults["min_confidence"], reply["limits"]["max_body_bytes"]
    )


def detection(reply: Mapping[str, Any]) -> Detection:
    """Converts the response of a detection."""
    version = reply["FaceModelVersion"]
    return Detection(tuple(_face(face, version) for face in reply["Faces"]), version)


def comparison(reply: Mapping[str, Any]) -> Comparison:
    """Converts the response of a comparison."""
    source = reply["Source"]
    return Comparison(
        targets=tuple(_target(target) for target in reply["Targets"]),
        source=SourceFace(_box(source["BoundingBox"]), source["Confidence"]) if source else None,
        threshold=reply["Threshold"],
        model_version=reply["FaceModelVersion"],
    )


def _face(face: Mapping[str, Any], version: str) -> Face:
    quality = face["Quality"]
    return Face(
        box=_box(face["BoundingBox"]),
        confidence=face["Confidence"],
        landmarks={point["Type"]: (point["X"], point["Y"]) for point in face["Landmarks"]},
        quality=Quality(
            sharpness=quality["Sharpness"],
            brightness=quality["Brightness"],
            face_size=quality["FaceSize"],
            roll=quality["Roll"],
            yaw=quality["Yaw"],
            reasons=tuple(quality["Reasons"]),
        ),
        hash=np.frombuffer(face["face_hash"], "<f4").astype(np.float32),
        model_version=version,
    )


def _box(box: Mapping[str, float]) -> BoundingBox:
    return BoundingBox(box["Left"], box["Top"], box["Width"], box["Height"])


def _target(target: Mapping[str, Any]) -> Target | TargetFailure:
    if "Error" in target:
        return TargetFailure(target["Error"]["code"], target["Error"]["message"])
    return Target(
        same_person=target["SamePerson"],
        verdict=target["Verdict"],
        distance=target["Distance"],
        confidence=target["Confidence"],
        matches=tuple(_match(match) for match in target["Faces"]),
    )


def _match(match: Mapping[str, Any]) -> Match:
    box = match.get("BoundingBox")
    return Match(
        distance=match["Distance"],
        confidence=match["Confidence"],
        same_person=match["SamePerson"],
        verdict=match["Verdict"],
        box=None if box is None else _box(box),
        face_confidence=match.get("FaceConfidence"),
    )
