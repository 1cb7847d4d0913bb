"""Runs an evaluation from beginning to end: finds faces, counts pairs, computes rates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from face_comparison.album.face_sources import FaceSource
from face_comparison.album.faces import Skipped
from face_comparison.errors import InvalidDataset
from face_comparison.evaluation import identification
from face_comparison.evaluation.dataset import Dataset
from face_comparison.evaluation.enrollment import Enrollment, SeveralFaces, enroll
from face_comparison.evaluation.error_rates import TARGETS, AcceptRate, ErrorRates
from face_comparison.evaluation.identification import GalleryCounts
from face_comparison.evaluation.intervals import Rate
from face_comparison.evaluation.pair_counts import PairCounts, count_all_pairs, count_listed_pairs
from face_comparison.evaluation.scan import scan
from face_comparison.evaluation.thresholds import Costs, Recommendation, ReviewLimits, ThresholdChooser

FALSE_POSITIVE_TARGETS = (1e-2, 1e-3)
"""False positive identification rates (FPIR) for which thresholds are recommended."""

COST_RATIOS = (1, 10, 100, 1_000, 10_000)
"""Ratios of the cost of a false match to that of a false non-match for which thresholds are recommended."""


class Progress(Protocol):
    """Receives the progress of a run."""

    def start(self, description: str, total: int) -> None:
        """Begins a phase with `total` steps."""

    def advance(self, steps: int) -> None:
        """Counts finished steps of the current phase."""


class SilentProgress:
    """A `Progress` that shows nothing."""

    def start(self, description: str, total: int) -> None:
        """Does nothing."""

    def advance(self, steps: int) -> None:
        """Does nothing."""


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What the user chose.

    Attributes:
        costs: Costs of errors.
        several: What to do with images that show several faces.
        threshold: Distance to judge; None for the bundle's threshold.
    """

    costs: Costs = field(default_factory=Costs)
    several_faces: SeveralFaces = "reject"
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class GroupRates:
    """Error rates within one group of people at the judged threshold; a rate is None if there are no pairs for it."""

    attribute: str
    group: str
    people: int
    images: int
    false_match: Rate | None
    false_non_match: Rate | None


@dataclass(frozen=True, slots=True)
class GalleryRates:
    """Searches in a gallery of one size.

    Attributes:
        size: Number of faces in the gallery.
        at_threshold: FPIR at the judged threshold, computed from the false match rate.
        measured: Measured searches; None if there are too few people or only listed pairs are compared.
        recommended: Recommended threshold for each of FALSE_POSITIVE_TARGETS.
    """

    size: int
    at_threshold: float
    measured: GalleryCounts | None
    recommended: Mapping[float, Recommendation]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The results of an evaluation."""

    dataset: Dataset
    enrollment: Enrollment
    model_version: str
    bundle_threshold: float
    threshold: float
    counts: PairCounts
    rates: ErrorRates
    chooser: ThresholdChooser
    costs: Costs
    recommended: Recommendation
    by_cost_ratio: Mapping[int, Recommendation]
    accept_rates: tuple[AcceptRate, ...]
    galleries: tuple[GalleryRates, ...]
    groups: tuple[GroupRates, ...]
    review: ReviewLimits
    scale: float
    analyzed: int
    created: datetime

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The files that are not part of the dataset, and why."""
        return self.dataset.skipped


def evaluate(
    dataset: Dataset,
    source: FaceSource,
    cache: Path,
    options: EvaluationOptions,
    progress: Progress,
) -> Evaluation:
    """Measures a model on a dataset.

    Raises:
        InvalidDataset: Too few images have a usable face.
        Interrupted: The user pressed Ctrl-C while faces were being detected; results so far stay in the cache.
        ServiceUnusable: The service does not respond.
        AlbumUnusable: The cache is in use or damaged.
    """
    progress.start("finding faces", len(dataset.images))
    scanned = scan(dataset, source, cache, lambda: progress.advance(1))
    enrollment = enroll(
        dataset,
        scanned.digests,
        scanned.faces,
        scanned.rejected,
        sure_confidence=source.sure_confidence,
        several_faces=options.several_faces,
    )
    return measure(dataset, enrollment, source.version, source.threshold, options, progress, scanned.analyzed)


def measure(
    dataset: Dataset,
    enrollment: Enrollment,
    model_version: str,
    bundle_threshold: float,
    options: EvaluationOptions,
    progress: Progress,
    analyzed: int = 0,
) -> Evaluation:
    """Computes all results from the enrolled faces.

    Args:
        dataset: The images.
        enrollment: The face of each image.
        model_version: The FaceModelVersion of the embeddings.
        bundle_threshold: The bundle's own threshold.
        options: What the user chose.
        progress: Receives the progress.
        analyzed: Number of images that were analyzed in this run.

    Raises:
        InvalidDataset: No pairs of one kind are left.
    """
    counts = _count(dataset, enrollment, np.arange(len(enrollment.images)), progress)
    if not counts.genuine_pairs or not counts.impostor_pairs:
        kind = "one person" if not counts.genuine_pairs else "different people"
        raise InvalidDataset(f"no pair of {kind} is left, because the faces of too many images could not be used")
    rates, chooser = ErrorRates(counts), ThresholdChooser(counts)
    threshold = bundle_threshold if options.threshold is None else options.threshold
    recommended = chooser.for_costs(options.costs)
    return Evaluation(
        dataset=dataset,
        enrollment=enrollment,
        model_version=model_version,
        bundle_threshold=bundle_threshold,
        threshold=threshold,
        counts=counts,
        rates=rates,
        chooser=chooser,
        costs=options.costs,
        recommended=recommended,
        by_cost_ratio={
            ratio: chooser.for_costs(Costs(float(ratio), 1.0, options.costs.prior)) for ratio in COST_RATIOS
        },
        accept_rates=tuple(rates.accept_rate(target) for target in TARGETS),
        galleries=tuple(_galleries(dataset, enrollment, chooser, threshold)),
        groups=tuple(_groups(dataset, enrollment, threshold, progress)),
        review=chooser.review_limits(recommended.threshold),
        scale=chooser.logistic_scale(recommended.threshold),
        analyzed=analyzed,
        created=datetime.now(UTC),
    )


def _count(dataset: Dataset, enrollment: Enrollment, chosen: NDArray[np.intp], progress: Progress) -> PairCounts:
    """Counts the pairs among the chosen images."""
    if dataset.pairs is None:
        progress.start("comparing pairs", len(chosen) ** 2 // 2)
        return count_all_pairs(enrollment.vectors[chosen], enrollment.people[chosen], progress.advance)
    pairs, same = enrollment.listed_pairs(dataset.pairs)
    chosen_pairs = np.isin(pairs, chosen).all(axis=1)
    return count_listed_pairs(enrollment.vectors, enrollment.people, pairs[chosen_pairs], same[chosen_pairs])


def _galleries(
    dataset: Dataset, enrollment: Enrollment, chooser: ThresholdChooser, threshold: float
) -> Iterator[GalleryRates]:
    sizes = [] if dataset.pairs is not None else identification.measured_sizes(len(enrollment.names))
    measured = {each.size: each for each in identification.measure(enrollment.vectors, enrollment.people, sizes)}
    false_match = chooser.false_match_at(threshold)
    for size in identification.SIZES:
        yield GalleryRates(
            size,
            identification.false_positive_rate(false_match, size),
            measured.get(size),
            {rate: chooser.for_gallery(size, rate) for rate in FALSE_POSITIVE_TARGETS},
        )


def _groups(dataset: Dataset, enrollment: Enrollment, threshold: float, progress: Progress) -> Iterator[GroupRates]:
    for attribute, by_person in dataset.groups.items():
        group_of = np.array([by_person.get(name, "") for name in enrollment.names])[enrollment.people]
        for group in sorted(set(group_of.tolist()) - {""}):
            chosen = np.flatnonzero(group_of == group)
            rates = ErrorRates(_count(dataset, enrollment, chosen, progress))
            yield GroupRates(
                attribute,
                group,
                people=len(np.unique(enrollment.people[chosen])),
                images=len(chosen),
                false_match=rates.fmr(threshold) if rates.counts.impostor_pairs else None,
                false_non_match=rates.fnmr(threshold) if rates.counts.genuine_pairs else None,
            )
