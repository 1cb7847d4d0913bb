"""Thresholds for purposes, rates beyond what was measured, and searches of galleries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from face_comparison.evaluation import identification
from face_comparison.evaluation.error_rates import ErrorRates
from face_comparison.evaluation.pair_counts import THRESHOLDS, PairCounts, count_all_pairs, threshold_bin
from face_comparison.evaluation.strangers import extended_false_match, extended_false_non_match, impostor_tail
from face_comparison.evaluation.thresholds import Costs, ThresholdChooser
from face_comparison.evaluation.worst_pairs import WorstPairs
from support import embeddings


@pytest.fixture(scope="module")
def many() -> PairCounts:
    return count_all_pairs(*embeddings.draw(np.random.default_rng(1), 1200, 3, width=48))


def normal(people: int, pairs: int, mean: float = 0.1, deviation: float = 0.1) -> PairCounts:
    """Pairs whose cosines are normal: strangers around `mean`, one person around 0.78."""
    chance = np.random.default_rng(3)
    bins = np.zeros((2, 1, len(THRESHOLDS)), np.int64)
    for counts, center, number in zip(bins, (0.78, mean), (pairs // 10, pairs), strict=True):
        cosines = np.clip(chance.normal(center, deviation, number), -1, 1)
        np.add.at(counts[0], np.ceil(np.sqrt(2 - 2 * cosines) * 1000).astype(int), 1)
    return PairCounts(bins[0], bins[1], np.zeros(1, int), np.zeros(1, int), people, people, WorstPairs())


def test_rates_extrapolate_beyond_measurements() -> None:
    """100,000 pairs show rates down to 2e-4; a rate of 1e-6 must still come out right within a small factor."""
    counts = normal(500, 100_000)
    extended = extended_false_match(counts)
    assert (np.diff(extended) >= 0).all()
    for cosine in (0.45, 0.5, 0.55):
        true = stats.norm.sf(cosine, 0.1, 0.1)
        assert 0.5 * true < extended[threshold_bin(np.sqrt(2 - 2 * cosine))] < 4 * true, cosine
    measured = ErrorRates(counts).false_match
    well_measured = measured > 1e-3
    np.testing.assert_allclose(extended[well_measured], measured[well_measured])
    misses = extended_false_non_match(counts)
    assert (np.diff(misses) <= 0).all()
    assert misses[threshold_bin(1.3)] > 0


def test_heavy_tail_is_not_treated_as_normal() -> None:
    counts = normal(500, 100_000)
    counts.impostor[0, 900:903] += 50  # 150 pairs of look-alikes at a cosine of 0.6
    assert impostor_tail(counts).deviation > 1.3 * impostor_tail(normal(500, 100_000)).deviation


def test_costly_false_matches_lower_threshold(many: PairCounts) -> None:
    chooser = ThresholdChooser(many)
    thresholds = [chooser.for_costs(Costs(cost)).threshold for cost in (0.1, 1, 10, 100, 1000, 10_000)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert len(set(thresholds)) == len(thresholds)
    # Strangers are compared more often: the same.
    assert chooser.for_costs(Costs(10, 1, prior=0.01)).threshold < chooser.for_costs(Costs(10, 1, prior=0.5)).threshold


def test_recommended_threshold_minimizes_cost(many: PairCounts) -> None:
    rates, costs = ErrorRates(many), Costs(20, 1, 0.3)
    found = ThresholdChooser(many).for_costs(costs)
    assert not found.extrapolated
    expected = 0.7 * 20 * rates.false_match + 0.3 * rates.false_non_match
    assert found.cost == pytest.approx(expected[threshold_bin(found.threshold)])
    assert found.cost == pytest.approx(expected.min(), rel=1e-9)


def test_separated_people_have_threshold_in_gap() -> None:
    vectors = np.repeat(np.eye(12, dtype=np.float32), 2, 0) + 0.1 * np.random.default_rng(1).normal(size=(24, 12))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    counts = count_all_pairs(vectors, np.repeat(np.arange(12), 2))
    rates, found = ErrorRates(counts), ThresholdChooser(counts).for_costs(Costs(10))
    farthest, nearest = counts.worst.genuine()[0].distance, counts.worst.impostor()[0].distance
    assert farthest < found.threshold < nearest
    assert rates.false_match[threshold_bin(found.threshold)] == 0
    assert found.extrapolated
    assert found.false_match > 0  # no error was seen, and yet it is possible


def test_larger_gallery_lowers_threshold(many: PairCounts) -> None:
    chooser = ThresholdChooser(many)
    found = [chooser.for_gallery(size, 1e-2) for size in identification.SIZES]
    assert [each.threshold for each in found] == sorted((each.threshold for each in found), reverse=True)
    for size, each in zip(identification.SIZES, found, strict=True):
        assert identification.false_positive_rate(each.false_match, size) <= 1e-2 * (1 + 1e-6)
    assert [each.extrapolated for each in found] == sorted(each.extrapolated for each in found)


def test_review_limits_enclose_threshold(many: PairCounts) -> None:
    chooser, rates = ThresholdChooser(many), ErrorRates(many)
    threshold = chooser.for_costs(Costs(1)).threshold
    limits = chooser.review_limits(threshold)
    assert limits.same <= threshold <= limits.different
    assert rates.false_match[threshold_bin(limits.same)] <= 1e-4
    assert rates.false_non_match[threshold_bin(limits.different)] <= 1e-2
    assert chooser.review_limits(0.05).same == 0.05
    assert chooser.review_limits(1.9).different == 1.9


def test_scale_matches_logistic_regression() -> None:
    """Pairs are drawn with a known logistic probability of being one person."""
    chance, threshold, scale = np.random.default_rng(5), 1.1, 0.07
    distances = chance.uniform(0.4, 1.8, 400_000)
    same = chance.random(len(distances)) < 1 / (1 + np.exp((distances - threshold) / scale))
    bins = np.zeros((2, 1, len(THRESHOLDS)), np.int64)
    for row, kind in zip(bins, (same, ~same), strict=True):
        np.add.at(row[0], np.ceil(distances[kind] * 1000).astype(int), 1)
    counts = PairCounts(bins[0], bins[1], np.zeros(1, int), np.zeros(1, int), 10_000, 10_000, WorstPairs())
    assert ThresholdChooser(counts).logistic_scale(threshold) == pytest.approx(scale, rel=0.05)


def test_search_rates_match_brute_force() -> None:
    vectors, people = embeddings.draw(np.random.default_rng(6), 100, 3)
    (found,) = identification.measure(vectors, people, [100])
    threshold = 0.8
    chance = np.random.default_rng(7)
    false_positives, found_members, total = 0, 0, 0
    for _ in range(30):
        gallery = np.array([chance.choice(np.flatnonzero(people == person)) for person in range(100)])
        for probe in np.setdiff1d(np.arange(300), gallery):
            distances = np.linalg.norm(vectors[gallery] - vectors[probe], axis=1)
            others = distances[people[gallery] != people[probe]]
            own = distances[people[gallery] == people[probe]][0]
            false_positives += others.min() <= threshold
            found_members += own <= threshold and own < others.min()
            total += 1
    assert found.false_positive(threshold).value == pytest.approx(false_positives / total, abs=0.03)
    assert 1 - found.false_negative(threshold).value == pytest.approx(found_members / total, abs=0.03)
    formula = identification.false_positive_rate(ErrorRates(count_all_pairs(vectors, people)).fmr(threshold).value, 99)
    assert found.false_positive(threshold).value == pytest.approx(formula, abs=0.05)


def test_galleries_are_limited_by_number_of_people() -> None:
    assert identification.measured_sizes(9) == []
    assert identification.measured_sizes(1500) == [10, 100, 1000]
    assert identification.false_positive_rate(1e-4, 10_000) == pytest.approx(1 - np.exp(-1), abs=1e-4)
    assert identification.false_positive_rate(1e-12, 10) == pytest.approx(1e-11, rel=1e-6)
