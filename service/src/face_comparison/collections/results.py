"""Return values of `CollectionService`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from face_comparison.api.collections import UnindexedReason
from face_comparison.collections.identification import Identification
from face_comparison.collections.probe import ProbeFace
from face_comparison.collections.values import Collection, Neighbor, StoredFace
from face_comparison.vision.types import Face

OnDuplicate = Literal["report", "refuse", "allow"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; `next_token` is None on the last page."""

    items: tuple[T, ...]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection and its search threshold: the Euclidean distance for its rate and current number of faces."""

    collection: Collection
    search_threshold: float


@dataclass(frozen=True, slots=True)
class PersonFit:
    """The resemblance of a new face to its own user.

    Attributes:
        distance: Euclidean distance to the nearest face of the user.
        fits: Whether the distance is within the bundle's threshold.
    """

    distance: float
    fits: bool


@dataclass(frozen=True, slots=True, eq=False)
class FaceRecord:
    """An enrolled face.

    Attributes:
        face: The stored face.
        created: False if the same image had already been enrolled for the same person.
        detected: The detection; None for a hash.
        fit: How the face resembles its user; None if that was not checked or the user has no other faces.
    """

    face: StoredFace
    created: bool
    detected: Face | None
    fit: PersonFit | None


@dataclass(frozen=True, slots=True, eq=False)
class UnindexedFace:
    """A face that was not enrolled, and why."""

    probe: ProbeFace
    reasons: tuple[UnindexedReason, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Duplicate:
    """Another user whom a new face resembles.

    Attributes:
        neighbor: The nearest face of the other user.
        face_id: Id of the new face; None if it was rejected.
    """

    neighbor: Neighbor
    face_id: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Enrollment:
    """Result of an enrollment.

    Attributes:
        records: Faces that were enrolled.
        unindexed: Faces that were not enrolled, and why.
        duplicates: Other users whom one of the faces resembles.
    """

    records: tuple[FaceRecord, ...]
    unindexed: tuple[UnindexedFace, ...]
    duplicates: tuple[Duplicate, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """Result of a search.

    Attributes:
        identifications: One per searched face, in their order.
        threshold: The applied threshold, a Euclidean distance.
        gallery_size: Number of faces compared per searched face.
        expected_rate: Probability (0-1) that a search for a stranger returns somebody.
        exact: False if an approximate index was used.
    """

    faces: tuple[Identification, ...]
    threshold: float
    gallery_size: int
    expected_rate: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Association:
    """Result of assigning faces to a user, or of removing them. Faces that needed no change are in neither list.

    Attributes:
        changed: Ids of the faces whose user changed.
        failed: Ids of the other faces, each with reasons as in Rekognition.
    """

    changed: tuple[str, ...]
    failed: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Result of an import.

    Attributes:
        imported: Number of new faces.
        unchanged: Number of faces that existed already.
        failed: Number of invalid lines.
        errors: Line number and message of the first invalid lines.
    """

    imported: int
    unchanged: int
    failed: int
    errors: tuple[tuple[int, str], ...]
