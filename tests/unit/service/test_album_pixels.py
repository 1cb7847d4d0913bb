"""Photographs larger than a service takes are made smaller; faces are cut out square wherever they are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from face_comparison.album import pixels
from face_comparison.album.pixels import CROP
from face_comparison.api.responses import BoundingBox
from face_comparison.errors import ImageTooLarge
from face_comparison.image import MAX_SIDE

MOST = 10**9


def opened(data: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


def encoded(width: int, height: int, suffix: str = ".jpg") -> bytes:
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2] = (0, 0, 255)  # red above
    return cv2.imencode(suffix, image)[1].tobytes()


def test_image_of_usual_size_is_unchanged() -> None:
    data = encoded(MAX_SIDE, 16)
    assert pixels.analyzable(data, pixels.header(data), MOST) is data


@pytest.mark.parametrize(
    ("width", "height", "suffix", "expected"),
    [
        (6000, 4000, ".jpg", (3000, 2000)),
        (30, 17_000, ".jpg", (4, 2125)),
        (5000, 20, ".png", (4096, 16)),
        (10, 10_000, ".bmp", (4, 4096)),
    ],
)
def test_larger_image_is_reduced(width: int, height: int, suffix: str, expected: tuple[int, int]) -> None:
    data = encoded(width, height, suffix)
    fitting = pixels.analyzable(data, pixels.header(data), MOST)
    header = pixels.header(fitting)
    assert (header.width, header.height) == expected
    assert opened(fitting)[0, 0, 2] > 200


def test_oversized_file_is_reduced() -> None:
    data = cv2.imencode(".png", np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8))[1].tobytes()
    fitting = pixels.analyzable(data, pixels.header(data), 100_000)
    assert len(fitting) < 100_000 < len(data)
    assert (pixels.header(fitting).width, pixels.header(fitting).height) == (200, 200)


def test_size_has_limit() -> None:
    with pytest.raises(ImageTooLarge, match="20000"):
        pixels.header(encoded(pixels.LARGEST_SIDE + 1, 1, ".png"))


@pytest.mark.parametrize("size", [(2000, 1000), (300, 3000), (40, 30)])
@pytest.mark.parametrize("box", [(0.4, 0.4, 0.2, 0.2), (0, 0, 0.05, 0.05), (0.9, 0.9, 0.1, 0.1), (0, 0, 1, 1)])
def test_crops_are_square_and_equal_in_size(size: tuple[int, int], box: tuple[float, float, float, float]) -> None:
    data = encoded(*size)
    (crop,) = pixels.crops(data, pixels.header(data), [BoundingBox(*box)])
    assert opened(crop).shape == (CROP, CROP, 3)


def test_crop_keeps_place_and_colors() -> None:
    data = encoded(1600, 1600)
    above, below = pixels.crops(
        data, pixels.header(data), [BoundingBox(0.4, 0.1, 0.1, 0.1), BoundingBox(0.4, 0.8, 0.1, 0.1)]
    )
    colors = [opened(crop).mean(axis=(0, 1)) for crop in (above, below)]
    assert colors[0] == pytest.approx([0, 0, 255], abs=12)
    assert colors[1] == pytest.approx([0, 0, 0], abs=12)


def test_album_without_faces_decodes_no_pixels() -> None:
    assert pixels.crops(b"no image at all", pixels.header(encoded(10, 10)), []) == ()
