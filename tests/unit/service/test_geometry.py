import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_comparison.vision import geometry
from face_comparison.vision.geometry import ARCFACE_TEMPLATE, Detections, Pyramid


def detections(*boxes: tuple[float, float, float, float], scores: list[float] | None = None) -> Detections:
    count = len(boxes)
    landmarks = np.array([[[x + w / 2, y + h / 2]] * 5 for x, y, w, h in boxes], np.float32).reshape(count, 5, 2)
    return Detections(
        np.array(boxes, np.float32).reshape(count, 4), np.array(scores or [0.9] * count, np.float32), landmarks
    )


@given(
    st.floats(0.2, 5),
    st.floats(-3.1, 3.1),
    st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_the_similarity_transform_undoes_any_turn_scale_and_shift(
    scale: float, angle: float, shift: tuple[float, float]
) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (ARCFACE_TEMPLATE @ turn.T + np.array(shift)).astype(np.float32)
    matrix = geometry.similarity_transform(points, ARCFACE_TEMPLATE)
    np.testing.assert_allclose(points @ matrix[:, :2].T + matrix[:, 2], ARCFACE_TEMPLATE, atol=0.01)


def test_the_similarity_transform_has_the_least_error_where_points_do_not_fit_exactly() -> None:
    rng = np.random.default_rng(5)
    points = (ARCFACE_TEMPLATE * 3 + rng.normal(0, 4, (5, 2)) + 40).astype(np.float32)
    matrix = geometry.similarity_transform(points, ARCFACE_TEMPLATE)

    # The least squares solution cannot be improved by a small step in any of its four freedoms.
    def error(a: float, b: float, x: float, y: float) -> float:
        turned = points @ np.array([[a, -b], [b, a]]).T + np.array([x, y])
        return float(((turned - ARCFACE_TEMPLATE) ** 2).sum())

    best = np.array([matrix[0, 0], matrix[1, 0], matrix[0, 2], matrix[1, 2]])
    for index in range(4):
        for step in (-1e-4, 1e-4):
            moved = best.copy()
            moved[index] += step * max(1.0, abs(best[index]))
            assert error(*moved) > error(*best)


def test_similarity_transform_of_five_equal_points_is_finite() -> None:
    assert np.isfinite(geometry.similarity_transform(np.full((5, 2), 7, np.float32), ARCFACE_TEMPLATE)).all()


def yunet_outputs(height: int, width: int) -> list[np.ndarray]:
    cells = [height // stride * (width // stride) for stride in (8, 16, 32)]
    return [np.zeros((count, size), np.float32) for size in (1, 1, 4, 10) for count in cells]


def test_a_cell_of_yunet_decodes_to_its_box_score_and_landmarks() -> None:
    outputs = yunet_outputs(64, 96)
    cell = 1 * (96 // 16) + 2  # stride 16, row 1, column 2
    outputs[1][cell], outputs[4][cell] = 0.81, 0.64
    outputs[7][cell] = [0.5, 0.25, np.log(2), np.log(3)]
    outputs[10][cell] = [0.5, 0, 1, 0, 0, 1, 0, 0, 2, 2]
    found = geometry.yunet_detections(outputs, 64, 96, 0.5)
    np.testing.assert_allclose(found.scores, [0.72], rtol=1e-6)
    np.testing.assert_allclose(found.boxes, [[40 - 16, 20 - 24, 32, 48]], rtol=1e-6)
    np.testing.assert_allclose(found.landmarks[0], [[40, 16], [48, 16], [32, 32], [32, 16], [64, 48]], rtol=1e-6)


def test_cells_below_the_minimum_are_left_out() -> None:
    outputs = yunet_outputs(64, 64)
    outputs[0][5], outputs[3][5] = 0.5, 0.5
    assert len(geometry.yunet_detections(outputs, 64, 64, 0.5)) == 1
    assert len(geometry.yunet_detections(outputs, 64, 64, 0.51)) == 0


@pytest.mark.parametrize("minimum", [0.02, 0.3, 0.6, 1.0])
def test_no_cell_is_lost_whatever_the_network_says(minimum: float) -> None:
    outputs = yunet_outputs(160, 160)
    random = np.random.default_rng(1)
    for index in range(6):  # a network without a last sigmoid leaves 0 to 1
        outputs[index][:] = random.uniform(-0.3, 1.3, outputs[index].shape)
    clipped = [np.clip(outputs[index][:, 0], 0, 1) for index in range(6)]
    scores = np.concatenate([np.sqrt(clipped[index] * clipped[index + 3]) for index in range(3)])
    found = geometry.yunet_detections(outputs, 160, 160, minimum)
    np.testing.assert_array_equal(found.scores, scores[scores >= minimum])


def test_of_boxes_that_overlap_the_best_scored_stays() -> None:
    found = detections((0, 0, 10, 10), (1, 1, 10, 10), (50, 50, 10, 10), scores=[0.7, 0.9, 0.8])
    kept = geometry.distinct(found, 0.3)
    np.testing.assert_allclose(kept.scores, [0.9, 0.8], rtol=1e-6)
    np.testing.assert_allclose(kept.boxes[0], [1, 1, 10, 10])


def test_nothing_found_stays_nothing() -> None:
    assert len(geometry.distinct(detections(), 0.3)) == 0
    assert geometry.in_the_middle(detections(), 160) is None


def test_mapped_moves_boxes_and_landmarks_alike() -> None:
    found = detections((10, 20, 4, 6)).mapped(2, left=100, top=200)
    np.testing.assert_allclose(found.boxes, [[120, 240, 8, 12]])
    np.testing.assert_allclose(found.landmarks[0, 0], [124, 246])


def test_the_face_of_a_crop_is_the_best_one_over_its_middle() -> None:
    found = detections((0, 0, 50, 50), (60, 60, 40, 40), (70, 70, 30, 30), scores=[0.99, 0.5, 0.8])
    chosen = geometry.in_the_middle(found, 160)
    assert chosen is not None
    np.testing.assert_allclose(chosen.scores, [0.8], rtol=1e-6)


def test_a_square_puts_the_box_in_the_middle_with_room_around_it() -> None:
    matrix = geometry.square(np.array([100, 200, 30, 40], np.float32), 2.0, 160)
    np.testing.assert_allclose(matrix @ [115, 220, 1], [80, 80])
    np.testing.assert_allclose(matrix @ [115, 180, 1], [80, 0])


@pytest.mark.parametrize(
    ("shrink", "scale"), [(0.5, 1), (1, 1), (1.9, 1), (2, 0.5), (3.9, 0.5), (4, 0.25), (100, 1 / 64)]
)
def test_the_pyramid_gives_at_most_twice_what_is_asked_for(shrink: float, scale: float) -> None:
    level, own = Pyramid(np.zeros((512, 384, 3), np.uint8)).level(shrink)
    assert own == scale
    assert level.shape[:2] == (512 * scale, 384 * scale)


def test_an_image_too_small_to_halve_has_one_level() -> None:
    level, scale = Pyramid(np.zeros((1, 40, 3), np.uint8)).level(16)
    assert (level.shape, scale) == ((1, 40, 3), 1)


@pytest.mark.parametrize("shrink", [1.0, 1.7, 3.0, 5.3])
def test_a_warp_from_the_pyramid_looks_where_a_warp_from_the_image_looks(shrink: float) -> None:
    y, x = np.mgrid[0:400, 0:600]
    image = np.stack([x * 255 / 599, y * 255 / 399, (x + y) * 255 / 998], axis=2).astype(np.uint8)
    matrix = np.array([[1 / shrink, 0.02, 3.0], [-0.02, 1 / shrink, 5.0]])
    size = (50, 60)
    direct = cv2.warpAffine(image, matrix, (60, 50), flags=cv2.INTER_LINEAR).astype(int)
    taken = Pyramid(image).warped(matrix, size).astype(int)
    inner = (slice(8, -4), slice(8, -4))
    assert np.abs(direct[inner] - taken[inner]).max() <= 2  # a shift of half a level's pixel would show as 3 or more


def test_sharpness_and_brightness_rise_with_what_they_measure() -> None:
    rng = np.random.default_rng(3)
    face = rng.integers(60, 200, (112, 112, 3)).astype(np.uint8)
    soft = cv2.GaussianBlur(face, (9, 9), 3)
    sharp, light = geometry.sharpness_and_brightness(face)
    blurred, _ = geometry.sharpness_and_brightness(soft)
    assert 100 > sharp > blurred >= 0
    _, dark = geometry.sharpness_and_brightness(face // 2)
    assert light > dark
    assert geometry.sharpness_and_brightness(np.full((8, 8, 3), 255, np.uint8)) == (0, 100)
