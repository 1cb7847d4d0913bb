"""Types of the collection responses; see `responses` for how names and descriptions appear in the API."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, get_args

import numpy as np
from msgspec import Meta, field
from numpy.typing import NDArray

from .limits import MAX_FACES
from .responses import (
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
NextToken: TypeAlias = Annotated[str, Meta(description="Token for the next page; absent on the last page.")]

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

The first seven are reasons in Rekognition's IndexFaces. The others: `OnDuplicate` is `refuse` and the face resembles
another person, or it does not resemble the other faces of its own person (a reason in Rekognition's AssociateFaces).
"""

_PROBABILITY = Meta(description="Probability that both are the same person.")
_SIMILARITY = Meta(description="100 times the confidence.")
_THRESHOLD = Meta(description="Applied maximum distance of a match.")
_GALLERY_SIZE = Meta(description="Number of faces that each searched face was compared with.")
_EXPECTED_RATE = Meta(description="Probability that a search for a stranger returns a match.")
_EXACT = Meta(description="Whether every face was compared; false with an approximate index.")


class CollectionDescription(Response, kw_only=True, frozen=True):
    """The current state of a collection."""

    collection_id: CollectionId
    face_model_version: ModelVersion
    face_count: Count
    user_count: Count
    creation_timestamp: Timestamp
    max_false_positive_rate: Annotated[
        Rate, Meta(description="Fraction of searches for strangers that may return a match.")
    ]
    threshold: Annotated[Distance, Meta(description="Maximum distance of a match in a search among the current faces.")]
    retention_days: Annotated[
        Count | None, Meta(description="Faces are deleted this many days after their enrollment.")
    ] = None
    metadata: Metadata


class CollectionPage(Response, kw_only=True, frozen=True):
    """A page of collections, sorted by name."""

    collection_ids: tuple[CollectionId, ...]
    collections: tuple[CollectionDescription, ...]
    next_token: NextToken | None = None


class User(Response, kw_only=True, frozen=True):
    """A person in a collection."""

    user_id: UserId
    metadata: Metadata
    expires: Annotated[Timestamp | None, Meta(description="When the user is erased.")] = None
    face_count: Count
    creation_timestamp: Timestamp


class UserPage(Response, kw_only=True, frozen=True):
    """A page of users, sorted by UserId."""

    users: tuple[User, ...]
    next_token: NextToken | None = None


class EnrolledFace(Response, kw_only=True, frozen=True):
    """A face in a collection, without its hash."""

    face_id: Uuid
    user_id: UserId | None = None
    external_image_id: ExternalImageId | None = None
    image_id: Annotated[Uuid | None, Meta(description="Derived from the image's digest: equal for equal images.")] = (
        None
    )
    bounding_box: BoundingBox | None = None
    confidence: Fraction | None = None
    face_model_version: ModelVersion
    creation_timestamp: Timestamp


class ExportedFace(EnrolledFace, kw_only=True, frozen=True, eq=False):
    """A line in an export."""

    source_key: Annotated[
        str, Meta(description="Hexadecimal; prevents a repeated enrollment from adding the face again.")
    ]
    face_hash: NDArray[np.float32] = field(name="face_hash")  # (768,), L2 norm 1


class FacePage(Response, kw_only=True, frozen=True):
    """A page of faces, sorted by FaceId."""

    faces: tuple[EnrolledFace, ...]
    face_model_version: ModelVersion
    next_token: NextToken | None = None


class FaceDetail(Response, frozen=True):
    """A detected face."""

    bounding_box: BoundingBox
    confidence: Fraction
    quality: Quality


class PersonFit(Response, frozen=True):
    """How similar an enrolled face is to the nearest earlier face of the same user."""

    fits: Annotated[bool, Meta(description="Whether it is as close as faces of the same person usually are.")]
    distance: Distance
    confidence: Annotated[Fraction, _PROBABILITY]


class FaceRecord(Response, kw_only=True, frozen=True):
    """An enrolled face."""

    face: EnrolledFace
    face_detail: FaceDetail | None = None
    created: Annotated[bool, Meta(description="`false`: the same image had been enrolled before.")]
    person_fit: PersonFit | None = None


class UnindexedFace(Response, kw_only=True, frozen=True):
    """A face that was not enrolled."""

    reasons: tuple[Annotated[str, Meta(extra_json_schema={"enum": list(get_args(UnindexedReason))})], ...]
    face_detail: FaceDetail | None = None


class CollectionMatch(Response, kw_only=True, frozen=True):
    """A matching user, by the nearest face, or a face without a user."""

    user_id: UserId | None = None
    face_id: Uuid
    external_image_id: ExternalImageId | None = None
    distance: Distance
    confidence: Annotated[Fraction, _PROBABILITY]
    similarity: Annotated[Percentage, _SIMILARITY]


class Duplicate(CollectionMatch, kw_only=True, frozen=True):
    """Another user whom an enrolled face resembles."""

    new_face_id: Annotated[
        Uuid | None, Meta(description="The enrolled face that resembles this user; absent if that face was rejected.")
    ] = None


class EnrollResponse(Response, kw_only=True, frozen=True):
    """The outcome for each face in an image."""

    face_records: tuple[FaceRecord, ...]
    unindexed_faces: tuple[UnindexedFace, ...]
    duplicates: tuple[Duplicate, ...]
    face_model_version: ModelVersion


class IdentifiedFace(Response, kw_only=True, frozen=True):
    """A face in the searched image; without a bounding box if a `face_hash` was searched."""

    bounding_box: BoundingBox | None = None
    face_confidence: Fraction | None = None
    quality: Quality | None = None
    decision: Annotated[
        Decision, Meta(description="`ambiguous`: two users are about equally close, or the face is not reliable.")
    ]
    matches: Annotated[tuple[CollectionMatch, ...], Meta(description="Sorted by ascending distance.")]
    threshold: Annotated[Distance, _THRESHOLD]
    gallery_size: Annotated[Count, _GALLERY_SIZE]
    expected_false_positive_rate: Annotated[Fraction, _EXPECTED_RATE]
    exact: Annotated[bool, _EXACT]

    @property
    def user_id(self) -> str | None:
        """Returns the matching user, or None if nobody matches, two people do, or the matching face has no user."""
        return self.matches[0].user_id if self.decision == "match" else None


class SearchResponse(Response, kw_only=True, frozen=True):
    """The result of a search for each face in an image."""

    collection_id: CollectionId
    face_model_version: ModelVersion
    threshold: Annotated[Distance, _THRESHOLD]
    gallery_size: Annotated[Count, _GALLERY_SIZE]
    expected_false_positive_rate: Annotated[Fraction, _EXPECTED_RATE]
    exact: Annotated[bool, _EXACT]
    faces: Annotated[tuple[IdentifiedFace, ...], Meta(max_length=MAX_FACES)]


class VerifiedFace(Response, kw_only=True, frozen=True):
    """A face in the image, compared with the nearest face of the user."""

    bounding_box: BoundingBox | None = None
    face_confidence: Fraction | None = None
    quality: Quality | None = None
    distance: Distance
    confidence: Annotated[Fraction, _PROBABILITY]
    same_person: SamePerson
    verdict: Verdict


class VerifyResponse(Response, kw_only=True, frozen=True):
    """An image compared with all faces of one user: the result of its most similar face."""

    user_id: UserId
    face_model_version: ModelVersion
    same_person: SamePerson
    distance: Distance
    confidence: Annotated[Fraction, _PROBABILITY]
    verdict: Verdict
    threshold: Annotated[Distance, Meta(description="Applied maximum distance that counts as the same person.")]
    faces: Annotated[tuple[VerifiedFace, ...], Meta(min_length=1, description="Sorted by ascending distance.")]


class Erasure(Response, kw_only=True, frozen=True):
    """The receipt for a deletion."""

    erasure_id: Uuid
    state: Annotated[
        Literal["deleted", "scrubbed"],
        Meta(description="`deleted`: cannot be found anymore. `scrubbed`: no longer in the store's files."),
    ]
    collection_id: CollectionId
    face_count: Count
    deleted_timestamp: Timestamp
    scrubbed_timestamp: Timestamp | None = None
    backups_expire_timestamp: Annotated[
        Timestamp | None, Meta(description="When the last backup that may contain it expires, if configured.")
    ] = None


class UserErasure(Erasure, kw_only=True, frozen=True):
    """The receipt for the deletion of a user."""

    user_id: UserId


class FailedDeletion(Response, frozen=True):
    """A face that was not deleted."""

    face_id: str
    reasons: tuple[str, ...]


class DeleteFacesResponse(Erasure, kw_only=True, frozen=True):
    """The receipt for the deletion of faces."""

    deleted_faces: tuple[Uuid, ...]
    unsuccessful_face_deletions: tuple[FailedDeletion, ...]


class ImportedLine(Response, frozen=True):
    """The error in a line of an import."""

    line: Annotated[int, Meta(ge=1)]
    message: str


class ImportResponse(Response, kw_only=True, frozen=True):
    """The outcome of an import."""

    imported_face_count: Count
    unchanged_face_count: Count
    failed_line_count: Count
    errors: Annotated[tuple[ImportedLine, ...], Meta(description="The first invalid lines.")]
