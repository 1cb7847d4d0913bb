"""JPEG: libjpeg-turbo in its strict mode, with the few faults mended that cameras and clients really produce.

Tolerated, because every pixel is still there: a missing end marker, anything after it, stray bytes before a marker.
Everything else that libjpeg merely warns of (data that ends early, a code that no table holds) means pixels made up,
and is an error. So is a picture whose later scans are missing: libjpeg shows such a picture without complaint,
coarse or without its colours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from face_comparison.errors import CorruptImage, UnsupportedFormat
from face_comparison.image.jpeg_markers import (
    ALL_COEFFICIENTS,
    END,
    START,
    Frame,
    Scan,
    frame,
    orientation,
    restart_interval,
    scans,
    walk,
)
from face_comparison.image.jpeg_strays import intervals, left_over, place, without

SIGNATURE = START

_MAX_MENDS = 16
"""Attempts to find the scans that stray bytes follow; each is a decoding, up to the next fault."""


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
    if several or not ended:
        header = walk(data, through_scans=True)
        ended = header.ended
    if several:
        _prove_complete(scans(data, header), shape)
    whole = without(data, header.strays, b"" if ended else END)
    least = (-(-height // reduce), -(-width // reduce)) if reduce > 1 else (0, 0)
    try:
        return _strictly(whole, *least)
    except ValueError as error:
        fault = str(error)
    if left_over(fault) and not several and restart_interval(data, header):
        return _by_intervals(whole, *least)
    return _mended(whole, fault, *least)


def _prove_complete(found: Sequence[Scan], shape: Frame) -> None:
    """Every component must get all its coefficients: in one sequential scan, or in bands over several."""
    arrived = dict.fromkeys(shape.components, 0)
    for scan in found:
        for component in scan.components:
            coefficients = scan.coefficients if shape.progressive else ALL_COEFFICIENTS
            arrived[component] = arrived.get(component, 0) | coefficients
    if any(coefficients & ALL_COEFFICIENTS != ALL_COEFFICIENTS for coefficients in arrived.values()):
        raise CorruptImage("the JPEG ends early: some of its scans are missing")


def _strictly(data: bytes, min_height: int, min_width: int, *, strict: bool = True) -> NDArray[np.uint8]:
    """Decode at the smallest scale that is no smaller, 0 for full; ValueError with libjpeg's words if it complains."""
    try:
        decoded = simplejpeg.decode_jpeg(data, "RGB", min_height=min_height, min_width=min_width, strict=strict)
    except KeyError:  # the library's table of subsamplings does not hold all that libjpeg knows
        raise ValueError("unknown subsampling") from None
    return np.asarray(decoded, np.uint8)


def _by_intervals(data: bytes, min_height: int, min_width: int) -> NDArray[np.uint8]:
    """Decode a picture with restart markers leniently, once each interval alone is proven to be whole."""
    header = walk(data, through_scans=False)
    for interval in intervals(data, header, frame(data, header)):
        try:
            _strictly(interval, 1, 1)
        except ValueError as error:
            _mended(interval, str(error), 1, 1)
    return _strictly(data, min_height, min_width, strict=False)


def _mended(data: bytes, fault: str, min_height: int, min_width: int) -> NDArray[np.uint8]:
    """Decode without the bytes that were left over after scans; all the rest must then be faultless."""
    if "subsampling" in fault:
        raise UnsupportedFormat("JPEG with this subsampling of its colours is not decoded")
    left, after = left_over(fault), 0
    for _ in range(_MAX_MENDS):
        found = place(data, left, after) if left else None
        if found is None:
            break
        attempt = without(data, [found])
        try:
            return _strictly(attempt, min_height, min_width)
        except ValueError as error:
            later = left_over(str(error))
        if later:  # right so far, and a later scan has bytes left over too
            data, left, after = attempt, later, found[0]
        else:  # this scan needs its bytes: those left over belong to a later one
            after = found[1]
    raise CorruptImage(f"the JPEG is damaged: {fault}")
