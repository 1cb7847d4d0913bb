"""Small faces and faces of groups are found; nothing else is."""

import pytest

from devtools import recall
from face_comparison.vision.analyzer import ImageAnalyzer


@pytest.mark.parametrize("kind", ["group of six, as taken", "32 px in 640x480", "48 px in 1920x1080"])
def test_faces_are_found_by_size(analyzer: ImageAnalyzer, kind: str) -> None:
    counts = recall.measure(analyzer, (kind,))[kind]
    assert counts["found"] >= 0.95 * counts["faces"]
    assert counts["others"] == 0


@pytest.mark.parametrize("kind", ["24 px in 640x480", "40 px in 1920x1080"])
def test_face_that_the_first_view_does_not_show_is_found(analyzer: ImageAnalyzer, kind: str) -> None:
    counts = recall.measure(analyzer, (kind,))[kind]
    assert counts["found"] == counts["faces"]
    assert counts["others"] == 0
