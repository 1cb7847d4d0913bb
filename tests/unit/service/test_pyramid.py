import cv2
import numpy as np
import pytest

from face_comparison.vision.pyramid import Pyramid


@pytest.mark.parametrize(
    ("shrink", "scale"), [(0.5, 1), (1, 1), (1.9, 1), (2, 0.5), (3.9, 0.5), (4, 0.25), (100, 1 / 64)]
)
def test_level_is_at_most_twice_requested_size(shrink: float, scale: float) -> None:
    level, own = Pyramid(np.zeros((512, 384, 3), np.uint8)).level(shrink)
    assert own == scale
    assert level.shape[:2] == (512 * scale, 384 * scale)


def test_image_too_small_to_halve_has_one_level() -> None:
    level, scale = Pyramid(np.zeros((1, 40, 3), np.uint8)).level(16)
    assert (level.shape, scale) == ((1, 40, 3), 1)


@pytest.mark.parametrize("shrink", [1.0, 1.7, 3.0, 5.3])
def test_warp_from_level_matches_warp_from_image(shrink: float) -> None:
    y, x = np.mgrid[0:400, 0:600]
    image = np.stack([x * 255 / 599, y * 255 / 399, (x + y) * 255 / 998], axis=2).astype(np.uint8)
    matrix = np.array([[1 / shrink, 0.02, 3.0], [-0.02, 1 / shrink, 5.0]])
    from_centers = matrix.copy()
    from_centers[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    direct = cv2.warpAffine(image, from_centers, (60, 60), flags=cv2.INTER_LINEAR).astype(int)
    (taken,) = Pyramid(image).warps(matrix[None], 60).astype(int)
    inner = (slice(8, -12), slice(8, -4))
    assert np.abs(direct[inner] - taken[inner]).max() <= 2  # a shift of half a level's pixel would show as 3 or more


def test_warp_of_resized_image_matches() -> None:
    small = np.random.default_rng(3).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    image = np.asarray(cv2.resize(small, (400, 400)), np.uint8)
    half = np.asarray(cv2.resize(image, (200, 200), interpolation=cv2.INTER_AREA), np.uint8)
    matrix = np.array([[0.25, 0.05, -5.0], [-0.05, 0.25, 10.0]])
    doubled = matrix.copy()
    doubled[:, :2] *= 2
    (from_full,) = Pyramid(image).warps(matrix[None], 64).astype(int)
    (from_half,) = Pyramid(half).warps(doubled[None], 64).astype(int)
    assert np.abs(from_full - from_half).max() <= 1


def test_blended_warp_is_continuous_between_levels() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (400, 400, 3)).astype(np.uint8)

    def drawn(shrink: float, *, blended: bool) -> np.ndarray:
        cosine, sine = np.cos(0.3) / shrink, np.sin(0.3) / shrink
        matrix = np.array([[[cosine, sine, -10.0], [-sine, cosine, 8.0]]])
        pyramid = Pyramid(noise)
        return (pyramid.blended_warps(matrix, 64) if blended else pyramid.warps(matrix, 64)).astype(int)

    def jump(blended: bool) -> float:
        return float(np.abs(drawn(1.9999, blended=blended) - drawn(2.0, blended=blended)).mean())

    assert jump(blended=False) > 20
    assert jump(blended=True) < 1


def test_blended_warp_equals_warp_when_enlarging() -> None:
    image = np.random.default_rng(6).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    matrices = np.array([[[1.5, 0, 0.0], [0, 1.5, 0.0]], [[1.0, 0, 2.0], [0, 1.0, 1.0]]])
    np.testing.assert_array_equal(Pyramid(image).blended_warps(matrices, 50), Pyramid(image).warps(matrices, 50))


@pytest.mark.parametrize("size", [(300, 400), (1100, 1000)], ids=["small", "large"])
def test_warps_are_those_of_three_channels_to_last_bit(size: tuple[int, int]) -> None:
    image = np.random.default_rng(6).integers(0, 256, (*size, 3)).astype(np.uint8)
    matrices = np.array([[[c, -s, 5.0], [s, c, 60.0]] for c, s in ((1.0, 0.0), (0.8, 0.3), (0.4, -0.6))])
    taken = Pyramid(image).warps(matrices, 96)
    assert taken.shape == (3, 96, 96, 3)
    for matrix, warped in zip(matrices, taken, strict=True):
        own = matrix.copy()
        own[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
        level, scale = Pyramid(image).level(1 / np.hypot(matrix[0, 0], matrix[1, 0]))
        assert scale == 1
        np.testing.assert_array_equal(warped, cv2.warpAffine(level, own, (96, 96), flags=cv2.INTER_LINEAR))
    assert Pyramid(image).warps(matrices[:0], 96).shape == (0, 96, 96, 3)
