"""Rotated heads are found, recognized, and not taken for one another."""

import pytest

from devtools import rotation
from face_comparison.vision.analyzer import ImageAnalyzer

NAMES = ("obama.jpg", "biden.jpg", "astronaut.png", "table.jpg")


@pytest.mark.parametrize("degrees", [30, 90, 180])
def test_rotated_faces_are_recognized(analyzer: ImageAnalyzer, degrees: int) -> None:
    seen = list(rotation.faces_at(analyzer, degrees, 0, NAMES))
    row = rotation.summarize(seen, degrees, analyzer.model.threshold)
    assert (row.lost, row.rejected) == (0, 0)
    # Two people at the table are 1.132 apart, upright; rotated, they come as near as 1.098.
    assert row.new_accepted <= 1
    assert row.mean < 0.35
    assert row.roll_error < 5


@pytest.mark.parametrize("degrees", [-45, -30, 60])
def test_tilted_group_loses_no_small_face(analyzer: ImageAnalyzer, degrees: int) -> None:
    seen = list(rotation.faces_at(analyzer, degrees, rotation.SIZES["small"], ("table.jpg",)))
    row = rotation.summarize(seen, degrees, analyzer.model.threshold)
    assert (row.lost, row.rejected, row.new_accepted) == (0, 0, 0)


@pytest.mark.parametrize("degrees", [30, 90])
def test_small_rotated_face_is_recognized(analyzer: ImageAnalyzer, degrees: int) -> None:
    seen = list(rotation.faces_at(analyzer, degrees, rotation.SIZES["small"], ("obama.jpg",)))
    row = rotation.summarize(seen, degrees, analyzer.model.threshold)
    assert (row.lost, row.rejected) == (0, 0)
    assert row.mean < 0.5
