"""Computes FMR and FNMR by threshold, the equal error rate, and the TAR at a given FMR. Pure arithmetic.

Rates at a fixed threshold have the confidence intervals of `intervals.py`. The equal error rate and the true accept
rate (TAR) at a false match rate (FMR) depend on a threshold that is itself estimated. Their intervals therefore come
from a bootstrap over blocks of people. It uses random weights, so that no replicate lacks one kind of pair. The
intervals are never narrower than those of the rates at the estimated threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from face_comparison.evaluation import intervals
from face_comparison.evaluation.intervals import CONFIDENCE, Rate
from face_comparison.evaluation.pair_counts import THRESHOLDS, PairCounts, threshold_bin

TARGETS = (1e-2, 1e-3, 1e-4, 1e-5)
"""False match rates at which the true accept rate is reported."""

ENOUGH_MATCHES = 10
"""Minimum expected number of false matches for measuring a false match rate."""

REPLICATES = 400


@dataclass(frozen=True, slots=True)
class Estimate:
    """A rate (0-1) with its confidence interval, at an estimated threshold."""

    value: float
    low: float
    high: float
    threshold: float


@dataclass(frozen=True, slots=True)
class AcceptRate:
    """The true accept rate at the greatest threshold whose false match rate is at most `target`.

    Attributes:
        target: False match rate.
        accepted: True accept rate, 1 - FNMR.
        measured: Whether there are enough pairs of different people to measure this false match rate.
        needed_pairs: Minimum number of pairs of different people for measuring it.
    """

    target: float
    accepted: Estimate
    measured: bool
    needed_pairs: int


class ErrorRates:
    """Error rates of one set of pairs."""

    def __init__(self, counts: PairCounts) -> None:
        self.counts = counts

    @cached_property
    def false_match(self) -> NDArray[np.float64]:
        """The FMR at each of THRESHOLDS, (BINS,)."""
        return _cumulative(self.counts.impostor.sum(axis=0))

    @cached_property
    def false_non_match(self) -> NDArray[np.float64]:
        """The FNMR at each of THRESHOLDS, (BINS,)."""
        return 1 - _cumulative(self.counts.genuine.sum(axis=0))

    def fmr(self, threshold: float) -> Rate:
        """Returns the false match rate at a threshold, with its confidence interval."""
        return intervals.false_match_rate(self.counts, threshold_bin(threshold))

    def fnmr(self, threshold: float) -> Rate:
        """Returns the false non-match rate at a threshold, with its confidence interval."""
        return intervals.false_non_match_rate(self.counts, threshold_bin(threshold))

    def threshold_at_fmr(self, target: float) -> float:
        """Returns the greatest threshold whose measured false match rate is at most `target`."""
        return float(THRESHOLDS[_last_at_most(self.false_match[None], target)[0]])

    @cached_property
    def equal_error_rate(self) -> Estimate:
        """The equal error rate: the mean of FMR and FNMR at the threshold where they are closest."""
        index, value = _equal_error(self.false_match[None], self.false_non_match[None])
        threshold = float(THRESHOLDS[index[0]])
        _, replicates = _equal_error(*self._replicates)
        low, high = _percentiles(replicates)
        # At any threshold, the equal error rate lies between FMR and FNMR, so their intervals cover it.
        fmr, fnmr = self.fmr(threshold), self.fnmr(threshold)
        if min(fmr.errors, fnmr.errors) < ENOUGH_MATCHES:
            low, high = min(low, fmr.low, fnmr.low), max(high, fmr.high, fnmr.high)
        return Estimate(float(value[0]), low, high, threshold)

    def accept_rate(self, target: float) -> AcceptRate:
        """Returns the true accept rate at a false match rate."""
        index = int(_last_at_most(self.false_match[None], target)[0])
        threshold = float(THRESHOLDS[index])
        false_match, false_non_match = self._replicates
        chosen = _last_at_most(false_match, target)
        low, high = _percentiles(1 - false_non_match[np.arange(len(chosen)), chosen])
        fnmr = self.fnmr(threshold)
        estimate = Estimate(1 - fnmr.value, min(low, 1 - fnmr.high), max(high, 1 - fnmr.low), threshold)
        needed = round(ENOUGH_MATCHES / target)
        return AcceptRate(target, estimate, self.counts.impostor_pairs >= needed, needed)

    @cached_property
    def _replicates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The FMR and the FNMR of each bootstrap replicate, (REPLICATES, BINS) each."""
        weights = np.random.default_rng(1).exponential(size=(REPLICATES, len(self.counts.genuine)))
        pair_weights = weights[:, self.counts.first] * weights[:, self.counts.second]
        return (
            _cumulative(pair_weights @ self.counts.impostor.astype(np.float64)),
            1 - _cumulative(weights @ self.counts.genuine.astype(np.float64)),
        )


def _cumulative(counts: NDArray[np.number]) -> NDArray[np.float64]:
    """Returns the cumulative fraction of pairs up to each bin, along the last axis; 0 if there are no pairs."""
    total = np.asarray(counts.sum(axis=-1, keepdims=True), np.float64)
    return np.minimum(np.cumsum(counts, axis=-1) / np.where(total > 0, total, 1), 1)


def _last_at_most(rates: NDArray[np.float64], target: float) -> NDArray[np.intp]:
    """Returns, for each row of ascending rates, the last bin with a rate of at most `target`, or else the first bin."""
    return np.asarray(np.maximum((rates <= target * (1 + 1e-12)).sum(axis=1) - 1, 0), np.intp)


def _equal_error(
    false_match: NDArray[np.float64], false_non_match: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Returns, for each row, the bin at which both rates are closest, and their mean there."""
    gap = np.abs(false_match - false_non_match)
    nearest = gap <= gap.min(axis=1, keepdims=True)
    # Take the middle of a range of equally good thresholds, such as a gap without pairs.
    index = (nearest.argmax(axis=1) + gap.shape[1] - 1 - nearest[:, ::-1].argmax(axis=1)) // 2
    rows = np.arange(len(gap))
    return index, (false_match[rows, index] + false_non_match[rows, index]) / 2


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
