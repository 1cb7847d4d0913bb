"""Computes confidence intervals of error rates over pairs that are not independent. Pure arithmetic, with SciPy.

Each person is part of many pairs: a thousand pairs of strangers among 46 people say less than a thousand pairs among
two thousand people. The variance of a rate is therefore estimated between blocks of people (cluster-robust, and for
pairs of different people, robust to both people of a pair), which gives an effective number of independent pairs. The
interval is the exact binomial one (Clopper-Pearson) for that number, corrected by Student's t for the small number of
blocks, as Korn and Graubard proposed for surveys.

If there are no errors, or too few to see how they cluster, the number of independent pairs is taken from the nearest
threshold with enough errors. Without errors, the upper limit is that of the rule of three.
`tests/unit/service/test_evaluation_intervals.py` checks the coverage by simulation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from face_comparison.evaluation.pair_counts import BINS, PairCounts

CONFIDENCE = 0.95

ENOUGH_ERRORS = 20
"""Minimum number of errors for estimating how they cluster."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A measured rate with its confidence interval.

    Attributes:
        value: The rate, 0-1; NaN if there are no pairs.
        low: Lower limit of the interval.
        high: Upper limit of the interval.
        errors: Number of pairs that were judged wrongly.
        pairs: Number of pairs that were judged.
        independent: Effective number of independent pairs.
        method: How the interval was computed: `clopper-pearson`; `rule-of-three` if none or all of the pairs are
            errors; `none` if there are no pairs.
    """

    value: float
    low: float
    high: float
    errors: int
    pairs: int
    independent: float
    method: str


def false_match_rate(counts: PairCounts, index: int) -> Rate:
    """Returns the fraction of the pairs of different people that match at the threshold of bin `index`."""
    pairs = counts.impostor.sum(axis=1)
    matches = counts.impostor[:, : index + 1].sum(axis=1)
    enough = int(np.searchsorted(counts.impostor.sum(axis=0).cumsum(), ENOUGH_ERRORS))
    clustered = counts.impostor[:, : max(index, enough) + 1].sum(axis=1)
    # Half as many pairs as there are people can be chosen without sharing a person; those are certainly independent.
    certain = min(int(pairs.sum()), counts.people // 2)
    return _rate(int(matches.sum()), int(pairs.sum()), certain, _impostor_clustering(counts, clustered, pairs))


def false_non_match_rate(counts: PairCounts, index: int) -> Rate:
    """Returns the fraction of the pairs of one person that do not match at the threshold of bin `index`."""
    pairs = counts.genuine.sum(axis=1)
    misses = counts.genuine[:, index + 1 :].sum(axis=1)
    enough = BINS - 1 - int(np.searchsorted(counts.genuine.sum(axis=0)[::-1].cumsum(), ENOUGH_ERRORS))
    clustered = counts.genuine[:, max(0, min(index + 1, enough)) :].sum(axis=1)
    certain = min(int(pairs.sum()), counts.people_with_genuine)
    return _rate(int(misses.sum()), int(pairs.sum()), certain, _genuine_clustering(clustered, pairs))


def rate_by_blocks(errors: NDArray[np.int64], trials: NDArray[np.int64]) -> Rate:
    """Returns the rate of errors in trials that are dependent only within a block of people.

    Args:
        errors: Number of errors in each block, (blocks,).
        trials: Number of trials in each block, (blocks,).
    """
    certain = int((trials > 0).sum())
    return _rate(int(errors.sum()), int(trials.sum()), certain, _genuine_clustering(errors, trials))


def binomial_interval(errors: float, trials: float, degrees: float) -> tuple[float, float]:
    """Returns the Clopper-Pearson interval of a rate, widened if its variance was estimated from few blocks.

    Args:
        errors: Number of errors; may be fractional.
        trials: Effective number of independent trials; may be fractional.
        degrees: Degrees of freedom of the estimated variance.

    Returns:
        Lower and upper limit. Without errors, the upper limit is one-sided: 3 / trials at 95 % (rule of three).
    """
    tail = (1 - CONFIDENCE) / 2
    if degrees > 0 and errors > 0:
        shrink = (special.stdtrit(max(1.0, trials - 1), 1 - tail) / special.stdtrit(degrees, 1 - tail)) ** 2
        errors, trials = errors * min(1.0, shrink), trials * min(1.0, shrink)
    if trials <= 0:
        return 0.0, 1.0
    if errors <= 0:
        return 0.0, float(1 - (1 - CONFIDENCE) ** (1 / trials))
    if errors >= trials:
        return float((1 - CONFIDENCE) ** (1 / trials)), 1.0
    low = special.betaincinv(errors, trials - errors + 1, tail)
    high = special.betaincinv(errors + 1, trials - errors, 1 - tail)
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class _Clustering:
    """How strongly pairs depend on each other.

    Attributes:
        effect: Design effect: the variance relative to that of the same number of independent pairs.
        degrees: Degrees of freedom of that variance (Satterthwaite): fewer if a few blocks contribute most of it.
    """

    effect: float
    degrees: float


def _clustering(rate: float, pairs: int, variance: float, residuals: NDArray[np.float64]) -> _Clustering:
    squares = np.square(residuals)
    kurtosis = len(squares) * np.square(squares).sum() / max(squares.sum() ** 2, np.finfo(np.float64).tiny)
    degrees = min(len(squares) - 1, 2 * len(squares) / max(1.0, kurtosis - 1))
    return _Clustering(max(1.0, float(variance / (rate * (1 - rate) / pairs))), max(1.0, float(degrees)))


def _genuine_clustering(misses: NDArray[np.int64], pairs: NDArray[np.int64]) -> _Clustering:
    total, blocks = int(pairs.sum()), int((pairs > 0).sum())
    rate = misses.sum() / max(1, total)
    if blocks < 2 or not 0 < rate < 1:
        return _Clustering(1.0, max(1.0, blocks - 1))
    residuals = (misses - rate * pairs)[pairs > 0]
    variance = blocks / (blocks - 1) * np.square(residuals).sum() / total**2
    return _clustering(rate, total, variance, residuals)


def _impostor_clustering(counts: PairCounts, matches: NDArray[np.int64], pairs: NDArray[np.int64]) -> _Clustering:
    """Estimates the clustering of pairs of different people; two pairs that share a block are dependent."""
    total = int(pairs.sum())
    used = np.union1d(counts.first[pairs > 0], counts.second[pairs > 0])
    blocks = len(used)
    rate = matches.sum() / max(1, total)
    if blocks < 3 or not 0 < rate < 1:
        return _Clustering(1.0, max(1.0, blocks - 1))
    residuals = matches - rate * pairs
    touching = np.zeros(int(counts.second.max()) + 1)
    np.add.at(touching, counts.first, residuals)
    apart = counts.first != counts.second
    np.add.at(touching, counts.second[apart], residuals[apart])
    # Each pair of blocks is part of the sums of both blocks, so its own square is subtracted once. Leaving out one
    # block removes about 2 / `blocks` of the pairs, hence the correction for a small number of blocks.
    both = np.square(touching).sum() - np.square(residuals[apart]).sum()
    variance = both * (blocks - 1) / blocks / (1 - 2 / blocks) ** 2 / total**2
    return _clustering(rate, total, variance, touching[used])


def _rate(errors: int, pairs: int, certain: int, clustering: _Clustering) -> Rate:
    """Returns a rate with its interval. `certain` is the number of pairs that are independent despite clustering."""
    if not pairs:
        return Rate(float("nan"), 0.0, 1.0, 0, 0, 0.0, "none")
    independent = max(1, certain, pairs / clustering.effect)
    value = errors / pairs
    low, high = binomial_interval(value * independent, independent, clustering.degrees)
    method = "clopper-pearson" if 0 < errors < pairs else "rule-of-three"
    return Rate(value, low, high, errors, pairs, independent, method)
