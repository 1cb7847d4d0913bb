"""Which name a searched face gets: match, ambiguous or unknown; one person per face of an image. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from face_comparison.api.collections import Decision
from face_comparison.collections.values import Neighbor


@dataclass(frozen=True, slots=True, eq=False)
class Identification:
    """One searched face. matches: nearest first, at most as many as asked for; none where the face is unknown."""

    decision: Decision
    matches: tuple[Neighbor, ...]


def identify(
    faces: Sequence[Sequence[Neighbor]],
    threshold: float,
    margin: float,
    max_matches: int,
    reliable: Sequence[bool] | None = None,
) -> list[Identification]:
    """Decides about every face of one image.

    One person is given to at most one of the faces: of all pairs of a face and a person, the nearest is settled first.
    A face is ambiguous when a second person is nearly as near as the first: less than `margin` farther. Faces without a
    user have no name to confuse and make nothing ambiguous.

    Args:
        faces: for each face its nearest people, nearest first.
        threshold: Euclidean distance, 0-2; a person farther away is not a match.
        margin: distance by which the second person must be farther than the first.
        max_matches: matches reported per face.
        reliable: which faces can be relied upon, None: all. A match of another face is ambiguous: a person should look.
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
            # The rival is shown even where it lies just beyond the threshold or the number of matches asked for.
            shown = (
                within[:max_matches] if rival in within[:max_matches] else [*within[: max(1, max_matches - 1)], rival]
            )
            found.append(Identification("ambiguous", tuple(shown)))
    return found


def _assign(faces: Sequence[Sequence[Neighbor]], threshold: float) -> dict[str, int]:
    """Returns the face that each person is given to, nearest pairs first."""
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
