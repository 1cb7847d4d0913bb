import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from face_comparison.api.limits import HASH_SIZE
from face_comparison.vision import embedding

embeddings = arrays.arrays(
    np.float32, (2, 128), elements=st.floats(-100, 100, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3)
).filter(lambda pair: bool((np.linalg.norm(pair, axis=1) > 1).all()))


@given(embeddings)
def test_hash_is_normalized_and_zero_padded(pair: np.ndarray) -> None:
    hashes = embedding.l2_normalize_and_pad(pair)
    assert hashes.shape == (2, HASH_SIZE)
    assert hashes.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(hashes, axis=1), 1, atol=1e-5)
    assert not hashes[:, 128:].any()


@given(embeddings)
def test_padding_does_not_change_distance(pair: np.ndarray) -> None:
    unit = pair.astype(np.float64) / np.linalg.norm(pair.astype(np.float64), axis=1, keepdims=True)
    expected = float(np.linalg.norm(unit[0] - unit[1]))
    assert embedding.distance(*embedding.l2_normalize_and_pad(pair)) == pytest.approx(expected, abs=1e-5)


def test_distance_is_at_most_two() -> None:
    hashes = embedding.l2_normalize_and_pad(np.array([[1, 3, 7], [-1, -3, -7]], np.float32))
    assert embedding.distance(hashes[0], hashes[1]) == pytest.approx(2, abs=1e-6)
    assert embedding.distance(hashes[0] * np.float32(1.001), hashes[1]) == 2.0


def test_zero_embedding_has_no_nan() -> None:
    assert not embedding.l2_normalize_and_pad(np.zeros((1, 4), np.float32)).any()


def test_confidence_is_half_at_threshold() -> None:
    assert embedding.confidence(1.128, 1.128, 0.06) == 0.5


@given(st.floats(0.1, 1.9), st.floats(0.01, 0.5))
def test_confidence_decreases_with_distance(threshold: float, scale: float) -> None:
    values = [embedding.confidence(distance, threshold, scale) for distance in np.linspace(0, 2, 21)]
    assert all(0 <= value <= 1 for value in values)
    assert all(one >= other for one, other in itertools.pairwise(values))
    assert values[0] > 0.5 > values[-1]
