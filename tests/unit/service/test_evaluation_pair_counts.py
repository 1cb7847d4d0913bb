"""Counts of pairs are those of a plain double loop, whatever the blocks and chunks."""

from __future__ import annotations

import numpy as np
import pytest

from face_comparison.evaluation import pair_counts
from face_comparison.evaluation.pair_counts import (
    BINS,
    THRESHOLDS,
    assign_blocks,
    count_all_pairs,
    count_listed_pairs,
    distance_bins,
    threshold_bin,
)
from face_comparison.evaluation.worst_pairs import KEPT
from support import embeddings


def plain(vectors: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bins of the distances of all genuine and all impostor pairs."""
    first, second = np.triu_indices(len(vectors), 1)
    distances = np.linalg.norm(vectors[first].astype(float) - vectors[second], axis=1)
    same = people[first] == people[second]
    genuine, impostor = (np.bincount(distance_bins(distances[kind]), minlength=BINS) for kind in (same, ~same))
    return genuine, impostor


@pytest.mark.parametrize(("people", "images", "chunk"), [(3, 2, 2048), (40, 3, 7), (200, 2, 2048), (150, 3, 5)])
def test_every_pair_is_counted_once(people: int, images: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_counts, "_CHUNK", chunk)
    vectors, numbers = embeddings.draw(np.random.default_rng(people), people, images)
    shuffled = np.random.default_rng(1).permutation(len(vectors))
    advanced: list[int] = []
    counts = count_all_pairs(vectors[shuffled], numbers[shuffled], advanced.append)
    genuine, impostor = plain(vectors, numbers)
    for found, expected in ((counts.genuine, genuine), (counts.impostor, impostor)):
        # float32 products may put a distance into the next bin of 0.001.
        assert found.sum() == expected.sum()
        assert np.abs(found.sum(axis=0).cumsum() - expected.cumsum()).max() <= 2
    assert (counts.people, counts.people_with_genuine) == (people, people)
    assert sum(advanced) <= len(vectors) ** 2


def test_listed_pairs_are_counted_like_all_pairs() -> None:
    vectors, people = embeddings.draw(np.random.default_rng(2), 80, 2)
    pairs = np.stack(np.triu_indices(len(vectors), 1), axis=1)
    same = people[pairs[:, 0]] == people[pairs[:, 1]]
    listed, every = count_listed_pairs(vectors, people, pairs, same), count_all_pairs(vectors, people)
    for name in ("genuine", "impostor"):
        difference = getattr(listed, name).cumsum(axis=1) - getattr(every, name).cumsum(axis=1)
        assert np.abs(difference).max() <= 1
    assert (listed.people, listed.people_with_genuine) == (80, 80)
    assert [(pair.first, pair.second) for pair in listed.worst.genuine()] == [
        (pair.first, pair.second) for pair in every.worst.genuine()
    ]


def test_distance_equal_to_threshold_matches() -> None:
    for distance in (0.0, 0.5, 1.128, 1.9999, 2.0):
        index = distance_bins(np.array([distance]))[0]
        assert index <= threshold_bin(np.ceil(distance * 1000) / 1000)
        assert THRESHOLDS[index] >= distance - 1e-7


def test_worst_pairs_have_distinct_people() -> None:
    vectors, people = embeddings.draw(np.random.default_rng(3), 30, 4)
    worst = count_all_pairs(vectors, people).worst
    impostor = worst.impostor()
    assert len(impostor) == KEPT
    assert len({frozenset((people[pair.first], people[pair.second])) for pair in impostor}) == KEPT
    assert [pair.distance for pair in impostor] == sorted(pair.distance for pair in impostor)
    distances = np.linalg.norm(vectors[:, None] - vectors, axis=2)
    other = people[:, None] != people
    assert impostor[0].distance == pytest.approx(distances[other].min(), abs=1e-5)
    assert worst.genuine()[0].distance == pytest.approx(distances[~other].max(), abs=1e-5)


def test_blocks_are_balanced_and_keep_people_whole() -> None:
    people = np.repeat(np.arange(1000), np.random.default_rng(4).integers(1, 9, 1000))
    images = np.bincount(assign_blocks(people)[people])
    assert len(images) == pair_counts.MAX_BLOCKS
    assert images.max() < 1.5 * images.mean()
    assert assign_blocks(people[:30]).tolist() == list(range(people[29] + 1))
