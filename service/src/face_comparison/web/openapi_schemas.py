"""Schemas and examples for the OpenAPI document; schemas of responses are generated from `api.responses`."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from face_comparison import errors
from face_comparison.api import encoding, responses
from face_comparison.api.limits import HASH_SIZE, LANDMARK_TYPES, MAX_DISTANCE, MAX_FACES, MAX_TARGETS
from face_comparison.fetching.urls import MAX_LENGTH
from face_comparison.vision.analyzer import ModelInfo

Schema = dict[str, Any]

# A single gray pixel: the smallest image that works everywhere. It contains no face.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg=="

_HASH_EXAMPLE = [0.036084] * HASH_SIZE
BOX_EXAMPLE = responses.BoundingBox(0.52, 0.4, 0.05, 0.1)
QUALITY_EXAMPLE = responses.Quality(
    sharpness=61.2, brightness=48.9, face_size=96.0, roll=-3.5, yaw=12.0, reliable=True, reasons=()
)


def ref(name: str) -> Schema:
    """Returns a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def schemas(model: ModelInfo, codes: list[str]) -> dict[str, Schema]:
    """Returns the schemas for components/schemas, except those of collections.

    Args:
        model: The running model.
        codes: Error codes that a caller may get.
    """
    described = encoding.schemas(
        responses.DetectResponse,
        responses.CompareResponse,
        responses.TargetMatch,
        responses.TargetError,
        responses.ErrorResponse,
        responses.ServiceDescription,
        responses.Status,
    )
    for name in ("ErrorDetail", "ErrorReason"):
        described[name]["properties"]["code"] = ref("ErrorCode")
    for name in ("DetectResponse", "CompareResponse", "ServiceDescription"):
        described[name]["properties"]["FaceModelVersion"]["const"] = model.version
    return {
        **_requests(model),
        **described,
        "ErrorCode": {"type": "string", "enum": codes},
    }


def _requests(model: ModelInfo) -> dict[str, Schema]:
    sure = f"with a confidence of at least {model.sure_confidence:g}"
    url = {
        "type": ["string", "null"],
        "maxLength": MAX_LENGTH,
        "description": "`http://`, `https://` or `s3://bucket/key` of the image. Takes precedence over `img`.",
    }
    img = {
        "type": ["string", "null"],
        "contentEncoding": "base64",
        "description": "The image in base64; a `data:` prefix, line breaks, missing padding, and the URL-safe "
        "alphabet are tolerated.",
    }
    subject = {
        "url": url,
        "img": img,
        "face_hash": {
            "type": ["array", "null"],
            "items": {"type": "number"},
            "minItems": HASH_SIZE,
            "maxItems": HASH_SIZE,
            "description": "A hash from an earlier response, used if neither `url` nor `img` is given. It is "
            "normalized again, so it may have been rounded or averaged.",
        },
        "FaceModelVersion": {
            "type": ["string", "null"],
            "description": f"The model that computed the `face_hash`; versions other than `{model.version}` are "
            "rejected.",
        },
    }
    return {
        "DetectRequest": {
            "type": "object",
            "properties": {
                "url": url,
                "img": img,
                "max_faces": {
                    "type": ["integer", "null"],
                    "minimum": 1,
                    "maximum": MAX_FACES,
                    "default": MAX_FACES,
                    "description": "Maximum faces in the response; the most prominent are kept: the largest of those "
                    f"{sure}, then the largest of the others.",
                },
                "min_confidence": {
                    "type": ["number", "null"],
                    "minimum": 0,
                    "maximum": 1,
                    "default": model.min_confidence,
                    "description": "Minimum confidence of a face in the response.",
                },
            },
            # The required alternative is described in prose: `anyOf` next to properties prevents most client generators
            # from generating a class.
            "description": "One of `url` and `img` is required.",
        },
        "Subject": {
            "type": "object",
            "description": "An image or a hash: one of `url`, `img` and `face_hash` is required.",
            "properties": subject,
        },
        "CompareRequest": {
            "type": "object",
            "properties": {
                "source": {
                    **ref("Subject"),
                    "description": "Its most prominent face is compared with the targets: the largest of those "
                    f"{sure}, otherwise the largest.",
                },
                "targets": {
                    "type": ["array", "null"],
                    # An invalid item is an error of that target only.
                    "items": ref("Subject"),
                    "minItems": 1,
                    "maxItems": MAX_TARGETS,
                },
                "target": {**ref("Subject"), "description": "Same as `targets` with this single item."},
                "threshold": {
                    "type": ["number", "null"],
                    "minimum": 0,
                    "maximum": MAX_DISTANCE,
                    "default": model.threshold,
                    "description": "Maximum distance that counts as the same person.",
                },
            },
            "required": ["source"],
            "description": "One of `targets` and `target` is required.",
        },
    }


def detect_examples(version: str) -> tuple[Schema, Schema]:
    """Returns a request and a matching response."""
    face = responses.Face(
        bounding_box=BOX_EXAMPLE,
        confidence=0.87,
        face_hash=np.array(_HASH_EXAMPLE, np.float32),
        landmarks=tuple(responses.Landmark(kind, 0.53, 0.43) for kind in LANDMARK_TYPES),
        quality=QUALITY_EXAMPLE,
    )
    return {"img": PIXEL, "max_faces": 10}, to_plain(responses.DetectResponse((face,), version))


def compare_examples(version: str, threshold: float) -> tuple[Schema, Schema]:
    """Returns a request and a matching response."""
    request = {
        "source": {"face_hash": _HASH_EXAMPLE, "FaceModelVersion": version},
        "targets": [{"face_hash": _HASH_EXAMPLE}, {"img": PIXEL}],
        "threshold": threshold,
    }
    match = responses.FaceMatch(distance=0.0, confidence=0.9999, same_person=True, verdict="same")
    failed = responses.ErrorReason(errors.NoFace.code, errors.NoFace.example)
    response = responses.CompareResponse(
        face_model_version=version,
        threshold=threshold,
        source=responses.SourceFace(),
        targets=(responses.TargetMatch(True, 0.0, 0.9999, "same", (match,)), responses.TargetError(failed)),
    )
    return request, to_plain(response)


def to_plain(response: responses.Response) -> Schema:
    """Returns a response as plain JSON values."""
    return dict(msgspec.json.decode(encoding.encode(response, encoding.JSON)))
