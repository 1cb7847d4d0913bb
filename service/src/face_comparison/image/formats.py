"""Defines the supported image formats, one record each. Messages, OpenAPI and headers derive their lists from these.

To add a format, write a module with `dimensions` and `pixels`, and add its record here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NoReturn, Protocol

import numpy as np
import pybase64
from numpy.typing import NDArray

from face_comparison.errors import UnsupportedFormat
from face_comparison.image import avif, bmp, heic, jpeg, png, webp

Format = Literal["jpeg", "png", "bmp", "webp", "heic", "avif"]


class Reader(Protocol):
    """A module that reads one format."""

    def dimensions(self, data: bytes) -> tuple[int, int, int]:
        """Returns width and height as stored, and the EXIF orientation, without decoding a pixel."""
        ...

    def pixels(self, data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
        """Decodes the image as stored, before its orientation is applied.

        Args:
            data: The encoded image.
            width: Width as stored, in pixels.
            height: Height as stored, in pixels.
            reduce: The reader may divide the sides by this number, rounded up.

        Returns:
            Pixels (H, W, 3) uint8, RGB.
        """
        ...


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """A format and the module that reads it.

    Attributes:
        name: Identifier.
        label: Name for users.
        media_type: The registered media type.
        suffixes: File name extensions, with the dot.
        matches: Returns whether the first bytes of a file are those of this format.
        bytes_per_pixel: Returns the memory that decoding takes beyond the data, from the header; measured peaks,
            rounded up, see tests/unit/service/test_decode_cost.py.
        reader: Module that reads the format.
    """

    name: Format
    label: str
    media_type: str
    suffixes: tuple[str, ...]
    matches: Callable[[bytes], bool]
    bytes_per_pixel: Callable[[bytes], float]
    reader: Reader


def _starts(signature: bytes) -> Callable[[bytes], bool]:
    return lambda start: start[: len(signature)] == signature


def _constant(number: float) -> Callable[[bytes], float]:
    return lambda data: number


FORMATS: tuple[ImageFormat, ...] = (
    ImageFormat("jpeg", "JPG", "image/jpeg", (".jpg", ".jpeg"), _starts(jpeg.SIGNATURE), jpeg.bytes_per_pixel, jpeg),
    ImageFormat("png", "PNG", "image/png", (".png",), _starts(png.SIGNATURE), png.bytes_per_pixel, png),
    ImageFormat("bmp", "BMP", "image/bmp", (".bmp",), _starts(bmp.SIGNATURE), _constant(13), bmp),
    ImageFormat("webp", "WebP", "image/webp", (".webp",), webp.matches, webp.bytes_per_pixel, webp),
    ImageFormat("heic", "HEIC", "image/heic", (".heic", ".heif"), heic.matches, heic.bytes_per_pixel, heic),
    ImageFormat("avif", "AVIF", "image/avif", (".avif",), avif.matches, avif.bytes_per_pixel, avif),
)

START_BYTES = 256
"""Number of bytes from the start of a file that suffice to determine its format."""

READABLE = tuple(each for each in FORMATS if each.name != "heic" or heic.is_installed())
"""Formats that this installation can read: HEIC needs an extra."""

_LABELS = [each.label for each in READABLE]
LABELS = f"{', '.join(_LABELS[:-1])} or {_LABELS[-1]}"
"""List of formats for messages, such as "JPG, PNG or BMP"."""

MEDIA_TYPES = tuple(each.media_type for each in READABLE)

SUFFIXES = tuple(suffix for each in READABLE for suffix in each.suffixes)

ACCEPT = ", ".join((*MEDIA_TYPES, "*/*;q=0.1"))
"""The Accept header of a request for an image."""

_BASE64_OF_IMAGES = (b"/9j/", b"iVBORw0KGgo", b"UklGR", b"data:image/")
"""Base64 prefixes of JPEG, PNG and WebP, and the prefix of a data URL."""


def is_base64(start: bytes) -> bool:
    """Returns whether the first bytes are those of an image in base64, with or without a data-URL prefix."""
    return bytes(start[:64]).lstrip().startswith(_BASE64_OF_IMAGES)


def _starts_with_text_of_an_image(start: bytes) -> bool:
    """Returns whether the bytes are a JPEG or PNG that was read as Latin-1 or invalid UTF-8 and written as UTF-8."""
    text = bytes(start[:12]).decode("utf-8", "ignore")
    return text.startswith(("\xff\xd8\xff", "\ufffd\ufffd\ufffd", "\x89PNG", "\ufffdPNG"))


def _is_hexadecimal(start: bytes) -> bool:
    """Returns whether the bytes are the hexadecimal digits of an image, either as such or after decoding as base64."""
    texts = (bytes(start[:8]), pybase64.b64encode(start[:6]))
    return any(text.lower().startswith((b"ffd8ff", b"89504e47", b"0xffd8")) for text in texts)


_RAW_BRANDS = (b"crx ",)
"""Major brands of ISO media files that hold raw camera data."""

_OTHER_IMAGES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("a damaged PNG", _starts(b"\x89PNG")),
    ("a GIF", _starts(b"GIF8")),
    ("an AVI or WAVE file", _starts(b"RIFF")),
    ("a TIFF", lambda start: start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    ("an SVG drawing", lambda start: b"<svg" in bytes(start).lower()),
    ("JPEG XL", lambda start: start[:2] == b"\xff\x0a" or start[4:12] == b"JXL \r\n\x87\n"),
    ("JPEG 2000", lambda start: start[4:8] == b"jP  " or start[:4] == b"\xff\x4f\xff\x51"),
    ("an icon", _starts(b"\0\0\1\0")),
    ("a Photoshop file", _starts(b"8BPS")),
    ("a PPM, PGM, or PBM", lambda start: start[:1] == b"P" and start[1:2] in b"123456" and bytes(start[2:3]).isspace()),
    (
        "raw data of a camera",
        lambda start: start[:8] == b"FUJIFILM" or (start[4:8] == b"ftyp" and start[8:12] in _RAW_BRANDS),
    ),
    ("an image whose bytes were read as text, which changes them", _starts_with_text_of_an_image),
    ("an image in hexadecimal digits", _is_hexadecimal),
    ("a video", lambda start: start[4:8] == b"ftyp" or start[:4] == b"\x1a\x45\xdf\xa3"),
)
_NO_IMAGES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("empty", lambda start: not start),
    (
        "a web page",
        lambda start: bytes(start).lstrip()[:9].lower() in (b"<!doctype", b"<html>") or start[:5] == b"<html",
    ),
    ("a PDF", _starts(b"%PDF-")),
    ("an image in base64", is_base64),
    ("an XML document", lambda start: bytes(start).lstrip()[:5] == b"<?xml"),
    ("a JSON document", lambda start: bytes(start).lstrip()[:2] in (b'{"', b'["', b"[{", b"{}", b"[]")),
    ("a ZIP archive", _starts(b"PK\3\4")),
    ("compressed by gzip", _starts(b"\x1f\x8b")),
    ("a pointer of Git LFS", _starts(b"version https://git-lfs")),
)
"""What people send by mistake, recognized so that the error message can name it."""


def format_of(start: bytes) -> ImageFormat:
    """Returns the format of a file from its first bytes; START_BYTES are enough.

    Raises:
        UnsupportedFormat: The bytes are empty or not those of a supported format.
    """
    if not start:
        raise UnsupportedFormat(f"the image is empty: send the bytes of a {LABELS}")
    found = find_format(start)
    if found is None:
        _reject(start[:START_BYTES])
    return found


def _reject(start: bytes) -> NoReturn:
    for kind, matches in _OTHER_IMAGES:
        if matches(start):
            raise UnsupportedFormat(
                f"the data is {kind}, not {LABELS} (judged by its content): convert it to one of these"
            )
    kind = next((kind for kind, matches in _NO_IMAGES if matches(start)), "something else")
    raise UnsupportedFormat(f"the data is {kind}, not an image (judged by its content): send {LABELS}")


def find_format(start: bytes) -> ImageFormat | None:
    """Returns the format of a file from its first bytes; None if it is not supported."""
    return next((each for each in FORMATS if each.matches(start[:START_BYTES])), None)


def is_image(start: bytes) -> bool:
    """Returns whether the first bytes are those of an image, in a supported or unsupported format."""
    return find_format(start) is not None or any(matches(start[:START_BYTES]) for _, matches in _OTHER_IMAGES)
