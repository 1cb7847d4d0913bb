"""Average-linkage clustering with cannot-link constraints (pairs that must not end up in one group). Pure arithmetic.

The closest two groups are merged as long as the average distance between their members is at most the threshold. A
merge that would put a cannot-link pair into one group is skipped, and the next closest groups are merged instead. The
distance between groups stays the true average, and its sign marks a constraint: an infinite distance would instead
spread to every group that one of the two joins.

SciPy's linkage does not support such constraints. This is the generic algorithm of Müllner (2011), which keeps the
nearest neighbor of each group up to date. With average linkage, a merged group is never nearer to another group than
its nearer part was, so only groups whose nearest neighbor was merged must search for a new one.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_BLOCK = 2048
"""Number of rows of the distance matrix that are computed at a time."""


def link_groups(
    vectors: NDArray[np.float32], threshold: float, apart: Iterable[tuple[int, int]] = ()
) -> NDArray[np.int64]:
    """Clusters vectors.

    Args:
        vectors: (n, d) float32, of norm 1.
        threshold: Maximum average distance (0-2) between the members of two groups that are merged.
        apart: Pairs of indexes that must not be in one group.

    Returns:
        The label of the group of each vector, (n,) int64.
    """
    count = len(vectors)
    labels = np.arange(count)
    if count < 2:
        return labels
    distances = _distances(vectors)
    for one, other in apart:
        distances[[one, other], [other, one]] = -abs(distances[one, other])
    nearest, at = _nearest(distances)
    sizes = np.ones(count, np.float32)
    while True:
        one = int(at.argmin())
        if not at[one] <= threshold:
            return labels
        other = int(nearest[one])
        one, other = min(one, other), max(one, other)
        _merge(distances, sizes, one, other)
        labels[labels == other] = one
        at[other] = np.inf
        # The merged group, and the groups whose nearest neighbor was one of its parts.
        stale = np.flatnonzero((nearest == one) | (nearest == other))
        stale = np.union1d(stale[np.isfinite(at[stale])], [one])
        nearest[stale], at[stale] = _nearest(distances[stale])


def _distances(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns all pairwise distances; infinite on the diagonal, and never zero, which could not carry a sign."""
    distances = np.empty((len(vectors), len(vectors)), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK] @ vectors.T
        np.sqrt(np.maximum(2 - 2 * block, 1e-12), out=distances[start : start + _BLOCK])
    np.fill_diagonal(distances, np.inf)
    return distances


def _nearest(rows: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Returns, for each row, the nearest group with which it may be merged, and the distance to it."""
    allowed = np.where(rows > 0, rows, np.float32(np.inf))
    nearest = allowed.argmin(axis=1)
    return nearest, allowed[np.arange(len(rows)), nearest]


def _merge(distances: NDArray[np.float32], sizes: NDArray[np.float32], one: int, other: int) -> None:
    """Replaces the first group by the union of both, and disables the other."""
    parts = distances[[one, other]]
    weights = sizes[[one, other]] / sizes[[one, other]].sum()
    merged = np.abs(parts[0]) * weights[0] + np.abs(parts[1]) * weights[1]
    merged[(parts < 0).any(axis=0)] *= -1
    merged[[one, other]] = np.inf
    distances[one], distances[:, one] = merged, merged
    distances[other], distances[:, other] = np.inf, np.inf
    sizes[one] += sizes[other]
