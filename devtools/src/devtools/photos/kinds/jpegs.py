"""JPEG, written and decoded by Pillow."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image

from devtools.photos.kinds.scenes import Sample, scene


def jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    """Returns a JPEG as Pillow writes it, by default of the scene."""
    stream = io.BytesIO()
    (image or Image.fromarray(scene())).save(stream, "JPEG", **{"quality": 90, **options})
    return stream.getvalue()


def samples() -> Iterator[tuple[str, Sample]]:
    """Yields each kind of JPEG, named."""
    image = Image.fromarray(scene())
    cmyk = jpeg(image.convert("CMYK"))
    options: dict[str, dict[str, object]] = {
        "4:4:4": {"subsampling": "4:4:4"},
        "4:2:2": {"subsampling": "4:2:2"},
        "4:2:0": {"subsampling": "4:2:0"},
        "4:1:1": {"subsampling": "4:1:1"},
        "progressive": {"progressive": True},
        "optimized": {"optimize": True},
        "restarts": {"restart_marker_blocks": 1},
        "progressive restarts": {"progressive": True, "restart_marker_rows": 1},
        "RGB": {"keep_rgb": True},
        "worst quality": {"quality": 1},
        "best quality": {"quality": 100},
        "profile": {"icc_profile": bytes(range(256)) * 600},
        "comment": {"comment": b"\xff\xd9\xff\xda inside a comment"},
    }
    for name, option in options.items():
        yield f"jpeg {name}", _like_pillow(jpeg(image, **option))
    yield "jpeg gray", _like_pillow(jpeg(image.convert("L")))
    gray = bytearray(jpeg(image.convert("L")))
    gray[gray.index(b"\xff\xc0") + 11] = 0x22  # has no meaning if there is only one component
    yield "jpeg gray, doubly sampled", _like_pillow(bytes(gray))
    yield "jpeg gray progressive", _like_pillow(jpeg(image.convert("L"), progressive=True))
    yield "jpeg CMYK", _like_pillow(cmyk)
    yield "jpeg YCCK", _like_pillow(_as_ycck(cmyk))
    yield "jpeg thumbnail", _like_pillow(_with_thumbnail(jpeg(image), jpeg(image.resize((8, 8)))))


def _like_pillow(data: bytes) -> Sample:
    image = Image.open(io.BytesIO(data))
    tolerance = 1 if image.mode == "CMYK" else 0  # both round products of two bytes, in different ways
    return Sample(data, np.asarray(image.convert("RGB")), tolerance)


def _as_ycck(cmyk: bytes) -> bytes:
    """Marks the same samples as luminance, chroma, and black with Adobe's marker."""
    at = cmyk.index(b"Adobe")
    return cmyk[: at + 11] + b"\x02" + cmyk[at + 12 :]


def _with_thumbnail(data: bytes, thumbnail: bytes) -> bytes:
    """Embeds a complete JPEG, including markers, in the metadata of another."""
    content = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\0\0\0\0\0" + thumbnail
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + data[2:]
