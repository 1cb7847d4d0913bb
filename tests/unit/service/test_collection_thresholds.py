"""The threshold of a search: from N and the requested rate, with the margin that a small sample deserves."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_comparison.collections.calibration import UNMEASURED, bundle_strangers
from face_comparison.collections.thresholds import (
    MIN_PEOPLE,
    Strangers,
    cosine,
    expected_rate,
    measure_strangers,
    search_threshold,
    take_over,
    tolerance_factor,
    with_tail,
)
from face_comparison.vision import bundle as manifest
from face_comparison.vision.bundle import Quantile
from support.analyzer import MODEL
from support.vectors import random_vectors

MANY = Strangers(0.109, 0.096, 10_000_000)
FEW = Strangers(0.109, 0.096, 45)
PAIR = 1.128


def threshold(gallery_size: int, rate: float = 0.01, strangers: Strangers = MANY) -> float:
    return search_threshold(strangers, gallery_size, rate, PAIR).threshold


@pytest.mark.parametrize(
    ("gallery_size", "rate", "similarity"),
    [(1_000, 0.01, 0.52), (1_000, 0.001, 0.57), (10_000, 0.01, 0.57), (100_000, 0.01, 0.61), (1_000_000, 0.001, 0.69)],
)
def test_threshold_depends_on_gallery_size_and_rate(gallery_size: int, rate: float, similarity: float) -> None:
    assert cosine(threshold(gallery_size, rate)) == pytest.approx(similarity, abs=0.006)


def test_search_is_never_more_lenient_than_comparison() -> None:
    assert threshold(1, 0.5) == PAIR
    assert search_threshold(MANY, 0, 0.01, PAIR).threshold == PAIR


def test_threshold_is_monotonic() -> None:
    assert [threshold(10**power) for power in range(9)] == sorted((threshold(10**p) for p in range(9)), reverse=True)
    rates = [threshold(1000, 10.0**-power) for power in range(1, 7)]
    assert all(first > second for first, second in pairwise(rates))
    samples = [threshold(1000, strangers=Strangers(0.109, 0.096, pairs)) for pairs in (10, 45, 1000, 100_000)]
    assert all(first < second for first, second in pairwise(samples))


def test_enrolled_people_never_loosen_threshold() -> None:
    own = Strangers(0.05, 0.09, 20_000)
    assert take_over(FEW, own) == Strangers(FEW.mean, FEW.deviation, 20_000)
    assert threshold(500, strangers=FEW) < threshold(500, strangers=take_over(FEW, own)) < threshold(500, strangers=own)
    alike = Strangers(0.25, 0.1, 20_000)
    assert take_over(FEW, alike) == alike


@given(
    gallery_size=st.integers(1, 10**8),
    rate=st.floats(1e-6, 0.5),
    pairs=st.integers(3, 10**7),
    mean=st.floats(-0.1, 0.3),
    deviation=st.floats(0.03, 0.15),
)
def test_expected_rate_equals_requested_rate(
    gallery_size: int, rate: float, pairs: int, mean: float, deviation: float
) -> None:
    found = search_threshold(Strangers(mean, deviation, pairs), gallery_size, rate, 2.0)
    if 0 < found.threshold < 2:
        assert found.expected_rate == pytest.approx(rate, rel=0.02)


def test_pair_threshold_is_too_loose_for_search() -> None:
    assert expected_rate(MANY, 100, 1.128) == pytest.approx(0.33, abs=0.1)
    assert expected_rate(MANY, 1000, 1.128) > 0.9
    assert expected_rate(MANY, 0, 1.128) == 0


def test_rate_holds_for_simulated_strangers() -> None:
    """Similarities drawn from the distribution: of 20,000 searches among 1,000 faces about 1 % find somebody."""
    rng = np.random.default_rng(1)
    limit = cosine(threshold(1000))
    best = np.array([rng.normal(0.109, 0.096, 1000).max() for _ in range(20_000)])
    assert (best >= limit).mean() == pytest.approx(0.01, abs=0.003)


def test_tolerance_factor_agrees_with_published_tables() -> None:
    """One-sided factors for 95 % confidence (Natrella, table A-7), which the approximation meets within 2 %."""
    for sample, content, factor in [(50, 0.95, 2.065), (50, 0.99, 2.863), (100, 0.99, 2.684), (500, 0.999, 3.277)]:
        quantile = {0.95: 1.6449, 0.99: 2.3263, 0.999: 3.0902}[content]
        assert tolerance_factor(quantile, sample) == pytest.approx(factor, rel=0.02)


def test_too_few_people_are_not_measured() -> None:
    vectors = random_vectors(MIN_PEOPLE)
    people = [str(number) for number in range(MIN_PEOPLE)]
    assert measure_strangers(vectors[:-1], people[:-1]) is None
    assert measure_strangers(np.empty((0, 128), np.float32), []) is None
    assert measure_strangers(vectors, people) is not None


def test_pairs_of_one_person_are_not_strangers() -> None:
    vectors = random_vectors(300)
    doubled = np.concatenate([vectors, vectors])
    people = [str(number % 300) for number in range(600)]
    measured = measure_strangers(doubled, people)
    assert measured is not None
    assert measured.mean == pytest.approx(0, abs=0.01)
    assert measured.deviation == pytest.approx(1 / math.sqrt(128), rel=0.1)
    assert measured.pairs == 300 * 299 // 2


def test_row_wise_measurement_equals_all_pairs() -> None:
    vectors = random_vectors(400, seed=5) + 0.1 * random_vectors(1, seed=6)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    people = [f"u-{number % 250}" for number in range(400)]
    pairs = [
        float(vectors[one] @ vectors[other])
        for one in range(400)
        for other in range(one + 1, 400)
        if people[one] != people[other]
    ]
    distance = math.sqrt(2 - 2 * float(np.quantile(pairs, 0.999)))
    expected = with_tail(Strangers(float(np.mean(pairs)), float(np.std(pairs)), 250 * 249 // 2), [(0.001, distance)])
    measured = measure_strangers(vectors, people)
    assert measured is not None
    assert (measured.mean, measured.deviation) == pytest.approx((expected.mean, expected.deviation), rel=1e-3)
    assert measured.pairs == expected.pairs


def test_fat_tail_widens_distribution() -> None:
    assert with_tail(MANY, [(0.001, math.sqrt(2 - 2 * 0.45))]).deviation == pytest.approx(0.1103, abs=0.001)
    assert with_tail(MANY, [(0.001, math.sqrt(2 - 2 * 0.3)), (0.5, 0.1)]).deviation == 0.096


def test_distances_convert_to_similarities() -> None:
    rng = np.random.default_rng(2)
    similarities = rng.normal(0.109, 0.096, 100_000)
    distances = np.sqrt(2 - 2 * similarities)
    found = Strangers.from_distances(float(distances.mean()), float(distances.std()), 1000)
    assert (found.mean, found.deviation) == (pytest.approx(0.109, abs=0.002), pytest.approx(0.096, abs=0.002))


def test_bundle_has_stranger_distances() -> None:
    quantile = Quantile(fraction=0.001, distance=math.sqrt(2 - 2 * 0.45))
    stated = manifest.Strangers(people=10, pairs=1151, cosine_mean=0.109, cosine_deviation=0.096, quantiles=(quantile,))
    found = bundle_strangers(replace(MODEL, strangers=stated))
    assert (found.mean, found.pairs) == (0.109, 45)
    assert found.deviation == pytest.approx(0.1103, abs=0.001)
    assert bundle_strangers(replace(MODEL, strangers=None)) == UNMEASURED
