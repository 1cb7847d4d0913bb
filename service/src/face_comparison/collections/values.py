"""Value types of collections, users, faces, and erasures: no I/O, no wire format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]

Grouping = Literal["people", "faces", "users"]
"""What a search returns: `people` returns each user and each face without a user once, `faces` returns every face, and
`users` returns each user once."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of faces, all of one FaceModelVersion.

    Attributes:
        name: The CollectionId.
        model_version: The FaceModelVersion.
        width: Number of values per stored embedding.
        max_false_positive_rate: Maximum fraction (0-1) of searches for strangers that return a name.
        retention_days: Number of days after which faces are deleted; None for never.
        metadata: Arbitrary data from the caller.
        created: Creation time.
        faces: Number of faces when the collection was read.
        users: Number of users when the collection was read.
    """

    name: str
    model_version: str
    width: int
    max_false_positive_rate: float
    retention_days: int | None
    metadata: Mapping[str, Any]
    created: datetime
    faces: int = 0
    users: int = 0


@dataclass(frozen=True, slots=True)
class User:
    """A person in a collection.

    Attributes:
        user_id: The UserId.
        metadata: Arbitrary data from the caller.
        expires: When the user is erased; None to keep it until it is deleted, or for the collection's retention.
        created: Creation time.
        faces: Number of faces when the user was read.
    """

    user_id: str
    metadata: Mapping[str, Any]
    expires: datetime | None
    created: datetime
    faces: int = 0


@dataclass(frozen=True, slots=True)
class RelativeBox:
    """A box in fractions of the upright image's width and height, with the origin at the top left."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, eq=False)
class StoredFace:
    """One enrolled face.

    Attributes:
        face_id: UUID.
        user_id: The person, if any.
        external_image_id: The caller's id of the image.
        image_id: UUID derived from the image's digest; None if a hash was enrolled.
        box: Box of the detection; None if a hash was enrolled.
        confidence: Confidence of the detection, 0-1; None if a hash was enrolled.
        created: Creation time.
        source_key: Digest that makes repeated enrollments idempotent.
        vector: (width,) float32 of norm 1, only if requested.
    """

    face_id: str
    user_id: str | None
    external_image_id: str | None
    image_id: str | None
    box: RelativeBox | None
    confidence: float | None
    created: datetime
    source_key: bytes = field(repr=False)
    vector: Vector | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class AddedFace:
    """Result of adding a face.

    Attributes:
        face: The stored face; None if it was rejected as a duplicate.
        created: Whether the face is new.
        duplicate_of: The face of another user that it duplicates, if any.
    """

    face: StoredFace | None
    created: bool
    duplicate_of: Neighbor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Neighbor:
    """A stored face near a searched one, and the Euclidean distance (0-2) between them."""

    face: StoredFace
    distance: float


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The nearest faces of each searched vector.

    Attributes:
        neighbors: The neighbors of each vector, by ascending distance.
        gallery_size: Number of faces compared per vector.
        exact: False if an approximate index may have missed some.
    """

    neighbors: tuple[tuple[Neighbor, ...], ...]
    gallery_size: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Erasure:
    """The receipt of a deletion.

    Attributes:
        erasure_id: UUID.
        collection: The collection's name.
        subject: Keyed digest of the erased user's id; empty if no single user was erased.
        faces: Number of deleted faces.
        deleted: When the data became invisible.
        scrubbed: When the data was removed from the store's files; None if it has not been yet.
        backups_until: Until when backups may contain the data; None if that is not configured.
    """

    erasure_id: str
    collection: str
    subject: str
    faces: int
    deleted: datetime
    scrubbed: datetime | None
    backups_until: datetime | None


@dataclass(frozen=True, slots=True)
class Purge:
    """What was deleted from one collection because it expired or its retention ended."""

    collection: str
    faces: int
    users: int
    erasure_id: str
