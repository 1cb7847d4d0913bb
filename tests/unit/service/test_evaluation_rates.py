"""Error rates against scikit-learn, and confidence intervals against simulated populations."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from face_comparison.evaluation.error_rates import TARGETS, ErrorRates
from face_comparison.evaluation.intervals import binomial_interval
from face_comparison.evaluation.pair_counts import THRESHOLDS, count_all_pairs, count_listed_pairs, threshold_bin
from support import embeddings


@functools.cache
def rates(seed: int, people: int, images: int) -> ErrorRates:
    return ErrorRates(count_all_pairs(*embeddings.draw(np.random.default_rng(seed), people, images)))


def test_rates_match_scikit_learn() -> None:
    vectors, people = embeddings.draw(np.random.default_rng(5), 60, 4)
    pairs = np.stack(np.triu_indices(len(vectors), 1), axis=1)
    same = people[pairs[:, 0]] == people[pairs[:, 1]]
    distances = np.linalg.norm(vectors[pairs[:, 0]].astype(float) - vectors[pairs[:, 1]], axis=1)
    found = ErrorRates(count_listed_pairs(vectors, people, pairs, same))
    # Thresholds are multiples of 0.001: with distances rounded up to those, both have the same thresholds.
    false_match, true_match, at = roc_curve(same, -np.ceil(distances * 1000) / 1000, drop_intermediate=False)
    for index in range(1, len(at), 7):
        bin_ = threshold_bin(-at[index])
        assert found.false_match[bin_] == pytest.approx(false_match[index], abs=1e-12)
        assert 1 - found.false_non_match[bin_] == pytest.approx(true_match[index], abs=1e-12)
        rate = found.fmr(-at[index])
        assert rate.value == pytest.approx(false_match[index], abs=1e-12)
        assert rate.low <= rate.value <= rate.high
    nearest = np.abs(false_match - (1 - true_match)).argmin()
    expected = (false_match[nearest] + 1 - true_match[nearest]) / 2
    assert found.equal_error_rate.value == pytest.approx(expected, abs=2e-3)
    for target in TARGETS[:2]:
        accepted = found.accept_rate(target)
        assert accepted.accepted.value == pytest.approx(true_match[false_match <= target].max(), abs=1e-12)
        assert accepted.accepted.low <= accepted.accepted.value <= accepted.accepted.high


def test_false_match_rate_is_measured_only_with_enough_pairs() -> None:
    few = rates(6, 20, 2)
    assert few.counts.impostor_pairs == 760
    assert [few.accept_rate(target).measured for target in TARGETS] == [False] * 4
    assert few.accept_rate(1e-3).needed_pairs == 10_000
    many = rates(6, 200, 2)
    assert [many.accept_rate(target).measured for target in TARGETS] == [True, True, False, False]


def test_zero_errors_follow_rule_of_three() -> None:
    assert binomial_interval(0, 1000, 50) == (0.0, pytest.approx(3 / 1000, rel=0.01))
    nothing = rates(7, 50, 2).fmr(0.01)
    assert (nothing.value, nothing.low, nothing.errors, nothing.method) == (0, 0, 0, "rule-of-three")
    assert nothing.high == pytest.approx(3 / nothing.independent, rel=0.02)
    # More than the pairs that share nobody, fewer than all.
    assert 25 <= nothing.independent < nothing.pairs


def test_independent_trials_have_clopper_pearson_interval() -> None:
    # Known values: 5 of 100.
    low, high = binomial_interval(5, 100, 10**9)
    assert (low, high) == (pytest.approx(0.01643, abs=1e-4), pytest.approx(0.11283, abs=1e-4))
    assert binomial_interval(5, 100, 5)[1] > high  # few blocks: wider


def test_dependent_pairs_count_less() -> None:
    """Ten times the images of the same people are not ten times the information."""
    vectors, people = embeddings.draw(np.random.default_rng(8), 40, 2)
    copies = np.repeat(vectors, 10, 0), np.repeat(people, 10)
    once, often = (ErrorRates(count_all_pairs(*given)).fmr(0.9) for given in ((vectors, people), copies))
    assert often.pairs == 100 * once.pairs
    assert often.independent < 2 * once.independent


def test_separated_people_have_wide_intervals() -> None:
    vectors = np.repeat(np.eye(12, dtype=np.float32), 2, 0)
    perfect = ErrorRates(count_all_pairs(vectors, np.repeat(np.arange(12), 2)))
    assert perfect.equal_error_rate.value == 0
    assert 0.1 < perfect.equal_error_rate.high < 0.6
    assert 0 < perfect.equal_error_rate.threshold < math.sqrt(2)
    accepted = perfect.accept_rate(1e-2).accepted
    assert (accepted.value, accepted.high) == (1, 1)
    assert accepted.low < 0.9


@pytest.mark.parametrize(("people", "minimum"), [(30, 0.83), (10, 0.83)])
def test_intervals_cover_true_rate(people: int, minimum: float) -> None:
    """Coverage by simulation, with families and with people who are hard to recognize: pairs are far from independent.

    95 % are aimed at. Few people whose families decide everything are the hardest case; rare errors are covered more
    often than 95 %.
    """
    thresholds = (0.6, 0.8, 1.0)
    samples = [rates(1000 + seed, people, 3) for seed in range(100)]
    population = [rates(9000 + seed, people, 3) for seed in range(150)]
    for kind, rate_of in (("false_match", ErrorRates.fmr), ("false_non_match", ErrorRates.fnmr)):
        for threshold in thresholds:
            true = np.mean([getattr(each, kind)[threshold_bin(threshold)] for each in population])
            found = [rate_of(each, threshold) for each in samples]
            covered = np.mean([rate.low <= true <= rate.high for rate in found])
            assert covered >= minimum, (kind, threshold, covered)
            # Not by being useless: on average much narrower than what nobody would have to measure.
            assert np.mean([rate.high - rate.low for rate in found]) < 0.6
    false_match = np.mean([each.false_match for each in population], axis=0)
    false_non_match = np.mean([each.false_non_match for each in population], axis=0)
    crossing = np.abs(false_match - false_non_match).argmin()
    true = false_match[crossing]
    covered = np.mean([each.equal_error_rate.low <= true <= each.equal_error_rate.high for each in samples[:25]])
    assert covered >= 0.88
    accepted = 1 - false_non_match[(false_match <= 1e-2).sum() - 1]
    estimates = [each.accept_rate(1e-2).accepted for each in samples[:25]]
    assert np.mean([each.low <= accepted <= each.high for each in estimates]) >= 0.85
    assert THRESHOLDS[crossing] > 0.5


def test_naive_intervals_are_too_narrow() -> None:
    """What the clustering is for: with it left out, far fewer intervals hold the true rate."""
    samples = [rates(1000 + seed, 30, 3) for seed in range(80)]
    population = [rates(9000 + seed, 30, 3) for seed in range(100)]
    true = np.mean([each.false_match[threshold_bin(1.0)] for each in population])
    found = [each.fmr(1.0) for each in samples]
    naive = [binomial_interval(rate.errors, rate.pairs, 10**9) for rate in found]
    assert np.mean([low <= true <= high for low, high in naive]) < 0.75
    assert np.mean([rate.low <= true <= rate.high for rate in found]) > 0.82
