"""Which views follow from the faces that were found."""

import numpy as np
import pytest

from face_comparison.vision.orientation import SMALL_TILT, next_view


@pytest.mark.parametrize(
    ("rolls", "seen", "expected"),
    [
        ((), (0.0,), None),
        ((5.0, -20.0, 29.0), (0.0,), None),
        ((5.0, 40.0), (0.0,), 40.0),
        ((-170.0, 171.0, 175.0), (0.0,), 175.0),
        ((40.0, 50.0, 60.0), (0.0,), 50.0),
        ((40.0, -40.0), (0.0, 40.0), -40.0),
        ((100.0, 80.0, 175.0), (0.0, 90.0, 180.0, -90.0), None),
        ((44.0,), (0.0, 90.0, 180.0, -90.0), 44.0),
        ((-175.0,), (180.0,), None),
        ((17.0, 22.0, 19.0), (0.0,), 19.0),  # the camera was tilted
        ((-14.0, -20.0, -11.0), (0.0,), -14.0),
        ((17.0, 19.0), (0.0, 19.0), None),
        ((-160.0, -166.0, -163.0), (0.0, 90.0, 180.0, -90.0), -163.0),
        ((18.0,), (0.0,), None),  # a head is tilted
        ((16.0, -17.0), (0.0,), None),
        ((10.0, 12.0), (0.0,), None),
    ],
)
def test_next_view_shows_remaining_faces_upright(
    rolls: tuple[float, ...], seen: tuple[float, ...], expected: float | None
) -> None:
    assert next_view(np.array(rolls, float), seen) == expected


def test_next_view_takes_roll_of_one_face() -> None:
    rolls = np.array([-60.0, 60.0, 3.0])
    first = next_view(rolls, [0.0])
    assert first in (-60.0, 60.0)
    assert next_view(rolls, [0.0, first]) == -first
    assert next_view(rolls, [0.0, 60.0, -60.0]) is None


def test_further_views_show_other_faces() -> None:
    rolls = np.random.default_rng(1).uniform(-180, 180, 40)
    seen = [0.0]
    while (view := next_view(rolls, seen)) is not None:
        assert np.abs((view - np.array(seen) + 180) % 360 - 180).min() > SMALL_TILT
        seen.append(view)
    assert len(seen) <= 13
