"""Images as bytes, paths, URLs, pixels, and faces."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from face_comparison.client import (
    BoundingBox,
    DetectedFace,
)
from face_comparison.client.images import image_fields, subject_fields
from support.faces import quality
from support.scripted_server import HASH

PIXELS = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)


def decoded(fields: dict[str, Any]) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(fields["img"])) as pillow_image:
        return np.asarray(pillow_image.convert("RGB"))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_image_from_bytes(kind: Callable[[bytes], Any]) -> None:
    assert image_fields(kind(b"abc")) == {"img": b"abc"}


@pytest.mark.parametrize("kind", [str, Path])
def test_image_from_path(tmp_path: Path, kind: Callable[[Path], Any]) -> None:
    (tmp_path / "x.jpg").write_bytes(b"abc")
    assert image_fields(kind(tmp_path / "x.jpg")) == {"img": b"abc"}
    with pytest.raises(FileNotFoundError):
        image_fields(kind(tmp_path / "y.jpg"))


@pytest.mark.parametrize("url", ["https://example.org/x.jpg", "HTTP://example.org/x", "s3://bucket/key"])
def test_image_from_url(url: str) -> None:
    assert image_fields(url) == {"url": url}


def test_pixels_are_sent_losslessly_as_rgb() -> None:
    assert np.array_equal(decoded(image_fields(PIXELS)), PIXELS)
    assert np.array_equal(decoded(image_fields(PIXELS[:, :, 0]))[:, :, 1], PIXELS[:, :, 0])
    pixels = cv2.imdecode(np.frombuffer(image_fields(PIXELS)["img"], np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None and pixels[0, 0, 2] == 0


@pytest.mark.parametrize("pixels", [PIXELS.astype(float), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 3), np.uint8)])
def test_invalid_pixels_are_rejected(pixels: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ValueError, match="pixels must be uint8"):
        image_fields(pixels)


def test_pillow_image_is_sent_upright() -> None:
    pillow_image = Image.fromarray(PIXELS)
    assert np.array_equal(decoded(image_fields(pillow_image)), PIXELS)
    pillow_image.getexif()[274] = 3  # upside down
    assert np.array_equal(decoded(image_fields(pillow_image)), PIXELS[::-1, ::-1])
    assert decoded(image_fields(pillow_image.convert("CMYK"))).shape == PIXELS.shape


def test_face_is_sent_with_version() -> None:
    face = DetectedFace(BoundingBox(0.0, 0.0, 1.0, 1.0), 1.0, HASH, (), quality(1.0, 2.0, 3.0), "m-1")
    assert subject_fields(face) == {"face_hash": HASH.tobytes(), "FaceModelVersion": "m-1"}
    assert subject_fields(HASH.astype(np.float64)) == {"face_hash": HASH.tobytes()}


@pytest.mark.parametrize("thing", [None, 7, {"url": "x"}])
def test_invalid_image_is_rejected(thing: object) -> None:
    with pytest.raises(TypeError, match="an image is a path"):
        image_fields(thing)
