"""Types of the responses of collections; see `responses` for how their names and descriptions reach the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, get_args

import numpy as np
from msgspec import Meta, field
from numpy.typing import NDArray

from face_comparison.api.limits import MAX_FACES
from face_comparison.api.responses import (
    BoundingBox,
    Distance,
    Fraction,
    ModelVersion,
    Percentage,
    Quality,
    Response,
    SamePerson,
    Verdict,
)

CollectionId: TypeAlias = Annotated[str, Meta(pattern="^[a-zA-Z0-9_.-]{1,255}$")]
UserId: TypeAlias = Annotated[str, Meta(pattern="^[a-zA-Z0-9_.:-]{1,128}$")]
ExternalImageId: TypeAlias = Annotated[str, Meta(pattern="^[a-zA-Z0-9_.:-]{1,255}$")]
Uuid: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Timestamp: TypeAlias = Annotated[
    str, Meta(description="ISO 8601 in UTC, with milliseconds.", extra_json_schema={"format": "date-time"})
]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Rate: TypeAlias = Annotated[float, Meta(gt=0, lt=1)]
Metadata: TypeAlias = Annotated[dict[str, Any], Meta(description="Whatever you want to keep with it, as JSON.")]
NextToken: TypeAlias = Annotated[str, Meta(description="Of the next page; absent on the last one.")]

Decision: TypeAlias = Literal["match", "ambiguous", "unknown"]

UnindexedReason: TypeAlias = Literal[
    "EXCEEDS_MAX_FACES",
    "EXTREME_POSE",
    "LOW_BRIGHTNESS",
    "LOW_SHARPNESS",
    "LOW_CONFIDENCE",
    "SMALL_BOUNDING_BOX",
    "LOW_FACE_QUALITY",
    "DUPLICATE_FACE",
    "LOW_MATCH_CONFIDENCE",
]
"""Why a face was not enrolled.

The first seven are reasons of Rekognition's IndexFaces; then: `OnDuplicate` is `refuse` and another person resembles
this face, or this face does not resemble its own person's others (Rekognition's reason of AssociateFaces).
"""

_PROBABILITY = Meta(description="Probability that both are the same person.")
_SIMILARITY = Meta(description="100 times the confidence.")
_THRESHOLD = Meta(description="Maximum distance of a match that was applied.")
_GALLERY_SIZE = Meta(description="Faces that each searched face was compared with.")
_EXPECTED_RATE = Meta(description="Probability that a search for a stranger returns somebody.")
_EXACT = Meta(description="Whether every face was compared; false with an approximate index.")


class CollectionDescription(Response, kw_only=True, frozen=True):
    """A collection as it is now."""

    collection_id: CollectionId
    face_model_version: ModelVersion
    face_count: Count
    user_count: Count
    creation_timestamp: Timestamp
    max_false_positive_rate: Annotated[
        Rate, Meta(description="Fraction of searches for strangers that may return somebody.")
    ]
    threshold: Annotated[Distance, Meta(description="Maximum distance of a match in a search among today's faces.")]
    retention_days: Annotated[
        Count | None, Meta(description="Faces are deleted this many days after they were enrolled.")
    ] = None
    metadata: Metadata


class CollectionPage(Response, kw_only=True, frozen=True):
    """Some of the collections, by name."""

    collection_ids: tuple[CollectionId, ...]
    collections: tuple[CollectionDescription, ...]
    next_token: NextToken | None = None


class User(Response, kw_only=True, frozen=True):
    """A person of a collection."""

    user_id: UserId
    metadata: Metadata
    expires: Annotated[Timestamp | None, Meta(description="When the user is erased.")] = None
    face_count: Count
    creation_timestamp: Timestamp


class UserPage(Response, kw_only=True, frozen=True):
    """Some of the users, by UserId."""

    users: tuple[User, ...]
    next_token: NextToken | None = None


class EnrolledFace(Response, kw_only=True, frozen=True):
    """A face of a collection, without its hash."""

    face_id: Uuid
    user_id: UserId | None = None
    external_image_id: ExternalImageId | None = None
    image_id: Annotated[Uuid | None, Meta(description="Made from the image's digest: equal for equal images.")] = None
    bounding_box: BoundingBox | None = None
    confidence: Fraction | None = None
    face_model_version: ModelVersion
    creation_timestamp: Timestamp


class ExportedFace(EnrolledFace, kw_only=True, frozen=True, eq=False):
    """A line of an export."""

    source_key: Annotated[str, Meta(description="Hexadecimal; keeps a repeated enrollment from adding the face again.")]
    face_hash: NDArray[np.float32] = field(name="face_hash")  # (768,), L2 norm 1


class FacePage(Response, kw_only=True, frozen=True):
    """Some of the faces, by FaceId."""

    faces: tuple[EnrolledFace, ...]
    face_model_version: ModelVersion
    next_token: NextToken | None = None


class FaceDetail(Response, frozen=True):
    """A face as it was detected."""

    bounding_box: BoundingBox
    confidence: Fraction
    quality: Quality


class PersonFit(Response, frozen=True):
    """How an enrolled face resembles the nearest earlier face of its own user."""

    fits: Annotated[bool, Meta(description="Whether it is as near as faces of one person are.")]
    distance: Distance
    confidence: Annotated[Fraction, _PROBABILITY]


class FaceRecord(Response, kw_only=True, frozen=True):
    """A face that was enrolled."""

    face: EnrolledFace
    face_detail: FaceDetail | None = None
    created: Annotated[bool, Meta(description="`false`: the same image had been enrolled before.")]
    person_fit: PersonFit | None = None


class UnindexedFace(Response, kw_only=True, frozen=True):
    """A face that was not enrolled."""

    reasons: tuple[Annotated[str, Meta(extra_json_schema={"enum": list(get_args(UnindexedReason))})], ...]
    face_detail: FaceDetail | None = None


class CollectionMatch(Response, kw_only=True, frozen=True):
    """A user by the nearest face, or a face without a user."""

    user_id: UserId | None = None
    face_id: Uuid
    external_image_id: ExternalImageId | None = None
    distance: Distance
    confidence: Annotated[Fraction, _PROBABILITY]
    similarity: Annotated[Percentage, _SIMILARITY]


class Duplicate(CollectionMatch, kw_only=True, frozen=True):
    """Another user whom an enrolled face resembles."""

    new_face_id: Annotated[
        Uuid | None, Meta(description="The enrolled face that resembles it; absent where that face was rejected.")
    ] = None


class EnrollResponse(Response, kw_only=True, frozen=True):
    """What became of the faces of an image."""

    face_records: tuple[FaceRecord, ...]
    unindexed_faces: tuple[UnindexedFace, ...]
    duplicates: tuple[Duplicate, ...]
    face_model_version: ModelVersion


class IdentifiedFace(Response, kw_only=True, frozen=True):
    """A face of the searched image; without a bounding box when a `face_hash` was searched."""

    bounding_box: BoundingBox | None = None
    face_confidence: Fraction | None = None
    quality: Quality | None = None
    decision: Annotated[
        Decision, Meta(description="`ambiguous`: two users are about as near, or the face is not reliable.")
    ]
    matches: Annotated[tuple[CollectionMatch, ...], Meta(description="Sorted by ascending distance.")]
    threshold: Annotated[Distance, _THRESHOLD]
    gallery_size: Annotated[Count, _GALLERY_SIZE]
    expected_false_positive_rate: Annotated[Fraction, _EXPECTED_RATE]
    exact: Annotated[bool, _EXACT]

    @property
    def user_id(self) -> str | None:
        """Whose face it is; None when nobody matches, two people do, or the matching face has no user."""
        return self.matches[0].user_id if self.decision == "match" else None


class SearchResponse(Response, kw_only=True, frozen=True):
    """Whose face is each face of an image."""

    collection_id: CollectionId
    face_model_version: ModelVersion
    threshold: Annotated[Distance, _THRESHOLD]
    gallery_size: Annotated[Count, _GALLERY_SIZE]
    expected_false_positive_rate: Annotated[Fraction, _EXPECTED_RATE]
    exact: Annotated[bool, _EXACT]
    faces: Annotated[tuple[IdentifiedFace, ...], Meta(max_length=MAX_FACES)]


class VerifiedFace(Response, kw_only=True, frozen=True):
    """A face of the image against the nearest face of the user."""

    bounding_box: BoundingBox | None = None
    face_confidence: Fraction | None = None
    quality: Quality | None = None
    distance: Distance
    confidence: Annotated[Fraction, _PROBABILITY]
    same_person: SamePerson
    verdict: Verdict


class VerifyResponse(Response, kw_only=True, frozen=True):
    """An image against all faces of one user: the result of its most similar face."""

    user_id: UserId
    face_model_version: ModelVersion
    same_person: SamePerson
    distance: Distance
    confidence: Annotated[Fraction, _PROBABILITY]
    verdict: Verdict
    threshold: Annotated[Distance, Meta(description="Maximum distance of the same person that was applied.")]
    faces: Annotated[tuple[VerifiedFace, ...], Meta(min_length=1, description="Sorted by ascending distance.")]


class Erasure(Response, kw_only=True, frozen=True):
    """The receipt of a deletion."""

    erasure_id: Uuid
    state: Annotated[
        Literal["deleted", "scrubbed"],
        Meta(description="`deleted`: cannot be found any more. `scrubbed`: no longer in the store's files."),
    ]
    collection_id: CollectionId
    face_count: Count
    deleted_timestamp: Timestamp
    scrubbed_timestamp: Timestamp | None = None
    backups_expire_timestamp: Annotated[
        Timestamp | None, Meta(description="Until when backups may hold it, where that is configured.")
    ] = None


class UserErasure(Erasure, kw_only=True, frozen=True):
    """The receipt of the deletion of a user."""

    user_id: UserId


class FailedDeletion(Response, frozen=True):
    """A face that was not deleted."""

    face_id: str
    reasons: tuple[str, ...]


class DeleteFacesResponse(Erasure, kw_only=True, frozen=True):
    """The receipt of the deletion of faces."""

    deleted_faces: tuple[Uuid, ...]
    unsuccessful_face_deletions: tuple[FailedDeletion, ...]


class ImportedLine(Response, frozen=True):
    """What is wrong with a line of an import."""

    line: Annotated[int, Meta(ge=1)]
    message: str


class ImportResponse(Response, kw_only=True, frozen=True):
    """What became of the lines of an import."""

    imported_face_count: Count
    unchanged_face_count: Count
    failed_line_count: Count
    errors: Annotated[tuple[ImportedLine, ...], Meta(description="The first bad lines.")]
