"""Rotated heads are found, recognized, and not taken for one another."""

import cv2
import numpy as np
import pytest

from devtools import recall, rotation
from face_comparison.vision.analyzer import ImageAnalyzer

NAMES = ("obama.jpg", "biden.jpg", "astronaut.png", "table.jpg")


@pytest.mark.parametrize("degrees", [30, 90, 180])
def test_rotated_faces_are_recognized(analyzer: ImageAnalyzer, degrees: int) -> None:
    seen = list(rotation.faces_at(analyzer, degrees, 0, NAMES))
    row = rotation.summarize(seen, degrees, analyzer.model.threshold)
    assert (row.lost, row.rejected) == (0, 0)
    # Two people at the table are 1.132 apart, upright; rotated, they come as near as 1.096.
    assert row.new_accepted <= 1
    assert row.mean < 0.35
    assert row.roll_error < 5


# At 45 degrees, the only two faces that the first view shows lean the other way: by 17 and 19 degrees.
@pytest.mark.parametrize("degrees", [-45, -30, 45, 60])
def test_tilted_group_loses_no_small_face(analyzer: ImageAnalyzer, degrees: int) -> None:
    seen = list(rotation.faces_at(analyzer, degrees, 60.0, ("table.jpg",)))
    row = rotation.summarize(seen, degrees, analyzer.model.threshold)
    assert (row.lost, row.rejected, row.new_accepted) == (0, 0, 0)


@pytest.mark.parametrize(("degrees", "name"), [(30, "obama.jpg"), (90, "obama.jpg"), (45, "takeo.ppm")])
def test_small_rotated_face_is_recognized(analyzer: ImageAnalyzer, degrees: int, name: str) -> None:
    seen = list(rotation.faces_at(analyzer, degrees, 60.0, (name,)))
    row = rotation.summarize(seen, degrees, analyzer.model.threshold)
    assert (row.lost, row.rejected) == (0, 0)
    assert row.mean < 0.5


def test_bald_head_upside_down_is_not_taken_for_an_upright_one(analyzer: ImageAnalyzer) -> None:
    """On the first crop, it scores 0.86 as an upright face, which is as much as one that needs no other crop."""
    image, _ = rotation.rotate(recall.read("poster.jpg"), 172, 1.0, 0)
    scale = 1900 / max(image.shape[:2])
    image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    faces = analyzer.analyze(cv2.imencode(".png", image)[1].tobytes()).faces
    assert [abs(face.quality.roll) > 140 for face in faces] == [True, True]
