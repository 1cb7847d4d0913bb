"""Who is who: faces into persons, and persons into numbers that stay. Pure arithmetic, by SciPy.

Faces are merged from the nearest on, as long as the faces of two groups are on average no farther apart than the
threshold (agglomerative clustering with average linkage). Of the ways that were tried it is the one that neither chains
strangers together (single linkage, DBSCAN) nor needs many images of everybody (HDBSCAN); docs/how-to/albums.md has
figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy

from face_comparison.album.faces import FaceKey
from face_comparison.errors import AlbumUnusable

MOST_FACES = 40_000
"""Every distance between two faces is held in memory: 20,000 faces were seen to need 3.3 GB, twice as many need 13."""


def groups(hashes: Mapping[FaceKey, NDArray[np.float32]], threshold: float) -> list[list[FaceKey]]:
    """The faces of each person, in the order given; persons by their first face. threshold: a distance, 0-2.

    Raises AlbumUnusable above MOST_FACES.
    """
    if len(hashes) > MOST_FACES:
        raise AlbumUnusable(
            f"{len(hashes)} faces are more than {MOST_FACES}: leave small ones out (--min-face), or split the folder"
        )
    found: dict[int, list[FaceKey]] = {}
    for key, label in zip(hashes, _labels(list(hashes.values()), threshold), strict=True):
        found.setdefault(label, []).append(key)
    return list(found.values())


def _labels(hashes: Sequence[NDArray[np.float32]], threshold: float) -> list[int]:
    if len(hashes) < 2:
        return [0] * len(hashes)
    vectors = np.stack(hashes)
    vectors = vectors[:, vectors.any(axis=0)]  # without the zeros that pad every hash
    merges = hierarchy.linkage(vectors, method="average", metric="euclidean")
    labels: list[int] = hierarchy.fcluster(merges, threshold, criterion="distance").tolist()
    return labels


def numbered(persons: Sequence[Sequence[FaceKey]], earlier: Mapping[FaceKey, int]) -> dict[int, Sequence[FaceKey]]:
    """The persons by their numbers, from 1.

    A person keeps the number that most of its faces had before; of two that had the same, the one with more of its
    faces does. New persons get new numbers, the largest first.
    """
    shared = [
        (count, number, index)
        for index, keys in enumerate(persons)
        for number, count in Counter(earlier[key] for key in keys if key in earlier).items()
    ]
    numbers: dict[int, int] = {}  # by index
    for _, number, index in sorted(shared, key=lambda each: (-each[0], each[1], each[2])):
        if index not in numbers and number not in numbers.values():
            numbers[index] = number
    free = max(earlier.values(), default=0) + 1
    for index in sorted(set(range(len(persons))) - numbers.keys(), key=lambda index: (-len(persons[index]), index)):
        numbers[index] = free
        free += 1
    return {numbers[index]: persons[index] for index in sorted(numbers, key=lambda index: numbers[index])}
