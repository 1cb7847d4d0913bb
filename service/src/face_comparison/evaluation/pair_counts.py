"""Counts the distances of all pairs by threshold and by blocks of people. Pure arithmetic.

100,000 images have five billion pairs, so distances are counted as they are computed and never stored. People are
divided into at most `MAX_BLOCKS` blocks, and every pair of blocks has its own counts: pairs that share a person are not
independent, and confidence intervals are computed between blocks (see `intervals.py`). With up to `MAX_BLOCKS` people,
each person is a block.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from face_comparison.evaluation.worst_pairs import WorstPairs

STEP = 0.001
"""Thresholds are multiples of this distance. Rates at these thresholds are exact, not interpolated."""

BINS = round(2 / STEP) + 1
"""Number of bins. Bin k holds the distances in ((k - 1) * STEP, k * STEP], so the pairs in bins 0 to k match at the
threshold k * STEP."""

THRESHOLDS: NDArray[np.float64] = np.round(np.arange(BINS) * STEP, 3)
"""The threshold of each bin."""

MAX_BLOCKS = 64

_CHUNK = 2048
"""Number of images on each side of a distance matrix, which then takes 16 MiB in float32."""

_TOLERANCE = 1e-5
"""Tolerance for rounding errors, in units of STEP: a distance just above a multiple of STEP belongs to its bin."""

Advance = Callable[[int], None]
"""Called with the number of pairs that have just been counted."""


@dataclass(frozen=True, slots=True, eq=False)
class PairCounts:
    """Histograms of the distances of pairs.

    Attributes:
        genuine: Pairs of the same person, by block and bin, (blocks, BINS).
        impostor: Pairs of different people, by pair of blocks and bin, (pairs of blocks, BINS).
        first: Lower block of each row of `impostor`.
        second: Higher (or same) block of each row of `impostor`.
        people: Number of people with an image.
        people_with_genuine: Number of people with at least one genuine pair.
        worst: The pairs with the largest errors.
    """

    genuine: NDArray[np.int64]
    impostor: NDArray[np.int64]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    people: int
    people_with_genuine: int
    worst: WorstPairs

    @property
    def genuine_pairs(self) -> int:
        """Number of pairs of images of the same person."""
        return int(self.genuine.sum())

    @property
    def impostor_pairs(self) -> int:
        """Number of pairs of images of different people."""
        return int(self.impostor.sum())


def threshold_bin(threshold: float) -> int:
    """Returns the last bin whose distances are at or below a threshold (0-2)."""
    return min(BINS - 1, max(0, int(np.floor(threshold / STEP + _TOLERANCE))))


def distance_bins(distances: NDArray[np.floating]) -> NDArray[np.intp]:
    """Returns the bin of each distance (0-2)."""
    return np.asarray(np.clip(np.ceil(distances / STEP - _TOLERANCE), 0, BINS - 1), np.intp)


def histogram(distances: NDArray[np.floating]) -> NDArray[np.int64]:
    """Returns the number of distances in each bin, (BINS,)."""
    return np.bincount(distance_bins(distances).ravel(), minlength=BINS).astype(np.int64)


def distance_matrix(rows: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the Euclidean distances (rows, columns) between L2-normalized vectors."""
    squared = rows @ columns.T
    squared *= -2
    squared += 2
    np.clip(squared, 0, 4, out=squared)
    return np.asarray(np.sqrt(squared, out=squared), np.float32)


def assign_blocks(people: NDArray[np.intp], blocks: int = MAX_BLOCKS) -> NDArray[np.intp]:
    """Divides people into blocks with about the same number of images.

    Args:
        people: The person of each image, numbered from 0.
        blocks: Maximum number of blocks.

    Returns:
        The block of each person, (people,). The assignment is random but the same in each run.
    """
    count = int(people.max(initial=-1)) + 1
    if count <= blocks:
        return np.arange(count)
    order = np.random.default_rng(0).permutation(count)
    images = np.bincount(people, minlength=count)[order]
    middle = np.cumsum(images) - images / 2
    block = np.empty(count, np.intp)
    block[order] = np.minimum(middle * blocks / max(1, images.sum()), blocks - 1).astype(np.intp)
    return block


def count_all_pairs(
    vectors: NDArray[np.float32], people: NDArray[np.intp], advance: Advance = lambda pairs: None
) -> PairCounts:
    """Counts the distances of every pair of images.

    Args:
        vectors: One L2-normalized embedding per image, (images, width).
        people: The person of each image, numbered from 0.
        advance: Reports progress; the total is half the square of the number of images.
    """
    tally = _Tally(people)
    order = np.lexsort((people, tally.block[people]))
    bounds = np.searchsorted(tally.block[people[order]], np.arange(tally.blocks + 1))
    members = [order[start:end] for start, end in itertools.pairwise(bounds)]
    for first in range(tally.blocks):
        for second in range(first, tally.blocks):
            for rows, columns in _chunks(members[first], members[second], within=first == second):
                distances = distance_matrix(vectors[rows], vectors[columns])
                if first == second:
                    tally.add_within(first, distances, rows, columns, upper=rows is columns)
                else:
                    tally.add_between(first, second, distances, rows, columns)
                advance(distances.size // 2 if rows is columns else distances.size)
    with_genuine = int((np.bincount(people) > 1).sum())
    return tally.counts(len(np.unique(people)), with_genuine)


def count_listed_pairs(
    vectors: NDArray[np.float32], people: NDArray[np.intp], pairs: NDArray[np.intp], same: NDArray[np.bool_]
) -> PairCounts:
    """Counts the distances of the given pairs only.

    Args:
        vectors: One L2-normalized embedding per image, (images, width).
        people: The person of each image, numbered from 0.
        pairs: The indices of both images of each pair, (pairs, 2).
        same: Whether both images show the same person, (pairs,).
    """
    tally = _Tally(people)
    for start in range(0, len(pairs), _CHUNK * 16):
        part = slice(start, start + _CHUNK * 16)
        tally.add_listed(vectors, pairs[part], same[part])
    used, genuine = np.unique(people[pairs]), np.unique(people[pairs[same]])
    return tally.counts(len(used), len(genuine))


class _Tally:
    def __init__(self, people: NDArray[np.intp]) -> None:
        self.block = assign_blocks(people)
        self.blocks = int(self.block.max(initial=-1)) + 1
        self._people = people
        self._first, self._second = np.triu_indices(self.blocks)
        self._row = np.zeros((self.blocks, self.blocks), np.intp)
        self._row[self._first, self._second] = np.arange(len(self._first))
        self._genuine = np.zeros((self.blocks, BINS), np.int64)
        self._impostor = np.zeros((len(self._first), BINS), np.int64)
        self._worst = WorstPairs()

    def add_between(
        self, first: int, second: int, distances: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> None:
        """Counts the pairs between two blocks, which are all of different people."""
        self._impostor[self._row[first, second]] += histogram(distances)
        self._offer(distances, rows, columns, np.ones_like(distances, np.bool_), same=False)

    def add_within(
        self, block: int, distances: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp], upper: bool
    ) -> None:
        """Counts the pairs within a block.

        If `upper`, rows and columns are the same images, and only the pairs above the diagonal count.
        """
        counted = np.triu(np.ones_like(distances, np.bool_), 1) if upper else np.ones_like(distances, np.bool_)
        alike = self._people[rows][:, None] == self._people[columns]
        genuine, impostor = counted & alike, counted & ~alike
        self._genuine[block] += histogram(distances[genuine])
        self._impostor[self._row[block, block]] += histogram(distances[impostor])
        self._offer(distances, rows, columns, genuine, same=True)
        self._offer(distances, rows, columns, impostor, same=False)

    def add_listed(self, vectors: NDArray[np.float32], pairs: NDArray[np.intp], same: NDArray[np.bool_]) -> None:
        difference = vectors[pairs[:, 0]].astype(np.float64) - vectors[pairs[:, 1]]
        distances = np.linalg.norm(difference, axis=1)
        people = self._people[pairs]
        low, high = np.sort(self.block[people], axis=1).T
        bins = distance_bins(distances)
        np.add.at(self._genuine, (low[same], bins[same]), 1)
        np.add.at(self._impostor, (self._row[low, high][~same], bins[~same]), 1)
        for kind in (True, False):
            chosen = same == kind
            self._worst.offer(distances[chosen], pairs[chosen].T, people[chosen].T, same=kind)

    def counts(self, people: int, people_with_genuine: int) -> PairCounts:
        return PairCounts(
            self._genuine, self._impostor, self._first, self._second, people, people_with_genuine, self._worst
        )

    def _offer(
        self,
        distances: NDArray[np.float32],
        rows: NDArray[np.intp],
        columns: NDArray[np.intp],
        counted: NDArray[np.bool_],
        *,
        same: bool,
    ) -> None:
        limit = self._worst.limit(same=same)
        notable = counted & (distances > limit if same else distances < limit)
        at_row, at_column = np.nonzero(notable)
        if len(at_row):
            images = np.stack([rows[at_row], columns[at_column]])
            self._worst.offer(distances[notable], images, self._people[images], same=same)


def _chunks(
    rows: NDArray[np.intp], columns: NDArray[np.intp], *, within: bool
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yields rows and columns in parts of at most `_CHUNK`; within a block, each pair of parts once."""
    row_parts = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
    if within:
        yield from ((one, other) for index, one in enumerate(row_parts) for other in row_parts[index:])
        return
    for one in row_parts:
        yield from ((one, columns[start : start + _CHUNK]) for start in range(0, len(columns), _CHUNK))
