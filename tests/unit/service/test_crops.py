"""Crops on grids: a place that moves a little gives the same crop, and a mean over several grids has no jumps."""

import numpy as np
import pytest
from numpy.typing import NDArray

from face_comparison.vision.crops import COARSE, FINE, Grid, Places, crop_matrices, look, look_averaged, snap
from face_comparison.vision.detections import Candidates, Detections
from face_comparison.vision.pyramid import Pyramid

ROOMS = (1.5, 1.75, 2.05, 2.4)
FACE = np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]]) / 100


def disk(center: tuple[float, float] = (200.0, 160.0), radius: float = 40.0) -> Pyramid:
    """A bright disk, which `detect` takes for a face."""
    rows, columns = np.mgrid[0:320, 0:400] + 0.5
    inside = np.hypot(columns - center[0], rows - center[1]) < radius
    return Pyramid(np.repeat(np.where(inside, 255, 0).astype(np.uint8)[:, :, None], 3, axis=2))


def detect(images: np.ndarray, min_score: float) -> Candidates:
    """The bounding box of the bright pixels, with an error that depends on where it lies, as a real detector's does."""
    rows = []
    for image in images[:, :, :, 0] > 127:
        down, across = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        box = np.array([across[0], down[0], len(across), len(down)], float)
        box[:2] += 2 * np.sin(box[:2])
        rows.append(box)
    boxes = np.array(rows, np.float32)
    landmarks = boxes[:, None, :2] + FACE[None] * boxes[:, None, 2:]
    found = Detections(boxes, np.full(len(boxes), 0.9, np.float32), landmarks.astype(np.float32))
    return Candidates(np.arange(len(boxes)), found)


def place(x: float = 200.0, y: float = 160.0, size: float = 80.0, roll: float = 0.0) -> Places:
    return Places(np.array([[x, y]]), np.array([size]), np.array([roll]))


@pytest.mark.parametrize("grid", [COARSE, FINE])
def test_crop_is_stable_within_cell(grid: Grid) -> None:
    length, center, _ = snap(np.array([160.0]), np.array([[200.0, 160.0]]), np.zeros(1), grid)
    moved = snap(length * 2 ** (0.4 / grid.sizes), center + 0.4 * length / grid.steps, np.zeros(1), grid)
    np.testing.assert_array_equal(moved[0], length)
    np.testing.assert_array_equal(moved[1], center)
    assert snap(length, center, np.zeros(1), grid)[2] == pytest.approx(1)


def test_coarse_grid_has_fewer_borders() -> None:
    path = Places(np.stack([np.linspace(200, 260, 61), np.full(61, 160.0)], axis=1), np.full(61, 80.0), np.zeros(61))
    crops: dict[Grid, int] = {}
    for grid in (COARSE, FINE):

        def count(images: NDArray[np.uint8], min_score: float, grid: Grid = grid) -> Candidates:
            crops[grid] = len({image.tobytes() for image in images})
            return detect(images, min_score)

        look(disk(), path, 2.0, 96, count, grid)
    assert crops[COARSE] < crops[FINE] < 61


def test_weight_is_zero_at_cell_border() -> None:
    length, center, _ = snap(np.array([160.0]), np.array([[200.0, 160.0]]), np.zeros(1), FINE)
    step = length[0] / FINE.steps
    for across, down in ((0.499, 0), (0, 0.499), (0.499, -0.499)):
        _, _, weight = snap(length, center + np.array([across, down]) * step, np.zeros(1), FINE)
        assert 0 <= weight[0] < 0.01
    _, _, weight = snap(length * 2 ** (0.499 / FINE.sizes), center, np.zeros(1), FINE)
    assert 0 <= weight[0] < 0.01


def test_grids_rarely_share_borders() -> None:
    random = np.random.default_rng(1)
    count = 20_000
    lengths, centers = np.exp(random.uniform(3, 7, count)), random.uniform(0, 4000, (count, 2))
    weights = [
        snap(lengths * room, centers, np.full(count, number / len(ROOMS)), FINE)[2] for number, room in enumerate(ROOMS)
    ]
    total = np.sum(weights, axis=0)
    assert total.min() > 0.02
    assert np.quantile(total, 0.01) > 0.2


@pytest.mark.parametrize("along", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 2.0), (0.7, 0.5, 0.4)])
def test_mean_over_grids_is_continuous(along: tuple[float, float, float]) -> None:
    image = disk()
    steps = np.linspace(0, 24, 241)
    path = [place(200 + along[0] * step, 160 + along[1] * step, 80 + along[2] * step) for step in steps]
    single = np.array([look(image, each, 2.0, 96, detect, FINE).landmarks[0] for each in path])
    averaged = np.array([look_averaged(image, each, ROOMS, 96, detect).landmarks[0] for each in path])
    jump, slope = (np.abs(np.diff(seen, axis=0)).max() for seen in (single, averaged))
    assert slope < 0.5 * jump


def test_rotated_crop_maps_back_to_image() -> None:
    image = disk((210.0, 150.0), 40.0)
    for roll in (0.0, 30.0, -120.0):
        seen = look(image, place(200, 160, 80, roll), 2.0, 96, detect, COARSE)
        np.testing.assert_allclose(seen.centers[0], [210, 150], atol=6)
        np.testing.assert_allclose(seen.extents[0], [80, 80], atol=6)
        eyes = seen.landmarks[0, 1] - seen.landmarks[0, 0]
        assert np.degrees(np.arctan2(eyes[1], eyes[0])) == pytest.approx(roll, abs=1)


def test_crop_is_centered() -> None:
    (matrix,) = crop_matrices(np.array([[300.0, 200.0]]), np.array([120.0]), np.array([90.0]), 96)
    np.testing.assert_allclose(matrix @ [300, 200, 1], [48, 48])
    # Rolled by 90 degrees clockwise, the top of the head points to the right: it comes to the top.
    np.testing.assert_allclose(matrix @ [360, 200, 1], [48, 0], atol=1e-9)


def test_crops_without_face_affect_score_only() -> None:
    def sometimes(images: np.ndarray, min_score: float) -> Candidates:
        found = detect(images, min_score)
        return Candidates(found.image[:3], found.detections.at(np.arange(3)))

    seen = look_averaged(disk(), place(), ROOMS, 96, sometimes)
    np.testing.assert_allclose(seen.scores, [0.675], rtol=1e-6)
    np.testing.assert_allclose(seen.centers[0], [200, 160], atol=6)
    nothing = look_averaged(
        disk(),
        place(),
        ROOMS,
        96,
        lambda *_: Candidates(
            np.zeros(0, np.intp), detect(np.full((1, 9, 9, 3), 255), 0).detections.at(np.zeros(0, np.intp))
        ),
    )
    assert nothing.scores.tolist() == [0]
    assert np.isfinite(nothing.landmarks).all()
