"""Values as replies: every public key name of an answer, in JSON or MessagePack.

The two differ in one thing: MessagePack carries a `face_hash` as 3,072 bytes of little-endian float32, JSON as numbers
of no more digits than a float32 has, and both are exactly the same hash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import orjson

from face_comparison.errors import FaceComparisonError
from face_comparison.vision.matching import FaceMatch, TargetMatch
from face_comparison.vision.types import LANDMARK_TYPES, Analysis, Box, Face, Quality

JSON: Literal["application/json"] = "application/json"
MESSAGE_PACK: Literal["application/msgpack"] = "application/msgpack"
MediaType = Literal["application/json", "application/msgpack"]

_DIGITS = 6  # a millionth of the longest side allowed is 0.004 pixels


def encoded(reply: Mapping[str, Any], media_type: MediaType) -> bytes:
    """The body of a reply made by one of the functions below."""
    if media_type == MESSAGE_PACK:
        return msgspec.msgpack.encode(reply, enc_hook=_little_endian)
    return orjson.dumps(reply, option=orjson.OPT_SERIALIZE_NUMPY)


def _little_endian(value: Any) -> bytes:
    if not isinstance(value, np.ndarray):
        raise NotImplementedError(f"no wire form for {type(value).__name__}")
    return value.astype("<f4").tobytes()


def detect_reply(analysis: Analysis, version: str) -> dict[str, Any]:
    """Faces by descending confidence, in fractions of the upright image."""
    return {
        "Faces": [_face(face, analysis.width, analysis.height) for face in analysis.faces],
        "FaceModelVersion": version,
    }


def compare_reply(
    source: tuple[Face, Analysis] | None,
    targets: Sequence[TargetMatch | FaceComparisonError],
    threshold: float,
    version: str,
) -> dict[str, Any]:
    """source None: it was a hash and has no box. Targets in the order of the request."""
    return {
        "FaceModelVersion": version,
        "Threshold": threshold,
        "Source": {}
        if source is None
        else {
            "BoundingBox": _bounding_box(source[0].box, source[1].width, source[1].height),
            "Confidence": round(source[0].confidence, _DIGITS),
        },
        "Targets": [_target(target) for target in targets],
    }


def error_reply(error: FaceComparisonError, request_id: str) -> dict[str, Any]:
    """What every failed request is answered with."""
    return {"error": {"code": error.code, "message": error.message, "request_id": request_id}}


def _face(face: Face, width: int, height: int) -> dict[str, Any]:
    return {
        "BoundingBox": _bounding_box(face.box, width, height),
        "Confidence": round(face.confidence, _DIGITS),
        "face_hash": face.hash,
        "Landmarks": [
            {"Type": kind, "X": round(x / width, _DIGITS), "Y": round(y / height, _DIGITS)}
            for kind, (x, y) in zip(LANDMARK_TYPES, face.landmarks.tolist(), strict=True)
        ],
        "Quality": quality_reply(face.quality),
    }


def quality_reply(quality: Quality) -> dict[str, Any]:
    """What makes a comparison with a face doubtful."""
    return {
        "Sharpness": round(quality.sharpness, 2),
        "Brightness": round(quality.brightness, 2),
        "FaceSize": round(quality.face_size, 2),
        "Roll": round(quality.roll, 2),
        "Yaw": round(quality.yaw, 2),
        "Reliable": quality.reliable,
        "Reasons": list(quality.reasons),
    }


def _bounding_box(box: Box, width: int, height: int) -> dict[str, float]:
    left, right = _clamped(box.left / width), _clamped((box.left + box.width) / width)
    top, bottom = _clamped(box.top / height), _clamped((box.top + box.height) / height)
    return {
        "Left": left,
        "Top": top,
        "Width": round(right - left, _DIGITS),
        "Height": round(bottom - top, _DIGITS),
    }


def _clamped(fraction: float) -> float:
    return round(min(1.0, max(0.0, fraction)), _DIGITS)


def _target(target: TargetMatch | FaceComparisonError) -> dict[str, Any]:
    if isinstance(target, FaceComparisonError):
        return {"Error": {"code": target.code, "message": target.message}}
    best = target.faces[0]
    return {
        "SamePerson": best.same_person,
        "Distance": best.distance,
        "Confidence": best.confidence,
        "Verdict": best.verdict,
        "Faces": [_match(match, target) for match in target.faces],
    }


def _match(match: FaceMatch, target: TargetMatch) -> dict[str, Any]:
    verdict = {
        "Distance": match.distance,
        "Confidence": match.confidence,
        "SamePerson": match.same_person,
        "Verdict": match.verdict,
    }
    if match.face is None:
        return verdict
    return {
        "BoundingBox": _bounding_box(match.face.box, target.width, target.height),
        "FaceConfidence": round(match.face.confidence, _DIGITS),
        **verdict,
    }
