"""What the calls of `CollectionService` return. Values only."""

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
    """next_token None: this page is the last."""

    items: tuple[T, ...]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """search_threshold: Euclidean distance, at the collection's rate and today's number of faces."""

    collection: Collection
    search_threshold: float


@dataclass(frozen=True, slots=True)
class PersonFit:
    """How a new face resembles the nearest earlier face of its own person. fits: within the bundle's pair threshold."""

    distance: float
    fits: bool


@dataclass(frozen=True, slots=True, eq=False)
class FaceRecord:
    """An enrolled face. created: False where the same image had been enrolled for the same person before."""

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
    """Another person whom an enrolled face resembles. face_id: of the new face, None where it was rejected."""

    neighbor: Neighbor
    face_id: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Enrollment:
    """What became of the faces of an image.

    Attributes:
        records: Those that were enrolled.
        unindexed: Those that were not, and why.
        duplicates: Other people whom one of them resembles.
    """

    records: tuple[FaceRecord, ...]
    unindexed: tuple[UnindexedFace, ...]
    duplicates: tuple[Duplicate, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """One identification per searched face, in their order.

    threshold: Euclidean distance that was applied. gallery_size: faces compared per searched face. expected_rate: the
    probability that a search for a stranger returns somebody. exact: False where an approximate index was used.
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
    """What became of the lines of an import.

    Attributes:
        imported: New faces.
        unchanged: Faces that were there already.
        failed: Bad lines.
        errors: Line number and message of the first bad lines.
    """

    imported: int
    unchanged: int
    failed: int
    errors: tuple[tuple[int, str], ...]
