"""Chooses thresholds by costs, by false match rate, and by gallery size, and calibrates a bundle. Pure arithmetic.

All of them use the rates of `strangers.py`, which extrapolate beyond what was measured, so that "no error was seen"
never counts as "no error is possible".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from face_comparison.evaluation.intervals import ENOUGH_ERRORS
from face_comparison.evaluation.pair_counts import STEP, THRESHOLDS, PairCounts, threshold_bin
from face_comparison.evaluation.strangers import extended_false_match, extended_false_non_match

SURE_SAME_FMR = 1e-4
"""Maximum false match rate at which a pair is judged `same` without a review."""

SURE_DIFFERENT_FNMR = 1e-2
"""Maximum false non-match rate at which a pair is judged `different` without a review."""

MAX_SCALE = 1.0
MIN_SCALE = 0.005


@dataclass(frozen=True, slots=True)
class Costs:
    """What errors cost, in any unit, and how often both images of a comparison show the same person.

    Attributes:
        false_match: Cost of accepting a stranger as the same person.
        false_non_match: Cost of rejecting the same person.
        prior: Fraction (0-1) of comparisons in which both images show the same person.
    """

    false_match: float = 10.0
    false_non_match: float = 1.0
    prior: float = 0.5


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A threshold with its error rates and costs.

    Attributes:
        threshold: Euclidean distance.
        false_match: FMR at the threshold.
        false_non_match: FNMR at the threshold.
        cost: Expected cost per comparison, in the unit of the costs; None if no costs were given.
        extrapolated: Whether fewer than ENOUGH_ERRORS false matches were seen at this threshold.
    """

    threshold: float
    false_match: float
    false_non_match: float
    cost: float | None
    extrapolated: bool


@dataclass(frozen=True, slots=True)
class ReviewLimits:
    """The range of distances in which a person should decide.

    Attributes:
        same: Up to this distance, it is the same person.
        different: Above this distance, it is a different person.
    """

    same: float
    different: float


class ThresholdChooser:
    """Chooses thresholds by the error rates of one set of pairs."""

    def __init__(self, counts: PairCounts) -> None:
        self._counts = counts

    @cached_property
    def false_match(self) -> NDArray[np.float64]:
        """The FMR at each of THRESHOLDS, extrapolated below what was measured, (BINS,)."""
        return extended_false_match(self._counts)

    @cached_property
    def false_non_match(self) -> NDArray[np.float64]:
        """The FNMR at each of THRESHOLDS, extrapolated below what was measured, (BINS,)."""
        return extended_false_non_match(self._counts)

    def is_measured(self, threshold: float) -> bool:
        """Returns whether there are enough false matches at a threshold to call its FMR measured."""
        return bool(self._counts.impostor[:, : threshold_bin(threshold) + 1].sum() >= ENOUGH_ERRORS)

    def false_match_at(self, threshold: float) -> float:
        """Returns the FMR at a threshold, extrapolated if necessary."""
        return float(self.false_match[threshold_bin(threshold)])

    def for_costs(self, costs: Costs) -> Recommendation:
        """Returns the threshold with the lowest expected cost per comparison."""
        expected = (
            costs.prior * costs.false_non_match * self.false_non_match
            + (1 - costs.prior) * costs.false_match * self.false_match
        )
        cheapest = np.flatnonzero(expected <= expected.min() * (1 + 1e-9))
        index = int(cheapest[len(cheapest) // 2])
        return self._recommendation(index, float(expected[index]))

    def for_false_match_rate(self, rate: float) -> Recommendation:
        """Returns the greatest threshold whose false match rate is at most `rate`."""
        index = max(0, int((self.false_match <= rate).sum()) - 1)
        return self._recommendation(index, None)

    def for_gallery(self, size: int, false_positive_rate: float) -> Recommendation:
        """Returns the greatest threshold at which the FPIR of a gallery of `size` faces is at most the given rate."""
        per_comparison = float(-np.expm1(np.log1p(-false_positive_rate) / size))
        return self.for_false_match_rate(per_comparison)

    def review_limits(self, threshold: float) -> ReviewLimits:
        """Returns the range around a threshold in which at least one of the two error rates is not small."""
        same = THRESHOLDS[max(0, int((self.false_match <= SURE_SAME_FMR).sum()) - 1)]
        reached = np.flatnonzero(self.false_non_match <= SURE_DIFFERENT_FNMR)
        different = THRESHOLDS[reached[0]] if len(reached) else THRESHOLDS[-1]
        return ReviewLimits(min(float(same), threshold), max(float(different), threshold))

    def logistic_scale(self, threshold: float) -> float:
        """Returns the maximum-likelihood scale of the confidence's logistic function, which is 0.5 at the threshold.

        Both kinds of pairs have the same total weight, however many there are. The targets are those of Platt scaling,
        with the number of people as the number of examples, so that the confidence does not become a step function if
        there are no errors.
        """
        genuine, impostor = self._counts.genuine.sum(axis=0), self._counts.impostor.sum(axis=0)
        middles = np.maximum(THRESHOLDS - STEP / 2, 0)
        same_target, different_target = _platt_targets(self._counts)
        # The scale is bounded, and the loss is convex in 1 / scale: a fine grid is accurate enough and cannot diverge.
        scales = np.geomspace(MIN_SCALE, MAX_SCALE, 400)
        logits = (threshold - middles)[None] / scales[:, None]
        losses = _log_loss(logits, same_target) @ (genuine / genuine.sum()) + _log_loss(logits, different_target) @ (
            impostor / impostor.sum()
        )
        return round(float(scales[int(losses.argmin())]), 4)

    def _recommendation(self, index: int, cost: float | None) -> Recommendation:
        threshold = float(THRESHOLDS[index])
        return Recommendation(
            threshold,
            float(self.false_match[index]),
            float(self.false_non_match[index]),
            cost,
            not self.is_measured(threshold),
        )


def _platt_targets(counts: PairCounts) -> tuple[float, float]:
    same, people = counts.people_with_genuine, counts.people
    return (same + 1) / (same + 2), 1 / (people + 2)


def _log_loss(logits: NDArray[np.float64], target: float) -> NDArray[np.float64]:
    """Returns the cross-entropy of logistic(logits) with a target probability."""
    return np.asarray(np.logaddexp(0, logits) - target * logits, np.float64)
