"""One photograph in the files that phones and apps write."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import pillow_heif
from PIL import Image

from devtools.photos import kinds, samples

MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + struct.pack(">I", 5000) + b"mdat" + np.random.default_rng(1).bytes(4992)


def photograph() -> Image.Image:
    return Image.open(samples.photographs("obama.jpg")["obama.jpg"]).convert("RGB")


def turned(orientation: int, turn: Image.Transpose) -> Image.Image:
    """Returns the image as the sensor sees it in another orientation, and its EXIF value."""
    image = photograph().transpose(turn)
    image.info["orientation"] = orientation
    return image


def jpeg(image: Image.Image, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = image.info.get("orientation", 1)
    exif[0x010F] = "Phone"
    return kinds.jpeg(image, exif=exif, **options)


def heic(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream, quality=80)
    return stream.getvalue()


def ultra_hdr() -> bytes:
    """Returns a photograph followed by its gain map, located by MPF."""
    gain_map = kinds.jpeg(photograph().convert("L").reduce(4))
    content = b"MPF\0II*\0\x08\0\0\0\0\0" + bytes(60)
    data = jpeg(photograph())
    segment = b"\xff\xe2" + struct.pack(">H", len(content) + 2) + content
    return data[:2] + segment + data[2:] + gain_map


def multi_picture() -> bytes:
    stream = io.BytesIO()
    other = photograph().reduce(2).transpose(Image.Transpose.ROTATE_180)
    photograph().save(stream, "MPO", save_all=True, append_images=[other], quality=90)
    return stream.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "IMG_0001.HEIC": lambda: heic(photograph()),
    "ultra-hdr.jpg": ultra_hdr,
    "PXL_motion.MP.jpg": lambda: jpeg(photograph()) + MP4,
    "motion photo without end marker.jpg": lambda: jpeg(photograph())[:-2] + MP4 + b"SEFT",
    "panorama without end marker.jpg": lambda: jpeg(photograph())[:-2],
    "multi picture.jpg": multi_picture,
    "held to the left.jpg": lambda: jpeg(turned(6, Image.Transpose.ROTATE_90)),
    "held upside down.jpg": lambda: jpeg(turned(3, Image.Transpose.ROTATE_180), progressive=True),
    "screenshot.png": lambda: kinds.encode(photograph().convert("RGBA"), "PNG"),
    "from a messenger.jpg": lambda: kinds.encode(photograph(), "WEBP", quality=85),
    "from a browser.png": lambda: kinds.encode(photograph(), "AVIF", quality=80),
    "48 megapixels.jpg": lambda: jpeg(
        photograph().resize((round(8000 * photograph().width / photograph().height), 8000))
    ),
}
