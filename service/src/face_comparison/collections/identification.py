"""Decides for each searched face: match, ambiguous, or unknown. Assigns a person to one face per image. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from face_comparison.api.collections import Decision
from face_comparison.collections.values import Neighbor


@dataclass(frozen=True, slots=True, eq=False)
class Identification:
    """The decision for one searched face.

    Attributes:
        decision: `match`, `ambiguous`, or `unknown`.
        matches: By ascending distance, at most the requested number; empty for an unknown face.
    """

    decision: Decision
    matches: tuple[Neighbor, ...]


def identify(
    faces: Sequence[Sequence[Neighbor]],
    threshold: float,
    margin: float,
    max_matches: int,
    reliable: Sequence[bool] | None = None,
) -> list[Identification]:
    """Identifies every face of one image.

    A person is assigned to at most one of the faces, greedily by distance. A face is ambiguous if a second person is
    less than `margin` farther away than the first. Stored faces without a user have no name that could be confused, so
    they cause no ambiguity.

    Args:
        faces: The nearest people of each face, by ascending distance.
        threshold: Maximum Euclidean distance of a match, 0-2.
        margin: Minimum difference between the distances of the first and the second person.
        max_matches: Maximum number of matches per face.
        reliable: Whether each face is reliable; None if all are. Matches of unreliable faces are ambiguous, so that a
            person checks them.
    """
    taken = _assign(faces, threshold)
    found = []
    for index, neighbors in enumerate(faces):
        free = [each for each in neighbors if taken.get(_person(each), index) == index]
        within = [each for each in free if each.distance <= threshold]
        if not within:
            found.append(Identification("unknown", ()))
        elif (rival := _rival(free, margin)) is None:
            is_sure = reliable is None or reliable[index]
            found.append(Identification("match" if is_sure else "ambiguous", tuple(within[:max_matches])))
        else:
            # The rival is included even if it lies just beyond the threshold or `max_matches`.
            shown = (
                within[:max_matches] if rival in within[:max_matches] else [*within[: max(1, max_matches - 1)], rival]
            )
            found.append(Identification("ambiguous", tuple(shown)))
    return found


def _assign(faces: Sequence[Sequence[Neighbor]], threshold: float) -> dict[str, int]:
    """Assigns each person to a face, nearest pairs first."""
    pairs = sorted(
        (each.distance, index, _person(each))
        for index, neighbors in enumerate(faces)
        for each in neighbors
        if each.distance <= threshold
    )
    taken: dict[str, int] = {}
    settled: set[int] = set()
    for _, index, person in pairs:
        if index not in settled and person not in taken:
            taken[person] = index
            settled.add(index)
    return taken


def _rival(free: Sequence[Neighbor], margin: float) -> Neighbor | None:
    first = free[0]
    if first.face.user_id is None:
        return None
    others = (each for each in free[1:] if each.face.user_id not in (None, first.face.user_id))
    second = next(others, None)
    return second if second is not None and second.distance - first.distance < margin else None


def _person(neighbor: Neighbor) -> str:
    face = neighbor.face
    return f"face {face.face_id}" if face.user_id is None else f"user {face.user_id}"
