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
    """One page of a list. next_token is None on the last page."""

    items: tuple[T, ...]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection and its search threshold: a Euclidean distance, at its rate and present number of faces."""

    collection: Collection
    search_threshold: float


@dataclass(frozen=True, slots=True)
class PersonFit:
    """Resemblance of a new face to the nearest face of its own user. fits: within the bundle's pair threshold."""

    distance: float
    fits: bool


@dataclass(frozen=True, slots=True, eq=False)
class FaceRecord:
    """An enrolled face. created is False if the same image had been enrolled for the same person before."""

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
    """Another user whom a new face resembles. face_id: of the new face, None if it was rejected."""

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
        threshold: Applied Euclidean distance.
        gallery_size: Faces compared per searched face.
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
    """changed: face ids whose user changed. failed: with Rekognition's reasons. Neither: as asked for already."""

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
