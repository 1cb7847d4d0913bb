"""Groups faces by person, and numbers people consistently across runs. Pure arithmetic.

Agglomerative clustering with average linkage: the closest groups are merged as long as the average distance between
their faces is at most the threshold. Of the methods tried, only this one neither chains strangers together (single
linkage, DBSCAN) nor needs many images of everybody (HDBSCAN); docs/how-to/albums.md has the figures. Two faces in one
image are never the same person, unless one is a copy of the other.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from face_comparison.album.faces import FaceKey
from face_comparison.album.linkage import link_groups
from face_comparison.client.detection import DetectedFace
from face_comparison.errors import AlbumUnusable

MAX_FACES = 40_000
"""Maximum number of faces. All pairwise distances are in memory: 20,000 faces need 1.6 GB, twice as many need 6.4."""


SAME_FACE_OVERLAP = 0.5
"""Intersection over union (IoU) above which two boxes in one image are the same face, detected twice."""

COPY_DISTANCE = 0.5
"""Maximum distance, as a fraction of the threshold, at which two faces in one image are copies of the same face: a
mirror, a photo in a photo."""


def cluster_faces(
    hashes: Mapping[FaceKey, NDArray[np.float32]], threshold: float, apart: Iterable[tuple[FaceKey, FaceKey]] = ()
) -> list[list[FaceKey]]:
    """Groups faces by person.

    Args:
        hashes: (768,) float32 per face.
        threshold: Maximum mean distance (0-2) between the faces of a person.
        apart: Pairs of faces that are never the same person.

    Returns:
        The faces of each person, in the order of `hashes`; people are sorted by their first face.

    Raises:
        AlbumUnusable: There are more than MAX_FACES faces.
    """
    if len(hashes) > MAX_FACES:
        raise AlbumUnusable(
            f"{len(hashes)} faces are more than {MAX_FACES}: skip small ones with --min-face, or split the folder"
        )
    if not hashes:
        return []
    index = {key: number for number, key in enumerate(hashes)}
    vectors = np.stack(list(hashes.values()))
    vectors = vectors[:, vectors.any(axis=0)]  # drops the zero padding of the hashes
    labels = link_groups(vectors, threshold, [(index[one], index[other]) for one, other in apart])
    found: dict[int, list[FaceKey]] = {}
    for key, label in zip(hashes, labels.tolist(), strict=True):
        found.setdefault(label, []).append(key)
    return list(found.values())


def pairs_of_one_image(faces: Mapping[FaceKey, DetectedFace], threshold: float) -> Iterator[tuple[FaceKey, FaceKey]]:
    """Yields the pairs of faces in one image that are different people: neither is a copy of the other.

    Args:
        faces: The faces of all images.
        threshold: The threshold of the album.
    """
    by_image: dict[str, list[FaceKey]] = {}
    for key in faces:
        by_image.setdefault(key[0], []).append(key)
    for keys in by_image.values():
        for one, other in itertools.combinations(keys, 2):
            if not _is_one_face(faces[one], faces[other], threshold):
                yield one, other


def _is_one_face(one: DetectedFace, other: DetectedFace, threshold: float) -> bool:
    distance = float(np.linalg.norm(one.face_hash - other.face_hash))
    if distance <= COPY_DISTANCE * threshold:
        return True
    a, b = one.bounding_box, other.bounding_box
    width = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    height = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    shared = max(0.0, width) * max(0.0, height)
    return shared > SAME_FACE_OVERLAP * (a.width * a.height + b.width * b.height - shared)


def assign_numbers(
    people: Sequence[Sequence[FaceKey]], previous: Mapping[FaceKey, int]
) -> dict[int, Sequence[FaceKey]]:
    """Assigns numbers to people.

    A person keeps the number that most of their faces had before; if that applies to two people, the one with more of
    those faces keeps it. New people get new numbers, in descending order of their number of faces.

    Args:
        people: The faces of each person.
        previous: Number of the person of each face in the previous run.

    Returns:
        The faces of each person by number, from 1.
    """
    shared = [
        (count, number, index)
        for index, keys in enumerate(people)
        for number, count in Counter(previous[key] for key in keys if key in previous).items()
    ]
    numbers: dict[int, int] = {}  # by index
    for _, number, index in sorted(shared, key=lambda each: (-each[0], each[1], each[2])):
        if index not in numbers and number not in numbers.values():
            numbers[index] = number
    free = max(previous.values(), default=0) + 1
    for index in sorted(set(range(len(people))) - numbers.keys(), key=lambda index: (-len(people[index]), index)):
        numbers[index] = free
        free += 1
    return {numbers[index]: people[index] for index in sorted(numbers, key=lambda index: numbers[index])}
