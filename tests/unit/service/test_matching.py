"""Verdicts: which face of the source counts, in which order a target's faces come, and where the threshold lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_comparison.api.limits import HASH_SIZE
from face_comparison.errors import NoFace
from face_comparison.vision.matching import Calibration, hash_match, image_match, most_prominent_face
from face_comparison.vision.types import Box, Face, ImageAnalysis, Quality

CALIBRATION = Calibration(threshold=1.0, midpoint=1.1, slope=0.1, same_below=1.05, different_above=1.2)


def at(distance):
    """A hash at this distance from `at(0)`: a point further along a circle."""
    angle = 2 * np.arcsin(distance / 2)
    vector = np.zeros(HASH_SIZE, np.float32)
    vector[:2] = np.cos(angle), np.sin(angle)
    return vector


def face(distance=0.0, side=10.0, confidence=0.9, height=None, reasons=()):
    box = Box(0, 0, side, height or side)
    return Face(box, confidence, np.zeros((5, 2), np.float32), Quality(0, 0, side, reasons=reasons), at(distance))


def image(*faces):
    return ImageAnalysis(faces, 640, 480)


SURE = 0.75


def test_largest_confident_face_is_most_prominent():
    faces = [face(side=20), face(side=10, height=50), face(side=15), face(side=99, confidence=0.74)]
    assert most_prominent_face(faces, SURE) is faces[1]


def test_largest_face_is_most_prominent_without_confident_face():
    faces = [face(side=20, confidence=0.7), face(side=30, confidence=0.6), face(side=15, confidence=0.65)]
    assert most_prominent_face(faces, SURE) is faces[1]


def test_more_confident_of_equal_faces_is_most_prominent():
    faces = [face(confidence=0.8), face(confidence=0.9), face(confidence=0.85)]
    assert most_prominent_face(faces, SURE) is faces[1]


def test_image_without_faces_cannot_be_compared():
    with pytest.raises(NoFace):
        most_prominent_face([], SURE)
    with pytest.raises(NoFace):
        image_match(at(0), image(), CALIBRATION)


@pytest.mark.parametrize(("source", "target"), [(True, False), (False, True)])
@pytest.mark.parametrize("distance", [0.1, 1.9])
def test_unreliable_face_needs_review(source, target, distance):
    other = face(distance, reasons=() if target else ("EXTREME_POSE",))
    match = image_match(at(0), image(other), CALIBRATION, reliable=source)
    assert match.faces[0].verdict == "review"


def test_unreliable_source_needs_review():
    assert hash_match(at(0), at(0.1), CALIBRATION, reliable=False).faces[0].verdict == "review"


def test_faces_are_sorted_by_distance():
    faces = [face(1.5), face(0.2), face(0.9)]
    match = image_match(at(0), image(*faces), CALIBRATION)
    assert [found.face for found in match.faces] == [faces[1], faces[2], faces[0]]
    assert [found.distance for found in match.faces] == pytest.approx([0.2, 0.9, 1.5], abs=1e-6)
    assert (match.width, match.height) == (640, 480)


def test_hash_is_compared_without_face():
    match = hash_match(at(0), at(0.5), CALIBRATION)
    assert [(found.face, found.same_person) for found in match.faces] == [(None, True)]


def test_distance_equal_to_threshold_is_same_person():
    distance = hash_match(at(0), at(0.7), CALIBRATION).faces[0].distance
    verdicts = [
        hash_match(at(0), at(0.7), replace(CALIBRATION, threshold=threshold)).faces[0].same_person
        for threshold in (np.nextafter(distance, 0), distance, np.nextafter(distance, 2))
    ]
    assert verdicts == [False, True, True]


@given(distance=st.floats(0, 2), threshold=st.floats(0, 2))
def test_confidence_does_not_depend_on_threshold(distance, threshold):
    found = hash_match(at(0), at(distance), replace(CALIBRATION, threshold=threshold)).faces[0]
    assert found.confidence == hash_match(at(0), at(distance), CALIBRATION).faces[0].confidence
    assert 0 <= found.confidence <= 1
    assert (found.confidence > 0.5) == (found.distance < 1.1)


@pytest.mark.parametrize(
    ("distance", "threshold", "verdict"),
    [
        (1.04, 1.1, "same"),
        (1.06, 1.1, "review"),
        (1.19, 1.1, "review"),
        (1.21, 1.1, "different"),
        (0.94, 1.0, "same"),
        (1.04, 1.0, "review"),
        (1.11, 1.0, "different"),
    ],
)
def test_review_limits_move_with_threshold(distance, threshold, verdict):
    found = hash_match(at(0), at(distance), replace(CALIBRATION, threshold=threshold)).faces[0]
    assert found.verdict == verdict


@given(distance=st.floats(0, 2), threshold=st.floats(0, 2))
def test_verdict_never_contradicts_same_person(distance, threshold):
    found = hash_match(at(0), at(distance), replace(CALIBRATION, threshold=threshold)).faces[0]
    assert found.verdict in ({"same", "review"} if found.same_person else {"review", "different"})
