"""Simulates false positive identification: how often a search for a stranger returns a match, by threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devtools.docs.api import manifest
from face_comparison.collections.calibration import UNMEASURED, stated_strangers
from face_comparison.collections.thresholds import (
    MIN_PEOPLE,
    SAMPLE_FACES,
    Strangers,
    cosine,
    search_threshold,
    take_over,
)

RATES = (0.01, 0.001)
GALLERIES = (100, 1_000, 10_000)
TRIALS = 1_000_000


def measured_strangers() -> Strangers:
    """Returns the default bundle's distribution of similarities between strangers."""
    stated = manifest().comparison.strangers
    return UNMEASURED if stated is None else stated_strangers(stated)


def false_positives() -> list[dict[str, Any]]:
    """Returns the fractions of searches for strangers with a match: by the search threshold, and by the pair threshold.

    The similarity of the nearest of N strangers is drawn as the largest of N draws from the measured distribution.
    """
    strangers, pair = measured_strangers(), manifest().comparison.threshold
    rng = np.random.default_rng(1)
    rows = []
    for size in GALLERIES:
        # The largest of N uniform draws is distributed as the N-th root of one.
        quantiles = rng.random(TRIALS) ** (1 / size)
        nearest = strangers.mean + strangers.deviation * _normal_quantile(quantiles)

        def returned(threshold: float, nearest: NDArray[np.float64] = nearest) -> float:
            return float((nearest >= cosine(threshold)).mean())

        people = min(size, SAMPLE_FACES)
        own = replace(strangers, pairs=people * (people - 1) // 2) if size >= MIN_PEOPLE else None
        for rate in RATES:
            threshold = search_threshold(strangers, size, rate, pair).threshold
            row: dict[str, Any] = {"faces": size, "requested": rate, "pair_threshold": returned(pair)}
            row |= {"threshold": threshold, "observed": returned(threshold)}
            if own is not None:
                threshold = search_threshold(take_over(strangers, own), size, rate, pair).threshold
                row |= {"own_threshold": threshold, "own_observed": returned(threshold)}
            rows.append(row)
    return rows


def _normal_quantile(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    grid = np.linspace(-9, 9, 200_001)
    steps = np.exp(-(grid**2) / 2)
    return np.interp(probabilities, np.cumsum(steps) / steps.sum(), grid)


def print_identification(rows: list[dict[str, Any]]) -> None:
    """Prints requested and observed false positive rates (0-1) by number of faces."""
    print("Searches for strangers that return a match (drawn from the measured distribution):")
    print("   faces  requested  threshold   observed  own people: threshold   observed  pair threshold")
    for row in rows:
        own = f"{row['own_threshold']:>22.3f} {row['own_observed']:>10.3%}" if "own_threshold" in row else f"{'-':>33}"
        print(
            f"{row['faces']:>8,} {row['requested']:>10.2%} {row['threshold']:>10.3f} {row['observed']:>10.3%}"
            f" {own} {row['pair_threshold']:>15.1%}"
        )
