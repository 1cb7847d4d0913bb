"""Average linkage as SciPy has it, and pairs that never end up together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.cluster import hierarchy

from face_comparison.album.linkage import link_groups


def people(count: int, faces: int, seed: int) -> NDArray[np.float32]:
    chance = np.random.default_rng(seed)
    centers = chance.standard_normal((count, 64))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    vectors = centers[chance.integers(count, size=faces)] + 0.09 * chance.standard_normal((faces, 64))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def groups(labels: NDArray[np.int64]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [0.6, 0.9, 1.1, 2.0])
def test_equals_average_linkage_without_pairs(seed: int, threshold: float) -> None:
    vectors = people(15, 120, seed)
    merges = hierarchy.linkage(vectors.astype(np.float64), "average")
    expected = hierarchy.fcluster(merges, threshold, criterion="distance")
    assert groups(link_groups(vectors, threshold)) == groups(expected)


@pytest.mark.parametrize("seed", range(5))
def test_cannot_link_pairs_stay_apart(seed: int) -> None:
    vectors = people(6, 90, seed)
    pairs = [(int(a), int(b)) for a, b in np.random.default_rng(seed).integers(90, size=(60, 2)) if a != b]
    labels = link_groups(vectors, 2.0, pairs)
    assert all(labels[one] != labels[other] for one, other in pairs)


def test_pair_splits_only_what_it_must() -> None:
    """Two people, one of them with two faces of one image: it falls into two parts, not into more."""
    vectors = people(2, 40, 1)
    whole = groups(link_groups(vectors, 1.0))
    (first, *_) = whole
    one, other = sorted(first)[:2]
    found = groups(link_groups(vectors, 1.0, [(one, other)]))
    assert whole - {first} < found
    assert len(found) == len(whole) + 1


def test_pair_does_not_affect_other_groups() -> None:
    """An infinite distance would: `a` and `b` must not meet, and everything near both would be near to neither."""
    angles = np.radians([0, 3, 4, 8])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert groups(link_groups(vectors, 0.5, [(0, 3)])) == {frozenset({0, 1, 2}), frozenset({3})}


def test_equal_vectors_can_stay_apart() -> None:
    vectors = np.repeat(people(1, 1, 0), 4, axis=0)
    assert len(groups(link_groups(vectors, 2.0))) == 1
    assert len(groups(link_groups(vectors, 2.0, list(itertools.combinations(range(4), 2))))) == 4


@pytest.mark.parametrize("count", [0, 1])
def test_merges_nothing_below_two(count: int) -> None:
    assert link_groups(np.ones((count, 3), np.float32), 1.0).tolist() == list(range(count))
