"""Response types, which the service encodes, the OpenAPI document describes, and the client returns.

A field's name in the API is its name here in PascalCase (`face_size` becomes `FaceSize`), unless `field(name=...)` or
`rename` says otherwise. A field that is None is omitted from the response. Bounds, descriptions, and the docstring of
each class appear in the OpenAPI document as written here. This module contains no logic and no I/O.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import numpy as np
from msgspec import Meta, Struct, field
from numpy.typing import NDArray

from .limits import HASH_SIZE, LANDMARK_TYPES, MAX_DISTANCE, MAX_FACES, MAX_TARGETS, UNRELIABILITY

Fraction: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Angle: TypeAlias = Annotated[float, Meta(ge=-180, le=180)]
Percentage: TypeAlias = Annotated[float, Meta(ge=0, le=100)]
Distance: TypeAlias = Annotated[float, Meta(ge=0, le=MAX_DISTANCE)]
ModelVersion: TypeAlias = Annotated[str, Meta(description="Name and revision of the bundle that computed the hashes.")]

Verdict: TypeAlias = Annotated[
    Literal["same", "review", "different"],
    Meta(
        description="`review`: let a person decide, because the distance is near the threshold or one of the faces is "
        "not reliable."
    ),
]

SamePerson: TypeAlias = Annotated[bool, Meta(description="Whether the distance is at most the threshold.")]

_DISTANCE = Meta(description="Euclidean distance between the two hashes.")
_PROBABILITY = Meta(description="Probability that both are the same person; 0.5 at the bundle's threshold.")


class Response(Struct, rename="pascal", frozen=True, omit_defaults=True):
    """Base class of all types in this module."""


class BoundingBox(Response, frozen=True):
    """Position of a face, in fractions of the upright image's width and height."""

    left: Fraction
    top: Fraction
    width: Fraction
    height: Fraction


class Landmark(Response, frozen=True):
    """A point on a face; left and right are from the person's point of view."""

    type: Annotated[
        str,
        Meta(
            description="Left and right are the person's own: in a frontal, upright face that is not mirrored,"
            " `eyeRight` has the smaller `X`. Replies in Rekognition's format name them for the viewer.",
            extra_json_schema={"enum": list(LANDMARK_TYPES)},
        ),
    ]
    x: Annotated[float, Meta(description="Fraction of the width; may lie slightly outside 0-1.")]
    y: Annotated[float, Meta(description="Fraction of the height; may lie slightly outside 0-1.")]


class Quality(Response, frozen=True):
    """How suitable the face is for a comparison, measured on the aligned face."""

    sharpness: Annotated[Percentage, Meta(description="Higher is sharper.")]
    brightness: Annotated[Percentage, Meta(description="Higher is brighter.")]
    face_size: Annotated[float, Meta(ge=0, description="Shorter side of the face, in pixels of the upright image.")]
    roll: Annotated[Angle, Meta(description="Clockwise rotation of the face in the image, in degrees.")]
    yaw: Annotated[Angle, Meta(description="Turn of the face toward the image's right, in degrees.")]
    reliable: Annotated[
        bool,
        Meta(
            description="Whether the hash is reliable; a comparison with a face that is not reliable has the "
            "`Verdict` `review`."
        ),
    ]
    reasons: Annotated[
        tuple[Annotated[str, Meta(extra_json_schema={"enum": list(UNRELIABILITY)})], ...],
        Meta(description="Why the hash is not reliable; empty if it is."),
    ]


class Face(Response, eq=False, frozen=True):
    """A face detected in an image."""

    bounding_box: BoundingBox
    confidence: Annotated[
        Fraction, Meta(description="The detector's certainty that this is a face, measured on crops of the full image.")
    ]
    face_hash: NDArray[np.float32] = field(name="face_hash")  # (768,), L2 norm 1
    landmarks: tuple[Landmark, ...]
    quality: Quality


class DetectResponse(Response, eq=False, frozen=True):
    """The faces in an image."""

    faces: Annotated[tuple[Face, ...], Meta(max_length=MAX_FACES, description="Sorted by descending confidence.")]
    face_model_version: ModelVersion


class SourceFace(Response, frozen=True):
    """The source's face that was compared with the targets; empty if the source was a `face_hash`."""

    bounding_box: BoundingBox | None = None
    confidence: Fraction | None = None


class FaceMatch(Response, kw_only=True, frozen=True):
    """A face in a target; without a bounding box if the target was a `face_hash`."""

    bounding_box: BoundingBox | None = None
    face_confidence: Fraction | None = None
    distance: Annotated[Distance, _DISTANCE]
    confidence: Annotated[Fraction, _PROBABILITY]
    same_person: SamePerson
    verdict: Verdict


class ErrorReason(Response, rename="lower", frozen=True):
    """Why a target has no result."""

    code: str
    message: str


class TargetResult:
    """The result of one target: a `TargetMatch`, or a `TargetError`, which never affects the other targets."""

    same_person: bool | None


class TargetMatch(Response, TargetResult, frozen=True):
    """The result of a target, which is that of its most similar face."""

    same_person: SamePerson
    distance: Annotated[Distance, _DISTANCE]
    confidence: Annotated[Fraction, _PROBABILITY]
    verdict: Verdict
    faces: Annotated[tuple[FaceMatch, ...], Meta(min_length=1, description="Sorted by ascending distance.")]


class TargetError(Response, TargetResult, frozen=True):
    """A target that could not be compared."""

    error: ErrorReason
    same_person: ClassVar[None] = None  # type: ignore[misc]


class CompareResponse(Response, frozen=True):
    """The source's face compared with every face of every target."""

    face_model_version: ModelVersion
    threshold: Annotated[Distance, Meta(description="Maximum distance that counts as the same person.")]
    source: SourceFace
    targets: Annotated[
        tuple[TargetResult, ...],
        Meta(min_length=1, max_length=MAX_TARGETS, description="In the same order as in the request."),
    ]


class ErrorDetail(Response, rename=None, frozen=True):
    """What went wrong with a request."""

    code: str
    message: Annotated[str, Meta(description="What is wrong, and how to correct it.")]
    request_id: Annotated[str, Meta(description="Equal to the header `X-Request-Id`.")]


class ErrorResponse(Response, rename=None, frozen=True):
    """The body of every response with a status of 400 or above."""

    error: ErrorDetail


class Status(Response, rename=None, frozen=True):
    """The body of a health check."""

    status: str
    collections: Annotated[
        dict[str, Any] | None,
        Meta(description="With `?verbose`: `status` of the collection store, its kind, and its versions."),
    ] = None


class Endpoints(Response, rename=None, frozen=True):
    """The method and path of each endpoint."""

    detect: str
    compare: str
    openapi: str
    explorer: str
    collections: str | None = None


class Defaults(Response, rename=None, frozen=True):
    """Values that apply if a request does not set them."""

    min_confidence: Fraction
    sure_confidence: Annotated[Fraction, Meta(description="Confidence above which a detection is surely a face.")]
    threshold: Distance
    same_below: Annotated[
        Distance, Meta(description="Maximum distance for the verdict `same`; shifts with the threshold.")
    ]
    different_above: Annotated[
        Distance, Meta(description="Distance above which the verdict is `different`; shifts with the threshold.")
    ]
    max_faces: int


class Limits(Response, rename=None, frozen=True):
    """The limits of the service."""

    max_body_bytes: int
    max_fetch_bytes: int
    max_side_pixels: int
    max_faces: int
    max_targets: int
    face_hash_numbers: int
    request_seconds: float
    fetch_seconds: float
    queue: int


class ServiceDescription(Response, rename={"face_model_version": "FaceModelVersion"}, frozen=True):
    """The endpoint, its version, and its limits."""

    name: str
    version: str
    face_model_version: ModelVersion
    endpoints: Endpoints
    auth: str
    formats: tuple[str, ...]
    defaults: Defaults
    limits: Limits
    permissions: Annotated[
        tuple[str, ...] | None, Meta(description="Permissions of the request's API key; only if keys are required.")
    ] = None


FACE_HASH_SCHEMA = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": HASH_SIZE,
    "maxItems": HASH_SIZE,
    "description": "The face as a point on the unit sphere: faces of the same person lie close together. In "
    "MessagePack, "
    f"{4 * HASH_SIZE} bytes, little-endian float32.",
}
"""How the OpenAPI document describes a `face_hash`."""
