"""The pairs that a person should look at: strangers who look alike, and images of one person that do not. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

KEPT = 12
"""People or pairs of people of each kind that are kept."""


@dataclass(frozen=True, slots=True)
class ImagePair:
    """Two images, by number, and their distance."""

    first: int
    second: int
    distance: float


@dataclass(slots=True)
class WorstPairs:
    """The nearest images of different people and the farthest images of one person.

    Of each two people, or each person, only the worst pair is kept: an album that is in two people's folders would
    otherwise fill the list.
    """

    _impostor: dict[tuple[int, int], ImagePair] = field(default_factory=dict)
    _genuine: dict[tuple[int, int], ImagePair] = field(default_factory=dict)

    def offer(
        self,
        distances: NDArray[np.floating],
        images: NDArray[np.intp],
        people: NDArray[np.intp],
        *,
        same: bool,
    ) -> None:
        """Considers pairs.

        Args:
            distances: One per pair, (pairs,).
            images: The two images of each pair, by number, (2, pairs).
            people: The two people of each pair, by number, (2, pairs).
            same: Whether these are genuine pairs, of which the farthest are kept.
        """
        kept, sign = (self._genuine, -1.0) if same else (self._impostor, 1.0)
        badness = sign * distances
        for index in np.flatnonzero(badness < self._limit(kept, sign)):
            key = _pair(int(people[0][index]), int(people[1][index]))
            if key not in kept or badness[index] < sign * kept[key].distance:
                kept[key] = ImagePair(int(images[0][index]), int(images[1][index]), float(distances[index]))
        for key in sorted(kept, key=lambda key: sign * kept[key].distance)[KEPT:]:
            del kept[key]

    def limit(self, *, same: bool) -> float:
        """Returns the distance that a pair must beat to be kept: nearer for impostors, farther for genuine pairs."""
        kept, sign = (self._genuine, -1.0) if same else (self._impostor, 1.0)
        return sign * self._limit(kept, sign)

    def impostor(self) -> list[ImagePair]:
        """Returns the nearest first."""
        return sorted(self._impostor.values(), key=lambda pair: pair.distance)

    def genuine(self) -> list[ImagePair]:
        """Returns the farthest first."""
        return sorted(self._genuine.values(), key=lambda pair: -pair.distance)

    @staticmethod
    def _limit(kept: dict[tuple[int, int], ImagePair], sign: float) -> float:
        return np.inf if len(kept) < KEPT else max(sign * pair.distance for pair in kept.values())


def _pair(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one <= other else (other, one)
