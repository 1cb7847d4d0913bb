"""HEIC: libheif and libde265 from the decoder-only package of the extra `heif`.

Rotation, mirroring and cropping are done by libheif, so that sizes are those of the upright image. Of a file with
several images the one that it calls its primary image is shown.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_comparison.errors import CorruptImage, UnsupportedFormat
from face_comparison.image.alpha import on_white
from face_comparison.image.isobmff import brands, primary_image

_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_ANY_CODEC = frozenset({b"mif1", b"msf1", b"mif2"})
_OTHER_CODECS = frozenset({b"avif", b"avis", b"jpeg", b"jpgs", b"j2ki", b"j2is", b"avci", b"avcs"})


def is_installed() -> bool:
    """Whether the package that decodes HEIC is there."""
    return importlib.util.find_spec("pi_heif") is not None


def matches(start: bytes) -> bool:
    """Generic HEIF counts as HEIC: phones write it around HEVC."""
    found = brands(start)
    return bool(found & _BRANDS) or (bool(found & _ANY_CODEC) and not found & _OTHER_CODECS)


def dimensions(data: bytes) -> tuple[int, int, int]:
    """Width and height of the upright image, and 1."""
    stored = primary_image(data)
    width, height = _opened(data).size
    if width * height > stored.width * stored.height:
        raise CorruptImage("the HEIC's image is larger than its container says")
    return width, height, 1


def pixels(data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
    """(H, W, 3) RGB; `reduce` is not used."""
    image = _opened(data)
    try:
        decoded = np.asarray(image)
    except (ValueError, EOFError, SyntaxError, RuntimeError, OSError, MemoryError) as error:
        raise CorruptImage("the HEIC is damaged or ends early") from error
    if decoded.shape[:2] != (height, width):
        raise CorruptImage("the HEIC's pixels are not as many as its header says")
    return on_white(decoded)


def _opened(data: bytes) -> Any:
    try:
        library = importlib.import_module("pi_heif")
    except ImportError:
        raise UnsupportedFormat(
            "HEIC needs an optional package that this service is installed without, face-comparison[heif]: "
            "send the image as JPG, PNG or WebP"
        ) from None
    library.options.DECODE_THREADS = 1  # the service has its own threads, one per image
    library.options.THUMBNAILS = library.options.DEPTH_IMAGES = library.options.AUX_IMAGES = False
    try:
        found = library.open_heif(bytes(data), convert_hdr_to_8bit=True, bgr_mode=True)
        return found[found.primary_index]
    except SyntaxError as error:
        raise UnsupportedFormat("this kind of HEIC is not supported: send the image as JPG, PNG or WebP") from error
    except (ValueError, EOFError, RuntimeError, OSError, IndexError) as error:
        raise CorruptImage("the HEIC is damaged or ends early") from error
