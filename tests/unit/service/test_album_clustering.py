"""Who is who: groups by the mean distance, and numbers that stay when photographs come and go."""

from __future__ import annotations

import numpy as np
import pytest

from face_comparison.album import clustering
from face_comparison.album.faces import FaceKey
from face_comparison.errors import AlbumUnusable


def vector(*angle: float) -> np.ndarray:
    """A hash at an angle (degrees) in the plane of two of its numbers."""
    created = np.zeros(768, np.float32)
    created[[3, 90]] = np.cos(np.radians(angle[0])), np.sin(np.radians(angle[0]))
    return created


def hashes(*angles: float) -> dict[FaceKey, np.ndarray]:
    return {(f"{number:02d}", 0): vector(angle) for number, angle in enumerate(angles)}


def faces(*names: str) -> list[FaceKey]:
    return [(name, 0) for name in names]


def test_near_faces_are_one_person() -> None:
    assert clustering.cluster_faces(hashes(0, 90, 5, 95, 10), 0.5) == [faces("00", "02", "04"), faces("01", "03")]


def test_similarity_chain_is_not_one_person() -> None:
    """Each is near to the next; the first and the last are strangers. Distance at 20 degrees: 0.35."""
    found = clustering.cluster_faces(hashes(*range(0, 181, 20)), 0.5)
    assert len(found) > 2


@pytest.mark.parametrize("angles", [(), (0,)])
def test_zero_and_one_face(angles: tuple[float, ...]) -> None:
    assert clustering.cluster_faces(hashes(*angles), 1) == [faces("00")][: len(angles)]


def test_equal_hashes_are_one_person() -> None:
    assert clustering.cluster_faces(hashes(0, 0, 0), 0.01) == [faces("00", "01", "02")]


def test_too_many_faces_are_rejected() -> None:
    with pytest.raises(AlbumUnusable, match="--min-face"):
        clustering.cluster_faces(dict.fromkeys(((str(n), 0) for n in range(clustering.MAX_FACES + 1)), vector(0)), 1)


def test_numbers_follow_size_at_first() -> None:
    people = [faces("a", "b"), faces("c", "d", "e"), faces("f", "g")]
    assert clustering.assign_numbers(people, {}) == {1: people[1], 2: people[0], 3: people[2]}


def test_numbers_are_stable() -> None:
    earlier = {("a", 0): 1, ("b", 0): 1, ("c", 0): 2, ("d", 0): 2, ("e", 0): 3, ("f", 0): 3}
    new, second, first = faces("x", "y", "z"), faces("c", "d", "p", "q", "r", "s"), faces("a", "b")
    assert clustering.assign_numbers([new, second, first], earlier) == {1: first, 2: second, 4: new}


def test_larger_part_of_split_keeps_number() -> None:
    earlier = dict.fromkeys(faces("a", "b", "c", "d", "e"), 7)
    assert clustering.assign_numbers([faces("a", "b"), faces("c", "d", "e")], earlier) == {
        7: faces("c", "d", "e"),
        8: faces("a", "b"),
    }


def test_merge_keeps_number_of_larger() -> None:
    earlier = {("a", 0): 1, ("b", 0): 2, ("c", 0): 2}
    assert clustering.assign_numbers([faces("a", "b", "c")], earlier) == {2: faces("a", "b", "c")}
