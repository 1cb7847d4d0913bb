"""Schemas, examples and error meanings of the OpenAPI document. Data only; bounds come from where they are enforced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from face_comparison.fetching.urls import MAX_LENGTH
from face_comparison.image.formats import LABELS
from face_comparison.vision.types import HASH_SIZE, LANDMARK_TYPES, REASONS
from face_comparison.wire.formats import MAX_TARGETS
from face_comparison.wire.requests import MAX_DISTANCE, MAX_FACES

Schema = dict[str, Any]

MEANINGS: Mapping[str, str] = {
    "invalid_json": "The body is not a JSON object.",
    "invalid_parameter": "A field has the wrong type or is out of range, or the body is damaged; the message names it.",
    "missing_image": "No image was given: one of `url` and `img` (in a comparison also `face_hash`) is required.",
    "invalid_base64": "`img` is not base64.",
    "unsupported_format": f"The image is not {LABELS}, judged by its content, or of a kind that is not supported.",
    "corrupt_image": "The image is truncated or damaged.",
    "image_too_large": "A side of the image is longer than the limit.",
    "url_not_allowed": "The service does not fetch from this scheme, address or bucket.",
    "no_face": "No face was found in the source (in `Targets[].Error`: in that target).",
    "unauthorized": "No API key was sent.",
    "forbidden": "The API key is unknown.",
    "not_found": "There is nothing at this path, or no such collection, user or face.",
    "collections_disabled": "This service keeps no collections: start it with `--collections`.",
    "collection_exists": "There is a collection of this `CollectionId` already.",
    "model_mismatch": "The collection holds hashes of another model than the one that this service runs.",
    "collection_full": "The embedded store keeps no more faces per collection; PostgreSQL has no such limit.",
    "store_unavailable": "The store of collections cannot be reached: retry after `Retry-After` seconds. "
    "Detection and comparison still work.",
    "method_not_allowed": "The path does not support this method.",
    "body_too_large": "The body, or the image behind the URL, is larger than the limit.",
    "hash_version_mismatch": "A `face_hash` was computed by another model; different versions cannot be compared.",
    "invalid_face_hash": f"A `face_hash` is not {HASH_SIZE} finite numbers, or all zeros.",
    "overloaded": "The queue is full: retry after `Retry-After` seconds.",
    "url_fetch_failed": "The server of the URL did not deliver the image.",
    "url_fetch_timeout": "The server of the URL was too slow.",
    "deadline_exceeded": "The request took longer than the limit.",
    "not_ready": "The models are still loading: retry after `Retry-After` seconds.",
    "draining": "This instance is shutting down: send the request again.",
    "internal": "The service failed; its log has the cause under the `request_id`.",
}
"""What each error code means to a caller."""

# One gray pixel: the smallest image that works everywhere. It has no face.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg=="

_FRACTION: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_DISTANCE: Schema = {"type": "number", "minimum": 0, "maximum": MAX_DISTANCE}
_BOX_EXAMPLE = {"Left": 0.52, "Top": 0.4, "Width": 0.05, "Height": 0.1}
_HASH_EXAMPLE = [0.036084] * HASH_SIZE


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Mapping[str, Schema], optional: tuple[str, ...] = (), **more: Any) -> Schema:
    """An object of a reply: every property is there unless it is named as optional."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required, **more}


def schemas(version: str, threshold: float, min_confidence: float, codes: list[str]) -> dict[str, Schema]:
    """Everything under components/schemas. version, threshold, min_confidence: the running model's."""
    return {
        **_requests(version, threshold, min_confidence),
        **_faces(version),
        **_matches(version, threshold),
        "ErrorCode": {"type": "string", "enum": codes},
        "Error": record(
            {
                "error": record(
                    {
                        "code": ref("ErrorCode"),
                        "message": {"type": "string", "description": "What was wrong, and what would be right."},
                        "request_id": {"type": "string", "description": "Equal to the header `X-Request-Id`."},
                    }
                )
            }
        ),
    }


def _requests(version: str, threshold: float, min_confidence: float) -> dict[str, Schema]:
    url = {
        "type": ["string", "null"],
        "maxLength": MAX_LENGTH,
        "description": "`http://`, `https://` or `s3://bucket/key` of the image. Wins when `img` is given, too.",
    }
    img = {
        "type": ["string", "null"],
        "contentEncoding": "base64",
        "description": "The image in base64; a `data:` prefix, line breaks, missing padding and the URL-safe "
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
            "description": "A hash from an earlier reply, used when neither `url` nor `img` is given. It is normalized "
            "again, so hashes may have been rounded or averaged.",
        },
        "FaceModelVersion": {
            "type": ["string", "null"],
            "description": f"What made the `face_hash`; another version than `{version}` is refused.",
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
                    "with a confidence of at least 0.75, then the largest of the others.",
                },
                "min_confidence": {
                    "type": ["number", "null"],
                    "minimum": 0,
                    "maximum": 1,
                    "default": min_confidence,
                    "description": "Minimum confidence of a face in the response.",
                },
            },
            # Which of them is required is said in words: alternatives beside properties keep most generators of clients
            # from making a class.
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
                    "description": "Whose most prominent face is looked for: the largest of those "
                    "with a confidence of at least 0.75, else the largest.",
                },
                "targets": {
                    "type": ["array", "null"],
                    # Whatever else an item is, it is an error of that target alone.
                    "items": ref("Subject"),
                    "minItems": 1,
                    "maxItems": MAX_TARGETS,
                },
                "target": {**ref("Subject"), "description": "The same as `targets` with this one item."},
                "threshold": {
                    "type": ["number", "null"],
                    "minimum": 0,
                    "maximum": MAX_DISTANCE,
                    "default": threshold,
                    "description": "Maximum distance of the same person.",
                },
            },
            "required": ["source"],
            "description": "One of `targets` and `target` is required.",
        },
    }


def _faces(version: str) -> dict[str, Schema]:
    return {
        "BoundingBox": record(
            {"Left": _FRACTION, "Top": _FRACTION, "Width": _FRACTION, "Height": _FRACTION},
            description="In fractions of the upright image's width and height.",
        ),
        "Landmark": record(
            {
                "Type": {"type": "string", "enum": list(LANDMARK_TYPES)},
                "X": {"type": "number", "description": "Fraction of the width; may lie a little outside 0-1."},
                "Y": {"type": "number", "description": "Fraction of the height; may lie a little outside 0-1."},
            },
            description="Left and right are the person's own.",
        ),
        "Quality": record(
            {
                "Sharpness": {"type": "number", "minimum": 0, "maximum": 100},
                "Brightness": {"type": "number", "minimum": 0, "maximum": 100},
                "FaceSize": {"type": "number", "minimum": 0, "description": "Shorter side of the face, pixels."},
                "Roll": {
                    "type": "number",
                    "minimum": -180,
                    "maximum": 180,
                    "description": "Degrees by which the face is rotated clockwise in the image.",
                },
                "Yaw": {
                    "type": "number",
                    "minimum": -180,
                    "maximum": 180,
                    "description": "Degrees by which the face looks to the image's right.",
                },
                "Reliable": {
                    "type": "boolean",
                    "description": "Whether the hash can be relied upon; a comparison with a face that is not reliable "
                    "has the `Verdict` `review`.",
                },
                "Reasons": {
                    "type": "array",
                    "items": {"type": "string", "enum": list(REASONS)},
                    "description": "Why the hash cannot be relied upon; empty where it can.",
                },
            }
        ),
        "Face": record(
            {
                "BoundingBox": ref("BoundingBox"),
                "Confidence": {
                    **_FRACTION,
                    "description": "How sure the detector is, on crops of the full image, that this is a face.",
                },
                "face_hash": {
                    "type": "array",
                    "items": {"type": "number"},
                    "minItems": HASH_SIZE,
                    "maxItems": HASH_SIZE,
                    "description": "The face as a point on the unit sphere: faces of one person lie close together. "
                    f"In MessagePack {4 * HASH_SIZE} bytes, little-endian float32.",
                },
                "Landmarks": {"type": "array", "items": ref("Landmark")},
                "Quality": ref("Quality"),
            }
        ),
        "DetectReply": record(
            {
                "Faces": {
                    "type": "array",
                    "items": ref("Face"),
                    "maxItems": MAX_FACES,
                    "description": "By descending confidence.",
                },
                "FaceModelVersion": {"type": "string", "const": version},
            }
        ),
    }


def _matches(version: str, threshold: float) -> dict[str, Schema]:
    verdict = {
        "Distance": {**_DISTANCE, "description": "Euclidean distance of the two hashes."},
        "Confidence": {**_FRACTION, "description": f"Probability of one person; 0.5 at the distance {threshold:g}."},
        "SamePerson": {"type": "boolean", "description": "Whether the distance is at most the threshold."},
        "Verdict": {
            "type": "string",
            "enum": ["same", "review", "different"],
            "description": "`review`: let a person decide, because the distance is near the threshold or "
            "one of the faces is not reliable.",
        },
    }
    return {
        "FaceMatch": record(
            {"BoundingBox": ref("BoundingBox"), "FaceConfidence": _FRACTION, **verdict},
            optional=("BoundingBox", "FaceConfidence"),
            description="One face of the target; without a box when the target is a `face_hash`.",
        ),
        "TargetMatch": record(
            {
                **verdict,
                "Faces": {
                    "type": "array",
                    "items": ref("FaceMatch"),
                    "minItems": 1,
                    "description": "By ascending distance; the first is the target's verdict.",
                },
            }
        ),
        "TargetError": record({"Error": record({"code": ref("ErrorCode"), "message": {"type": "string"}})}),
        "CompareReply": record(
            {
                "FaceModelVersion": {"type": "string", "const": version},
                "Threshold": _DISTANCE,
                "Source": record(
                    {"BoundingBox": ref("BoundingBox"), "Confidence": _FRACTION},
                    optional=("BoundingBox", "Confidence"),
                    description="The face that was looked for; empty when it was given as `face_hash`.",
                ),
                "Targets": {
                    "type": "array",
                    "items": {"oneOf": [ref("TargetMatch"), ref("TargetError")]},
                    "minItems": 1,
                    "maxItems": MAX_TARGETS,
                    "description": "In the order of the request; a bad target never fails the others.",
                },
            }
        ),
    }


def detect_examples(version: str) -> tuple[Schema, Schema]:
    """A request and its kind of reply."""
    landmarks = [{"Type": kind, "X": 0.53, "Y": 0.43} for kind in LANDMARK_TYPES]
    face = {
        "BoundingBox": _BOX_EXAMPLE,
        "Confidence": 0.87,
        "face_hash": _HASH_EXAMPLE,
        "Landmarks": landmarks,
        "Quality": {
            "Sharpness": 61.2,
            "Brightness": 48.9,
            "FaceSize": 96.0,
            "Roll": -3.5,
            "Yaw": 12.0,
            "Reliable": True,
            "Reasons": [],
        },
    }
    return {"img": PIXEL, "max_faces": 10}, {"Faces": [face], "FaceModelVersion": version}


def compare_examples(version: str, threshold: float) -> tuple[Schema, Schema]:
    """A request and its kind of reply."""
    request = {
        "source": {"face_hash": _HASH_EXAMPLE, "FaceModelVersion": version},
        "targets": [{"face_hash": _HASH_EXAMPLE}, {"img": PIXEL}],
        "threshold": threshold,
    }
    verdict = {"Distance": 0.0, "Confidence": 0.9999, "SamePerson": True, "Verdict": "same"}
    reply = {
        "FaceModelVersion": version,
        "Threshold": threshold,
        "Source": {},
        "Targets": [
            {**verdict, "Faces": [verdict]},
            {"Error": {"code": "no_face", "message": "no face was found in the image"}},
        ],
    }
    return request, reply
