"""Groups faces by person, and gives people numbers that stay. Pure arithmetic, with SciPy.

Agglomerative clustering with average linkage: the closest groups are merged as long as the average distance between
their faces is at most the threshold. Of the methods tried, only this one neither chains strangers together (single
linkage, DBSCAN) nor needs many images of everybody (HDBSCAN); docs/how-to/albums.md has the figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy

from face_comparison.album.faces import FaceKey
from face_comparison.errors import AlbumUnusable

MAX_FACES = 40_000
"""All pairwise distances are kept in memory: 20,000 faces need 3.3 GB (measured), twice as many need 13."""


def cluster_faces(hashes: Mapping[FaceKey, NDArray[np.float32]], threshold: float) -> list[list[FaceKey]]:
    """Returns the faces of each person, in the order given; people are sorted by their first face.

    Args:
        hashes: (768,) float32 per face.
        threshold: Maximum mean distance (0-2) within a person.

    Raises:
        AlbumUnusable: for more than MAX_FACES faces.
    """
    if len(hashes) > MAX_FACES:
        raise AlbumUnusable(
            f"{len(hashes)} faces are more than {MAX_FACES}: skip small ones with --min-face, or split the folder"
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


def assign_numbers(people: Sequence[Sequence[FaceKey]], earlier: Mapping[FaceKey, int]) -> dict[int, Sequence[FaceKey]]:
    """Returns the people by number, from 1.

    A person keeps the number that most of their faces had before; if two people had the same, the one with more of
    those faces keeps it. New people get new numbers, most faces first.
    """
    shared = [
        (count, number, index)
        for index, keys in enumerate(people)
        for number, count in Counter(earlier[key] for key in keys if key in earlier).items()
    ]
    numbers: dict[int, int] = {}  # by index
    for _, number, index in sorted(shared, key=lambda each: (-each[0], each[1], each[2])):
        if index not in numbers and number not in numbers.values():
            numbers[index] = number
    free = max(earlier.values(), default=0) + 1
    for index in sorted(set(range(len(people))) - numbers.keys(), key=lambda index: (-len(people[index]), index)):
        numbers[index] = free
        free += 1
    return {numbers[index]: people[index] for index in sorted(numbers, key=lambda index: numbers[index])}
