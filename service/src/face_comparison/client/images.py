"""Whatever a program holds an image in, as fields of a request."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..api.responses import Face
from .detection import DetectedFace

if TYPE_CHECKING:
    from PIL.Image import Image

ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | NDArray[np.uint8] | Image"
"""A path, a URL (http, https, s3), the bytes of a file, pixels, or a Pillow image."""

Subject: TypeAlias = "ImageSource | Face | NDArray[np.float32]"
"""An image, a face that was detected before, or its hash: what can be compared."""

_URLS = ("http://", "https://", "s3://")
_PIXELS = (np.dtype(np.uint8),)
_CHANNELS = 3


def image_fields(image: Any) -> dict[str, Any]:
    """`url` or `img` of a request; a path's file is read here.

    Pixels are uint8, (height, width, 3) in RGB or (height, width) in gray, and are sent as PNG, without loss. Raises
    OSError when a file cannot be read, TypeError or ValueError for what is not an image.
    """
    if isinstance(image, str) and image.lower().startswith(_URLS):
        return {"url": image}
    if isinstance(image, str | os.PathLike):
        return {"img": Path(image).read_bytes()}
    if isinstance(image, bytes | bytearray | memoryview):
        return {"img": bytes(image)}
    if isinstance(image, np.ndarray):
        return {"img": _encode_png(image)}
    # Do not import Pillow, which may not be installed: a program that has one of its images has already imported it.
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(image, pillow.Image):
        return {"img": _encode_pillow(image)}
    raise TypeError(f"an image is a path, a URL, bytes, an array or a Pillow image, not {type(image).__name__}")


def subject_fields(subject: Any) -> dict[str, Any]:
    """`url`, `img` or `face_hash` of one side of a comparison. Raises what image_fields raises."""
    if isinstance(subject, Face):
        version = {"FaceModelVersion": subject.face_model_version} if isinstance(subject, DetectedFace) else {}
        return {"face_hash": _pack(subject.face_hash), **version}
    if isinstance(subject, np.ndarray) and subject.ndim == 1:
        return {"face_hash": _pack(subject)}
    return image_fields(subject)


def _pack(vector: NDArray[np.float32]) -> bytes:
    return np.asarray(vector, "<f4").tobytes()


def _encode_png(pixels: NDArray[np.uint8]) -> bytes:
    color = pixels.ndim == _CHANNELS and pixels.shape[2] == _CHANNELS
    if pixels.dtype not in _PIXELS or not (color or pixels.ndim == _CHANNELS - 1) or not pixels.size:
        raise ValueError(
            f"pixels must be uint8 of shape (height, width, 3) or (height, width), not {pixels.dtype} {pixels.shape}"
        )
    try:
        import cv2  # noqa: PLC0415 (large, and needed for nothing else here)
    except ModuleNotFoundError:
        return _by_pillow(pixels)
    done, data = cv2.imencode(".png", pixels[:, :, ::-1] if color else pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise ValueError(f"pixels of shape {pixels.shape} cannot be encoded")
    return data.tobytes()


def _by_pillow(pixels: NDArray[np.uint8]) -> bytes:
    try:
        from PIL import Image as pillow  # noqa: N813, PLC0415
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "an array of pixels is encoded by opencv-python-headless or pillow: install one"
        ) from None
    data = io.BytesIO()
    pillow.fromarray(pixels).save(data, "PNG", compress_level=1)
    return data.getvalue()


def _encode_pillow(image: Image) -> bytes:
    from PIL import ImageOps  # noqa: PLC0415 (it is installed, since the image is one of Pillow's)

    # Apply the EXIF orientation: Pillow keeps it apart from the pixels and would not write it to the new file.
    upright = ImageOps.exif_transpose(image)
    if upright.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        upright = upright.convert("RGB")
    data = io.BytesIO()
    upright.save(data, "PNG", compress_level=1)
    return data.getvalue()
