"""Builds responses from pipeline values: pixels become fractions, numbers are rounded, and landmarks get names."""

from __future__ import annotations

from collections.abc import Sequence

from face_comparison.api import responses as api
from face_comparison.api.limits import LANDMARK_TYPES, MAX_DISTANCE
from face_comparison.errors import FaceComparisonError
from face_comparison.vision.matching import FaceMatch, TargetMatch
from face_comparison.vision.types import Box, Face, ImageAnalysis, Quality

_DIGITS = 6  # precise enough: a millionth of the maximum side of an image is 0.004 pixels


def to_detect_response(analysis: ImageAnalysis, version: str) -> api.DetectResponse:
    """Returns the faces in an image, in fractions of the upright image.

    Args:
        analysis: The faces, in pixels.
        version: The `FaceModelVersion` of their hashes.
    """
    faces = tuple(_face(face, analysis.width, analysis.height) for face in analysis.faces)
    return api.DetectResponse(faces, version)


def to_compare_response(
    source: tuple[Face, ImageAnalysis] | None,
    targets: Sequence[TargetMatch | FaceComparisonError],
    threshold: float,
    version: str,
) -> api.CompareResponse:
    """Returns the result of a comparison.

    Args:
        source: The compared face and its image; None if it was given as a hash.
        targets: The result of each target, in the order of the request.
        threshold: The applied threshold.
        version: The `FaceModelVersion` of the hashes.
    """
    shown = api.SourceFace()
    if source is not None:
        face, image = source
        shown = api.SourceFace(_bounding_box(face.box, image.width, image.height), round(face.confidence, _DIGITS))
    return api.CompareResponse(version, threshold, shown, tuple(_target(target) for target in targets))


def to_error_response(error: FaceComparisonError, request_id: str) -> api.ErrorResponse:
    """Returns the body of a failed request."""
    return api.ErrorResponse(api.ErrorDetail(error.code, error.message, request_id))


def _face(face: Face, width: int, height: int) -> api.Face:
    return api.Face(
        bounding_box=_bounding_box(face.box, width, height),
        confidence=round(face.confidence, _DIGITS),
        face_hash=face.hash,
        landmarks=tuple(
            api.Landmark(kind, round(x / width, _DIGITS), round(y / height, _DIGITS))
            for kind, (x, y) in zip(LANDMARK_TYPES, face.landmarks.tolist(), strict=True)
        ),
        quality=to_quality(face.quality),
    )


def to_quality(quality: Quality) -> api.Quality:
    """Returns the quality of a face."""
    return api.Quality(
        sharpness=round(quality.sharpness, 2),
        brightness=round(quality.brightness, 2),
        face_size=round(quality.face_size, 2),
        roll=round(quality.roll, 2),
        yaw=round(quality.yaw, 2),
        reliable=quality.reliable,
        reasons=quality.reasons,
    )


def _bounding_box(box: Box, width: int, height: int) -> api.BoundingBox:
    left, right = _clamp(box.left / width), _clamp((box.left + box.width) / width)
    top, bottom = _clamp(box.top / height), _clamp((box.top + box.height) / height)
    return api.BoundingBox(left, top, width=round(right - left, _DIGITS), height=round(bottom - top, _DIGITS))


def _clamp(fraction: float) -> float:
    return round(min(1.0, max(0.0, fraction)), _DIGITS)


def _target(target: TargetMatch | FaceComparisonError) -> api.TargetResult:
    if isinstance(target, FaceComparisonError):
        return api.TargetError(api.ErrorReason(target.code, target.message))
    best = target.faces[0]
    return api.TargetMatch(
        same_person=best.same_person,
        distance=min(MAX_DISTANCE, best.distance),
        confidence=best.confidence,
        verdict=best.verdict,
        faces=tuple(_match(match, target) for match in target.faces),
    )


def _match(match: FaceMatch, target: TargetMatch) -> api.FaceMatch:
    face = match.face
    return api.FaceMatch(
        bounding_box=None if face is None else _bounding_box(face.box, target.width, target.height),
        face_confidence=None if face is None else round(face.confidence, _DIGITS),
        distance=min(MAX_DISTANCE, match.distance),
        confidence=match.confidence,
        same_person=match.same_person,
        verdict=match.verdict,
    )
