"""The memory that a decoder takes for prefix codes is known before it starts."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from devtools.photos import kinds
from face_comparison import image
from face_comparison.image import vp8l, webp
from face_comparison.image.decode_cost import estimate_decode_bytes
from support import lossless_webp

MIB = 1 << 20
MOST_OF_AN_ENCODER = 2600


def stream(data: bytes) -> bytes:
    at = data.index(b"VP8L") + 8
    return data[at + 5 :]


def sets(data: bytes, width: int, height: int) -> int:
    """Counts them within the bound for an image of this size."""
    found, _ = vp8l._Reader(stream(data), vp8l._max_pixels(width * height)).sets(width, height)
    return found


@pytest.mark.parametrize(("width", "height"), [(4, 4), (5, 4), (64, 64), (1024, 1024), (1030, 1024)])
def test_every_set_is_counted(width: int, height: int) -> None:
    data = lossless_webp.many_codes(width, height)
    blocks = -(-width // 4) * -(-height // 4)
    assert vp8l.table_bytes(stream(data), width, height) >= min(blocks, lossless_webp.SETS) * 11_000
    assert image.decode(data, image.read_header(data)).shape == (height, width, 3), "it is a valid image"


@pytest.mark.parametrize("make", [lossless_webp.many_codes, lossless_webp.many_codes_of_alpha])
def test_codes_are_charged(make: Callable[[int, int], bytes]) -> None:
    data = make(1024, 1024)
    assert len(data) < 300_000
    assert estimate_decode_bytes(data) > 700 * MIB


@pytest.mark.parametrize("colors", [0, 2, 4, 16, 200])
@pytest.mark.parametrize("method", [0, 4, 6])
@pytest.mark.parametrize("side", [1, 7, 320])
def test_files_of_encoders_cost_little_more(colors: int, method: int, side: int) -> None:
    scene = Image.fromarray(kinds.scene(side, side))
    if colors:
        scene = scene.quantize(colors).convert("RGB")
    data = kinds.encode(scene, "WEBP", lossless=True, method=method, quality=50)
    assert 1 <= sets(data, side, side) <= MOST_OF_AN_ENCODER
    tables = vp8l.table_bytes(stream(data), side, side)
    assert tables <= 20_000 * sets(data, side, side)
    assert webp.bytes_per_pixel(data) == pytest.approx(13 + tables / side**2)


def test_many_transforms_cost_little() -> None:
    """libwebp wrote two for every 16 x 16 pixels before version 1.5."""
    width, height = 4000, 3000
    data = lossless_webp.image_of(lossless_webp.many_transforms(width, height), width, height)
    assert sets(data, width, height) == 1
    assert webp.bytes_per_pixel(data) == pytest.approx(13, abs=0.1)
    assert image.decode(data, image.read_header(data)).shape == (height, width, 3), "it is a valid image"


def test_only_the_decoded_transparency_of_a_frame_is_charged() -> None:
    costs = [webp.bytes_per_pixel(lossless_webp.many_alphas(64, 64, count)) for count in (1, 2, 50)]
    assert len(set(costs)) == 1


@pytest.mark.parametrize("seed", range(20))
def test_random_data_is_read_to_an_end(seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(30):
        assert 0 < vp8l.table_bytes(random.bytes(3000), 16383, 16383) < 2 << 30


@pytest.mark.parametrize("data", [b"", b"\xff" * 1000, b"\x55" * 300_000, bytes(1_000_000), bytes(range(256)) * 4000])
@pytest.mark.parametrize("side", [1, 16383])
def test_any_data_is_read_in_bounded_time(data: bytes, side: int) -> None:
    started = time.thread_time()
    assert 0 < vp8l.table_bytes(data, side, side) < 2 << 30
    assert time.thread_time() - started < 1
