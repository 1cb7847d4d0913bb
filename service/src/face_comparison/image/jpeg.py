"""JPEG: libjpeg-turbo in its strict mode, with the few faults mended that cameras and clients really produce.

Tolerated, because every pixel is still there: a missing end marker, anything after it, stray bytes before a marker.
Everything else that libjpeg merely warns of (data that ends early, a code that no table holds) means pixels made up,
and is an error. So is a picture whose later scans are missing: libjpeg shows such a picture without complaint,
coarse or without its colours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from face_comparison.errors import CorruptImage, UnsupportedFormat
from face_comparison.image.jpeg_huffman import without_strays
from face_comparison.image.jpeg_markers import (
    ALL_COEFFICIENTS,
    END,
    START,
    Frame,
    Scan,
    Walk,
    frame,
    orientation,
    restart_interval,
    scans,
    walk,
)
from face_comparison.image.jpeg_repair import are_left_over, spliced, without_zeros

SIGNATURE = START


def dimensions(data: bytes) -> tuple[int, int, int]:
    """Width and height as stored, and EXIF orientation."""
    header = walk(data, through_scans=False)
    shape = frame(data, header)
    return shape.width, shape.height, orientation(data, header)


def pixels(data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
    """(ceil(H / reduce), ceil(W / reduce), 3) RGB."""
    header = walk(data, through_scans=False)
    shape = frame(data, header)
    several = shape.progressive or len(scans(data, header)[0].components) < len(shape.components)
    ended = data[-2:] == END
    edits = [*_made_strict(data, header, shape, (8, 8) if several else shape.unit)]
    if several or not ended:
        header = walk(data, through_scans=True)
        ended = header.ended
    if several:
        _prove_complete(scans(data, header), shape)
    edits += [(start, end, b"") for start, end in header.strays] + ([] if ended else [(len(data), len(data), END)])
    whole = spliced(data, sorted(edits))
    least = (-(-height // reduce), -(-width // reduce)) if reduce > 1 else (0, 0)
    try:
        return _strictly(whole, *least)
    except CorruptImage as error:
        if not are_left_over(error.message):
            raise
    return _strictly(without_zeros(whole) if several else without_strays(whole, shape), *least)


def _made_strict(data: bytes, header: Walk, shape: Frame, unit: tuple[int, int]) -> Iterator[tuple[int, int, bytes]]:
    """An edit that makes libjpeg-turbo use the decoder that checks every code.

    It takes a fast one, which reads a code that no table holds as a zero, wherever no restart markers are announced.
    So they are announced, further apart than the picture has coding units. 65,535 of them can be said; in a larger
    picture bad codes show by their consequences alone. Costs 2-4 % of the decoding.
    """
    units = -(-shape.width // unit[0]) * -(-shape.height // unit[1])
    first_scan = header.segments[-1].start - 4
    if not shape.progressive and not restart_interval(data, header) and units <= 0xFFFF:
        yield first_scan, first_scan, b"\xff\xdd\0\4\xff\xff"


def _prove_complete(found: Sequence[Scan], shape: Frame) -> None:
    """Every component must get all its coefficients: in one sequential scan, or in bands over several."""
    arrived = dict.fromkeys(shape.components, 0)
    for scan in found:
        for component in scan.components:
            coefficients = scan.coefficients if shape.progressive else ALL_COEFFICIENTS
            arrived[component] = arrived.get(component, 0) | coefficients
    if any(coefficients & ALL_COEFFICIENTS != ALL_COEFFICIENTS for coefficients in arrived.values()):
        raise CorruptImage("the JPEG ends early: some of its scans are missing")


def _strictly(data: bytes, min_height: int, min_width: int) -> NDArray[np.uint8]:
    """Decode at the smallest scale that is no smaller (0: full); CorruptImage at libjpeg's first complaint."""
    try:
        decoded = simplejpeg.decode_jpeg(data, "RGB", min_height=min_height, min_width=min_width, strict=True)
    except ValueError as error:
        if "subsampling" in str(error):
            raise UnsupportedFormat("JPEG with this subsampling of its colours is not decoded") from None
        raise CorruptImage(f"the JPEG is damaged: {error}") from None
    return np.asarray(decoded, np.uint8)
