"""Small images of every kind that must be accepted, each with its correct pixels.

PNG and BMP are written here byte by byte, so that the correct pixels follow from their construction and not from
another decoder. JPEG is lossy: Pillow writes it and decodes the reference.
"""

from __future__ import annotations

from devtools.photos.kinds import bmps, jpegs, pngs, webps
from devtools.photos.kinds.bmps import bmp
from devtools.photos.kinds.jpegs import jpeg
from devtools.photos.kinds.pngs import png, png_chunk, png_rows, png_with_checksums
from devtools.photos.kinds.scenes import HEIGHT, WIDTH, Sample, noise, scene
from devtools.photos.kinds.webps import encode

__all__ = [
    "HEIGHT",
    "WIDTH",
    "Sample",
    "bmp",
    "encode",
    "jpeg",
    "noise",
    "png",
    "png_chunk",
    "png_rows",
    "png_with_checksums",
    "samples",
    "scene",
]


def samples() -> dict[str, Sample]:
    """Returns every kind by name; names begin with the format."""
    return dict((*jpegs.samples(), *pngs.samples(), *bmps.samples(), *webps.samples()))
