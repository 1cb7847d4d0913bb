"""Extrapolates error rates below what was measured, with normal tails of both distributions. Pure arithmetic.

Where fewer than `ENOUGH_ERRORS` errors were seen, a measured rate is mostly chance, and zero errors do not mean a rate
of zero. There, the tail of a normal distribution takes over and is scaled to meet the last measured rate. The
distribution is that of the cosine for pairs of different people, and of the distance for pairs of the same person. Its
deviation is large enough for every measured quantile of the tail, so that a heavier tail than normal gives stricter
thresholds rather than laxer ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from face_comparison.evaluation.intervals import ENOUGH_ERRORS
from face_comparison.evaluation.pair_counts import THRESHOLDS, PairCounts

_TAIL_RATES = (1e-2, 1e-3, 1e-4, 1e-5)
_MIN_DEVIATION = 0.01


@dataclass(frozen=True, slots=True)
class NormalTail:
    """A normal distribution whose upper tail holds the errors.

    Attributes:
        mean: Mean of the cosine (pairs of different people) or of the distance (pairs of the same person).
        deviation: Standard deviation of the same quantity, or more if its tail is heavier than normal.
    """

    mean: float
    deviation: float

    def rate_above(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the probability that each value is exceeded."""
        return np.asarray(special.ndtr((self.mean - values) / self.deviation), np.float64)


def cosines(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the cosine similarities of L2-normalized vectors at these Euclidean distances."""
    return 1 - distances**2 / 2


def impostor_tail(counts: PairCounts) -> NormalTail:
    """Returns the tail of the cosines of pairs of different people."""
    return _fit(cosines(THRESHOLDS)[::-1], counts.impostor.sum(axis=0)[::-1])


def genuine_tail(counts: PairCounts) -> NormalTail:
    """Returns the tail of the distances of pairs of the same person."""
    return _fit(THRESHOLDS, counts.genuine.sum(axis=0))


def extended_false_match(counts: PairCounts) -> NDArray[np.float64]:
    """Returns the false match rate at each of THRESHOLDS, (BINS,), from the fitted tail where too few pairs match."""
    tail = impostor_tail(counts).rate_above(cosines(THRESHOLDS))
    return _extend(counts.impostor.sum(axis=0), tail)


def extended_false_non_match(counts: PairCounts) -> NDArray[np.float64]:
    """Returns the false non-match rate at each of THRESHOLDS, (BINS,), extended in the same way."""
    tail = genuine_tail(counts).rate_above(THRESHOLDS)
    # A pair in bin k does not match at the thresholds of the bins below k.
    missed = np.append(counts.genuine.sum(axis=0)[1:], 0)
    return _extend(missed[::-1], tail[::-1], counts.genuine_pairs)[::-1]


def _fit(values: NDArray[np.float64], counts: NDArray[np.int64]) -> NormalTail:
    """Fits a tail to the number of pairs at each of `values`, which ascend towards the errors."""
    total = counts.sum()
    mean = float(values @ counts / total)
    deviation = float(np.sqrt(np.square(values - mean) @ counts / total))
    above = counts[::-1].cumsum()[::-1]  # at or above each value
    for rate in _TAIL_RATES:
        if total * rate >= ENOUGH_ERRORS:
            quantile = float(values[np.flatnonzero(above >= total * rate)[-1]])
            deviation = max(deviation, (quantile - mean) / float(-special.ndtri(rate)))
    return NormalTail(mean, max(deviation, _MIN_DEVIATION))


def _extend(errors: NDArray[np.int64], tail: NDArray[np.float64], total: int | None = None) -> NDArray[np.float64]:
    """Returns measured rates from the first bin with enough errors on, and before it the tail, scaled to meet them."""
    cumulative = errors.cumsum()
    pairs = int(cumulative[-1]) if total is None else total
    measured = cumulative / pairs
    start = min(int(np.searchsorted(cumulative, min(ENOUGH_ERRORS, max(1, pairs // 2)))), len(measured) - 1)
    scale = measured[start] / max(float(tail[start]), np.finfo(np.float64).tiny)
    # Never go below what was measured: a few outliers can exceed what a normal tail allows.
    extended = np.where(np.arange(len(measured)) < start, np.maximum(tail * scale, measured), measured)
    return np.asarray(np.minimum(extended, 1.0), np.float64)
