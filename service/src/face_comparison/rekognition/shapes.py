"""Domain values in the shapes of Amazon Rekognition's responses. Pure.

Confidence and Similarity are 0-100 there, and left and right are those of the viewer, not of the person. What this
product does not measure (age, gender, emotions, glasses …) is left out rather than invented.
"""

from __future__ import annotations

from typing import Any

from face_comparison.api.limits import LANDMARK_TYPES
from face_comparison.collections.values import RelativeBox, StoredFace, User
from face_comparison.vision.types import Face, ImageAnalysis

Shape = dict[str, Any]

_MIRRORED = {"eyeRight": "eyeLeft", "eyeLeft": "eyeRight", "mouthRight": "mouthLeft", "mouthLeft": "mouthRight"}


def bounding_box(face: Face, analysis: ImageAnalysis) -> Shape:
    """Returns a BoundingBox: fractions of the upright image's width and height, cut to the image."""
    box, width, height = face.box, analysis.width, analysis.height
    left, right = (_fraction(x, width) for x in (box.left, box.left + box.width))
    top, bottom = (_fraction(y, height) for y in (box.top, box.top + box.height))
    return {"Left": left, "Top": top, "Width": right - left, "Height": bottom - top}


def face_detail(face: Face, analysis: ImageAnalysis) -> Shape:
    """Returns a FaceDetail, as DetectFaces and IndexFaces return it."""
    return {
        "BoundingBox": bounding_box(face, analysis),
        "Confidence": percent(face.confidence),
        "Landmarks": [
            {"Type": _MIRRORED.get(kind, kind), "X": float(x) / analysis.width, "Y": float(y) / analysis.height}
            for kind, (x, y) in zip(LANDMARK_TYPES, face.landmarks.tolist(), strict=True)
        ],
        "Pose": {"Roll": face.quality.roll, "Yaw": face.quality.yaw},
        "Quality": {"Brightness": face.quality.brightness, "Sharpness": face.quality.sharpness},
    }


def stored_face(face: StoredFace, version: str) -> Shape:
    """Returns a Face of a collection of this FaceModelVersion."""
    shape: Shape = {
        "FaceId": face.face_id,
        "BoundingBox": None if face.box is None else _relative_box(face.box),
        "ImageId": face.image_id,
        "ExternalImageId": face.external_image_id,
        "Confidence": None if face.confidence is None else percent(face.confidence),
        "UserId": face.user_id,
        "IndexFacesModelVersion": version,
    }
    return {name: value for name, value in shape.items() if value is not None}


def user(found: User) -> Shape:
    """Returns a User: ACTIVE once faces are associated, CREATED before."""
    return {"UserId": found.user_id, "UserStatus": "ACTIVE" if found.faces else "CREATED"}


def collection_arn(name: str) -> str:
    """Returns an ARN that names the collection and claims neither a region nor an account of Amazon's."""
    return f"arn:face-comparison:rekognition:::collection/{name}"


def percent(fraction: float) -> float:
    """Returns a probability of 0-1 as Rekognition's 0-100."""
    return 100 * float(fraction)


def _relative_box(box: RelativeBox) -> Shape:
    return {"Left": box.left, "Top": box.top, "Width": box.width, "Height": box.height}


def _fraction(pixels: float, side: int) -> float:
    return min(1.0, max(0.0, float(pixels) / side))
