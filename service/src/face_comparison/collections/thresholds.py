"""Computes the threshold of a search from the gallery size and the requested false positive rate. Pure arithmetic.

With the threshold for a single pair, most searches for a stranger in a large collection would return somebody: with a
false match rate f per comparison, a search among N faces fails with probability FPIR(N) = 1 - (1 - f)^N (Grother and
Phillips, "Models of Large Population Recognition Performance", CVPR 2004). Therefore, the rate per comparison is
derived from the requested FPIR and N, and the threshold from the measured similarities of strangers.

Similarities (cosines) of strangers are modeled as normally distributed. Their mean and deviation are estimates, so the
quantile is replaced by its one-sided upper tolerance limit (Natrella, "Experimental Statistics", NBS Handbook 91): the
fewer pairs of people have been measured, the stricter the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

TOLERANCE_CONFIDENCE = 0.95
"""Probability with which the true rate does not exceed the computed one, given the sample."""

MIN_PEOPLE = 200
"""Minimum number of people in a collection for measuring it, which make 19,900 pairs."""

SAMPLE_FACES = 1000
"""Maximum number of faces of a collection that are measured, which make half a million pairs."""

_TAIL = 0.001
"""Fraction of a collection's pairs at which the near tail is compared with the normal model: small enough to detect a
heavy tail, large enough that a few people enrolled twice have little influence."""

_NEAR_HALF = 0.25  # close to the median, a quantile says nothing about the deviation

_NORMAL = NormalDist()
_MIN_RATE = 1e-15  # rates closer than this to 0 or 1 would be rounded to them


@dataclass(frozen=True, slots=True)
class Strangers:
    """Similarities (cosines, -1 to 1) between faces of different people.

    Attributes:
        mean: Mean similarity.
        deviation: Standard deviation.
        pairs: Number of pairs of people measured. Several images of the same two people count as one pair, because
            they are not independent: a thousand images of ten people are 45 pairs.
    """

    mean: float
    deviation: float
    pairs: int

    @classmethod
    def from_distances(cls, mean: float, deviation: float, pairs: int) -> Strangers:
        """Converts mean and standard deviation of Euclidean distances (cosine = 1 - distance² / 2, to first order)."""
        return cls(1 - (mean**2 + deviation**2) / 2, mean * deviation, pairs)

    def false_match_rate(self, distance: float) -> float:
        """Returns the probability that two strangers are at most this Euclidean distance (0-2) apart."""
        factor = (cosine(distance) - self.mean) / self.deviation
        return _NORMAL.cdf(-_quantile_of(factor, self.pairs))  # not 1 - cdf, which is 0 from 8 deviations on

    def distance_at(self, rate: float) -> float:
        """Returns the Euclidean distance (0-2) within which two strangers lie with at most this probability."""
        quantile = -_NORMAL.inv_cdf(min(max(rate, _MIN_RATE), 1 - _MIN_RATE))
        similarity = self.mean + tolerance_factor(quantile, self.pairs) * self.deviation
        return math.sqrt(max(0.0, 2 - 2 * min(1.0, similarity)))


@dataclass(frozen=True, slots=True)
class SearchThreshold:
    """A threshold (Euclidean distance, 0-2) and the FPIR (0-1) to expect with it."""

    threshold: float
    expected_rate: float


def cosine(distance: float) -> float:
    """Returns the cosine of two unit vectors this Euclidean distance apart."""
    return 1 - distance * distance / 2


def tolerance_factor(quantile: float, sample: int) -> float:
    """Returns how many standard deviations above the mean bound a normal quantile with TOLERANCE_CONFIDENCE.

    Args:
        quantile: Quantile of the standard normal distribution; at least 0 for an upper bound.
        sample: Number of independent observations.
    """
    confidence = _NORMAL.inv_cdf(TOLERANCE_CONFIDENCE)
    sample = max(sample, 3)
    a = 1 - confidence**2 / (2 * (sample - 1))
    b = quantile**2 - confidence**2 / sample
    return (quantile + math.sqrt(max(0.0, quantile**2 - a * b))) / a


def search_threshold(strangers: Strangers, gallery_size: int, rate: float, pair_threshold: float) -> SearchThreshold:
    """Returns the maximum distance of a match in a search.

    Args:
        strangers: Similarities of strangers.
        gallery_size: Number of faces compared.
        rate: Requested FPIR, 0-1.
        pair_threshold: The bundle's threshold; a search is never more lenient than a comparison of two images.
    """
    per_comparison = -math.expm1(math.log1p(-rate) / max(gallery_size, 1))
    threshold = min(pair_threshold, strangers.distance_at(per_comparison))
    return SearchThreshold(threshold, expected_rate(strangers, gallery_size, threshold))


def expected_rate(strangers: Strangers, gallery_size: int, threshold: float) -> float:
    """Returns the FPIR (0-1): the probability that a search for a stranger in a gallery returns somebody."""
    per_comparison = strangers.false_match_rate(threshold)
    if per_comparison >= 1:
        return 1.0 if gallery_size else 0.0
    return -math.expm1(gallery_size * math.log1p(-per_comparison))


def take_over(bundle: Strangers, own: Strangers) -> Strangers:
    """Returns the distribution to use for a collection that has been measured.

    The many people in the collection replace the few of the bundle, which removes the safety margin for a small sample.
    However, enrolled images are better than camera images of strangers, so mean and deviation are never less than the
    bundle's.
    """
    return Strangers(max(bundle.mean, own.mean), max(bundle.deviation, own.deviation), max(bundle.pairs, own.pairs))


def with_tail(strangers: Strangers, quantiles: Sequence[tuple[float, float]]) -> Strangers:
    """Returns the distribution, widened if measured quantiles show a heavier tail than the normal model.

    Args:
        strangers: The distribution.
        quantiles: Fractions of the pairs (0-1), each with its maximum Euclidean distance; only those below _NEAR_HALF
            are used.
    """
    broader = [
        (cosine(distance) - strangers.mean) / -_NORMAL.inv_cdf(fraction)
        for fraction, distance in quantiles
        if fraction < _NEAR_HALF
    ]
    return replace(strangers, deviation=max([strangers.deviation, *broader]))


def measure_strangers(vectors: NDArray[np.float32], people: Sequence[str]) -> Strangers | None:
    """Measures a collection's own faces; returns None if they belong to fewer than MIN_PEOPLE people.

    Args:
        vectors: (N, width) float32 of norm 1.
        people: The person of each face; faces of the same person are not compared.
    """
    numbers: dict[str, int] = {}
    labels = np.array([numbers.setdefault(person, len(numbers)) for person in people], np.int64)
    count = len(numbers)
    if count < MIN_PEOPLE:
        return None
    # Compute row by row, without np.unique and np.quantile: they import numpy's masked arrays, whose memory is never
    # returned.
    similarities = np.empty(len(vectors) * (len(vectors) - 1) // 2, np.float32)
    size = 0
    for row in range(len(vectors) - 1):
        found = (vectors[row + 1 :] @ vectors[row])[labels[row + 1 :] != labels[row]]
        similarities[size : size + len(found)] = found
        size += len(found)
    similarities = similarities[:size]
    measured = Strangers(float(similarities.mean()), float(similarities.std()), count * (count - 1) // 2)
    similarities.partition(tail_start := int((1 - _TAIL) * (size - 1)))
    distance = math.sqrt(max(0.0, 2 - 2 * float(similarities[tail_start])))
    return with_tail(measured, [(_TAIL, distance)])


def _quantile_of(factor: float, sample: int) -> float:
    """Returns the inverse of tolerance_factor: the standard normal quantile whose bound lies `factor` deviations up."""
    low, high = -40.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if tolerance_factor(middle, sample) < factor else (low, middle)
    return (low + high) / 2
