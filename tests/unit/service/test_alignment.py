import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_comparison.vision.alignment import ALIGNMENTS, aligned_roll, similarity_transform, template

ARCFACE = template("arcface", 112)


@given(
    st.floats(0.2, 5),
    st.floats(-3.1, 3.1),
    st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_similarity_transform_undoes_rotation_scale_and_shift(
    scale: float, angle: float, shift: tuple[float, float]
) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (ARCFACE @ turn.T + np.array(shift)).astype(np.float32)
    matrix = similarity_transform(points, ARCFACE)
    np.testing.assert_allclose(points @ matrix[:, :2].T + matrix[:, 2], ARCFACE, atol=0.01)


def test_similarity_transform_minimizes_error() -> None:
    rng = np.random.default_rng(5)
    points = (ARCFACE * 3 + rng.normal(0, 4, (5, 2)) + 40).astype(np.float32)
    matrix = similarity_transform(points, ARCFACE)

    # The least squares solution cannot be improved by a small step in any of its four freedoms.
    def error(a: float, b: float, x: float, y: float) -> float:
        turned = points @ np.array([[a, -b], [b, a]]).T + np.array([x, y])
        return float(((turned - ARCFACE) ** 2).sum())

    best = np.array([matrix[0, 0], matrix[1, 0], matrix[0, 2], matrix[1, 2]])
    for index in range(4):
        for step in (-1e-4, 1e-4):
            moved = best.copy()
            moved[index] += step * max(1.0, abs(best[index]))
            assert error(*moved) > error(*best)


def test_similarity_transform_of_five_equal_points_is_finite() -> None:
    assert np.isfinite(similarity_transform(np.full((5, 2), 7, np.float32), ARCFACE)).all()


@pytest.mark.parametrize("roll", [-179, -90, -30, 0, 5, 45, 135, 180])
def test_roll_is_measured_clockwise(roll: float) -> None:
    angle = np.radians(roll)
    # With y downwards, this matrix turns clockwise.
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    (measured,) = aligned_roll((ARCFACE @ turn.T * 3 + 50).astype(np.float32)[None])
    assert (measured - roll + 180) % 360 - 180 == pytest.approx(0, abs=1e-3)


def test_every_alignment_has_eyes_above_mouth_within_face() -> None:
    for points in ALIGNMENTS.values():
        assert points.shape == (5, 2)
        assert ((points > 0) & (points < 1)).all()
        assert points[:2, 1].max() < points[2, 1] < points[3:, 1].min()
        assert points[0, 0] < points[2, 0] < points[1, 0]
