"""Value types of collections, users, faces and erasures. Values only: no I/O, no wire name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]

Grouping = Literal["people", "faces", "users"]
"""What a search returns once: `people` each user and each face without a user, `faces` each face, `users` each user
and nothing else."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of faces, all of one FaceModelVersion.

    width: numbers per stored embedding. max_false_positive_rate: requested rate (0-1) of searches for strangers that
    return a name. retention_days None: faces are kept until deleted. faces, users: counts when it was read.
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
    """A person of a collection. expires None: kept until deleted, or as long as the collection's retention says."""

    user_id: str
    metadata: Mapping[str, Any]
    expires: datetime | None
    created: datetime
    faces: int = 0


@dataclass(frozen=True, slots=True)
class RelativeBox:
    """A face's place in fractions of the upright image's width and height, origin top left."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, eq=False)
class StoredFace:
    """One enrolled face.

    image_id: UUID made from the image's digest, None where a hash was enrolled. box, confidence: of the detection, None
    likewise. source_key: digest that makes a repeated enrollment idempotent. vector: (width,) float32 of norm 1, only
    where it was asked for.
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
    """What became of a face given to a store: the stored one, and whether it is new; or the face that it duplicates."""

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

    gallery_size: faces compared per searched vector. exact: False where an approximate index may have missed some.
    """

    neighbors: tuple[tuple[Neighbor, ...], ...]
    gallery_size: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Erasure:
    """What became of a deletion.

    subject: keyed digest of the erased user's id, empty where it was not one user. deleted: since when nothing finds
    it. scrubbed: since when the store's files do not hold it, None: not yet. backups_until: until when backups may hold
    it, None: not configured.
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
