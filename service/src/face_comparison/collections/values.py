"""Value types of collections, users, faces, and erasures. No I/O, no wire names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]

Grouping = Literal["people", "faces", "users"]
"""What a search returns: `people`: each user, and each face without a user, once; `faces`: each face; `users`: each
user once."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of faces, all of one FaceModelVersion.

    Attributes:
        name: The CollectionId.
        model_version: The FaceModelVersion.
        width: Numbers per stored embedding.
        max_false_positive_rate: Requested fraction (0-1) of searches for strangers that return a name.
        retention_days: After how many days faces are deleted; None: never.
        metadata: The caller's.
        created: Creation time.
        faces: Number of faces when it was read.
        users: Number of users when it was read.
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
    """A person of a collection. expires None: kept until deleted, or for the collection's retention."""

    user_id: str
    metadata: Mapping[str, Any]
    expires: datetime | None
    created: datetime
    faces: int = 0


@dataclass(frozen=True, slots=True)
class RelativeBox:
    """A box in fractions of the upright image's width and height, origin at the top left."""

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
        box: Of the detection; None if a hash was enrolled.
        confidence: Of the detection, 0-1; None if a hash was enrolled.
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
    """Result of adding a face: the stored face, and whether it is new, or another user's face that it duplicates."""

    face: StoredFace | None
    created: bool
    duplicate_of: Neighbor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Neighbor:
    """A stored face near a searched one. distance: Euclidean, 0-2."""

    face: StoredFace
    distance: float


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The nearest faces of each searched vector, nearest first.

    Attributes:
        neighbors: Per vector.
        gallery_size: Faces compared per vector.
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
        scrubbed: When the data was removed from the store's files; None: not yet.
        backups_until: Until when backups may contain the data; None: not configured.
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
    """What retention removed from one collection."""

    collection: str
    faces: int
    users: int
    erasure_id: str
