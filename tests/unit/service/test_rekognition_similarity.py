"""Similarity in single precision, and the distances that it corresponds to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from face_comparison.rekognition.similarity import maximum_distance, to_similarity
from face_comparison.vision.embedding import confidence
from support.analyzer import MODEL

DEFAULT = replace(MODEL, threshold=1.128, scale=0.06)
FLAT = replace(MODEL, threshold=1.0, scale=0.25)


@pytest.mark.parametrize("similarity", [1e-7, 33.3, 80.0, 99.0, 99.99, 99.999, 99.99999])
def test_maximum_distance_is_where_similarity_is_reached(similarity: float) -> None:
    limit = maximum_distance(similarity, DEFAULT)
    near, far = (to_similarity(confidence(limit + step, DEFAULT.threshold, DEFAULT.scale)) for step in (-1e-9, 1e-4))
    assert far < similarity <= near or limit == 2


@pytest.mark.parametrize("model", [DEFAULT, FLAT], ids=["default", "flat"])
def test_identical_faces_reach_similarity_100(model: object) -> None:
    limit = maximum_distance(100, model)  # type: ignore[arg-type]
    assert 5e-4 < limit < 0.2  # rounding of float32 hashes, but no other photograph


def test_identical_faces_have_similarity_100() -> None:
    identical = confidence(0.0, DEFAULT.threshold, DEFAULT.scale)
    assert identical < 1
    assert to_similarity(identical) == 100


def test_similarity_zero_admits_every_distance() -> None:
    assert maximum_distance(0, DEFAULT) == 2
