"""A view is computed again in float32 only where its rounding errors could change a crop."""

import numpy as np
import pytest

from face_comparison.vision.bundle import Refinement
from face_comparison.vision.crops import COARSE
from face_comparison.vision.detections import Detections, concatenate
from face_comparison.vision.rounding import PLACE_ERROR, SCORE_ERROR, is_sensitive_to_rounding

SPEC = Refinement(
    probe_side=96,
    probe_room=2.0,
    upright_score=0.85,
    box_per_spread=4.0,
    roll_side=96,
    roll_rooms=(1.3,),
    roll_gain=0.3,
    landmark_side=96,
    landmark_rooms=(1.75,),
)
SIZE = 64.0
CELL = SIZE * SPEC.probe_room / COARSE.steps
MIDDLE = 10 * CELL
"""Faces of SIZE at MIDDLE are at the center of a cell, in all three of its dimensions."""


def face(x: float = MIDDLE, y: float = MIDDLE, size: float = SIZE, score: float = 0.9) -> Detections:
    """Returns one detection whose landmarks and box agree on its place."""
    spread = size / SPEC.box_per_spread
    around = np.array([[-1, -1], [1, -1], [0, 0], [-1, 1], [1, 1]]) * spread * np.sqrt(5 / 8)
    box = np.array([[x - size / 2, y - size / 2, size, size]])
    landmarks = around[None] + [x, y]
    return Detections(box.astype(np.float32), np.array([score], np.float32), landmarks.astype(np.float32))


def is_sensitive(*found: Detections) -> bool:
    return is_sensitive_to_rounding(concatenate(found), SPEC, iou_threshold=0.3)


@pytest.mark.parametrize("offset", [0.0, 0.3, -0.3, 0.5 - 2 * PLACE_ERROR])
def test_place_inside_its_cell_is_not_sensitive(offset: float) -> None:
    assert not is_sensitive(face(MIDDLE + offset * CELL, MIDDLE - offset * CELL))
    assert not is_sensitive(face(size=SIZE * 2 ** (offset / COARSE.sizes / 2)))


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("distance", [0.0, 0.5 * PLACE_ERROR, -0.5 * PLACE_ERROR])
def test_place_near_any_border_of_its_cell_is_sensitive(side: int, distance: float) -> None:
    offset = side * (0.5 + distance)
    assert is_sensitive(face(x=MIDDLE + offset * CELL))
    assert is_sensitive(face(y=MIDDLE + offset * CELL))
    size = SIZE * 2 ** (offset / COARSE.sizes)
    # A grid of another size has other cells: keep the face at the center of one.
    assert is_sensitive(face(0.0, 0.0, size))


@pytest.mark.parametrize(("behind", "sensitive"), [(0.5 * SCORE_ERROR, True), (2 * SCORE_ERROR, False)])
def test_rival_for_the_same_face_matters_if_its_score_is_close(behind: float, sensitive: bool) -> None:
    rival = face(x=MIDDLE + CELL, score=0.9 - behind * 0.1)
    assert is_sensitive(face(), rival) is sensitive
    assert is_sensitive(rival, face()) is sensitive


def test_rival_with_the_same_crop_does_not_matter() -> None:
    assert not is_sensitive(face(), face(x=MIDDLE + 0.2 * CELL, score=0.9))


def test_faces_beside_each_other_are_no_rivals() -> None:
    assert not is_sensitive(face(), face(x=MIDDLE + 8 * CELL), face(y=MIDDLE + 8 * CELL))


def test_every_face_is_examined() -> None:
    assert is_sensitive(face(), face(x=MIDDLE + 8.5 * CELL, score=0.7))


def test_weak_proposals_do_not_matter() -> None:
    assert not is_sensitive(face(x=MIDDLE + 0.5 * CELL, score=0.2))
