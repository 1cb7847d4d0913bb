"""Keeps the pairs worth a manual check: strangers who look alike, and images of one person that do not. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

KEPT = 12
"""Maximum number of pairs to keep of each kind."""


@dataclass(frozen=True, slots=True)
class ImagePair:
    """Two images, by index, and their distance."""

    first: int
    second: int
    distance: float


@dataclass(slots=True)
class WorstPairs:
    """The closest images of different people and the most distant images of the same person.

    Only the worst pair is kept for each pair of people, or for each person. Otherwise, a set of photographs that is in
    the folders of two people would fill the list.
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
        """Adds those of the given pairs that are among the worst.

        Args:
            distances: Distance of each pair, (pairs,).
            images: The two images of each pair, by index, (2, pairs).
            people: The two people of each pair, by index, (2, pairs).
            same: Whether these are genuine pairs, of which the most distant are kept.
        """
        pairs, sign = (self._genuine, -1.0) if same else (self._impostor, 1.0)
        ranks = sign * distances
        for index in np.flatnonzero(ranks < self._limit(pairs, sign)):
            key = _pair(int(people[0][index]), int(people[1][index]))
            if key not in pairs or ranks[index] < sign * pairs[key].distance:
                pairs[key] = ImagePair(int(images[0][index]), int(images[1][index]), float(distances[index]))
        for key in sorted(pairs, key=lambda key: sign * pairs[key].distance)[KEPT:]:
            del pairs[key]

    def limit(self, *, same: bool) -> float:
        """Returns the distance that a pair must beat to be kept: smaller for impostor, larger for genuine pairs."""
        pairs, sign = (self._genuine, -1.0) if same else (self._impostor, 1.0)
        return sign * self._limit(pairs, sign)

    def impostor(self) -> list[ImagePair]:
        """Returns the worst impostor pairs, by ascending distance."""
        return sorted(self._impostor.values(), key=lambda pair: pair.distance)

    def genuine(self) -> list[ImagePair]:
        """Returns the worst genuine pairs, by descending distance."""
        return sorted(self._genuine.values(), key=lambda pair: -pair.distance)

    @staticmethod
    def _limit(pairs: dict[tuple[int, int], ImagePair], sign: float) -> float:
        return np.inf if len(pairs) < KEPT else max(sign * pair.distance for pair in pairs.values())


def _pair(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one <= other else (other, one)
