"""Measures searches among N people (1:N) in galleries with one image per person. Pure arithmetic.

The FPIR(N) is the fraction of searches for people outside the gallery that return somebody. The FNIR(N) is the fraction
of searches for people in the gallery that do not return them first. The formula FPIR(N) = 1 - (1 - FMR)^N assumes that
all people are equally likely to be confused. Since some people resemble many others, the measured rate is usually
lower. For galleries larger than the dataset, the rate can only be computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from face_comparison.evaluation.intervals import Rate, rate_by_blocks
from face_comparison.evaluation.pair_counts import BINS, assign_blocks, distance_bins, distance_matrix, threshold_bin

SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
"""Gallery sizes that a report covers."""

MAX_PROBES = 20_000
_DRAWS = 10
_CHUNK = 1024


@dataclass(frozen=True, slots=True, eq=False)
class GalleryCounts:
    """Counts of searches in galleries of one size.

    Attributes:
        size: Number of people in the gallery, each with one image.
        strangers: Searches for people who are not in the gallery, by block of the person and bin of the shortest
            distance, (blocks, BINS).
        members: Searches for people in the gallery, by block of the person and bin of the distance to their own image,
            (blocks, BINS + 1). The last bin counts searches in which another person is nearer.
    """

    size: int
    strangers: NDArray[np.int64]
    members: NDArray[np.int64]

    def false_positive(self, threshold: float) -> Rate:
        """Returns the FPIR at a threshold."""
        return rate_by_blocks(self.strangers[:, : threshold_bin(threshold) + 1].sum(axis=1), self.strangers.sum(axis=1))

    def false_negative(self, threshold: float) -> Rate:
        """Returns the FNIR at a threshold."""
        return rate_by_blocks(self.members[:, threshold_bin(threshold) + 1 :].sum(axis=1), self.members.sum(axis=1))


def false_positive_rate(false_match_rate: float, size: int) -> float:
    """Returns the FPIR of a gallery with `size` people, computed from the false match rate of one comparison."""
    return float(-np.expm1(size * np.log1p(-min(false_match_rate, 1 - 1e-15))))


def measured_sizes(people: int) -> list[int]:
    """Returns the gallery sizes that this number of people can fill."""
    return [size for size in SIZES if size <= people]


def measure(vectors: NDArray[np.float32], people: NDArray[np.intp], sizes: list[int]) -> list[GalleryCounts]:
    """Searches for every image (at most MAX_PROBES) in random galleries of each size.

    Args:
        vectors: One L2-normalized embedding per image, (images, width).
        people: The person of each image, numbered from 0.
        sizes: Numbers of people per gallery.
    """
    chance = np.random.default_rng(2)
    block = assign_blocks(people)
    blocks = int(block.max(initial=-1)) + 1
    found = [GalleryCounts(size, *(np.zeros((blocks, BINS + more), np.int64) for more in (0, 1))) for size in sizes]
    for counts in found:
        for _ in range(_DRAWS if counts.size <= 1_000 else 1):
            gallery = _draw_gallery(people, counts.size, chance)
            probes = np.setdiff1d(np.arange(len(people)), gallery)
            probes = chance.permutation(probes)[:MAX_PROBES]
            for part, stranger, mate in _search(vectors, people, probes, gallery):
                of = block[people[part]]
                np.add.at(counts.strangers, (of, distance_bins(stranger)), 1)
                member = np.isfinite(mate)
                bins = np.where(mate < stranger, distance_bins(np.where(member, mate, 0)), BINS)
                np.add.at(counts.members, (of[member], bins[member]), 1)
    return found


def _draw_gallery(people: NDArray[np.intp], size: int, chance: np.random.Generator) -> NDArray[np.intp]:
    """Draws one random image of each of `size` random people."""
    order = chance.permutation(len(people))
    _, first = np.unique(people[order], return_index=True)
    return chance.permutation(order[first])[:size]


def _search(
    vectors: NDArray[np.float32], people: NDArray[np.intp], probes: NDArray[np.intp], gallery: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]]:
    """Yields parts of the probes with the distance to the nearest other person and to the probe's own person.

    The latter is infinite if the person is not in the gallery.
    """
    for start in range(0, len(probes), _CHUNK):
        part = probes[start : start + _CHUNK]
        stranger, mate = np.full(len(part), 2.0), np.full(len(part), np.inf)
        for begin in range(0, len(gallery), 4 * _CHUNK):
            entries = gallery[begin : begin + 4 * _CHUNK]
            distances = distance_matrix(vectors[part], vectors[entries])
            own = people[part][:, None] == people[entries]
            stranger = np.minimum(stranger, np.where(own, 2.0, distances).min(axis=1))
            mate = np.minimum(mate, np.where(own, distances, np.inf).min(axis=1))
        yield part, stranger, mate
