"""Decodes JPEG with libjpeg-turbo in strict mode, from a stream reduced to what affects the pixels.

libjpeg issues the same kind of warning for what does not affect the pixels (an unusual JFIF revision, a damaged color
profile, bytes between segments) and for what does (truncated data, a code that is in no Huffman table). So whatever
does not affect the pixels is removed or corrected before the image is decoded in strict mode, where every warning is
an error: the header is rewritten from the segments that matter. Two harmless warnings remain: stray bytes after coded
data, and an unusual order of progressive scans. libjpeg reports only its first warning, so they may hide a worse one.
After such a warning, the data is therefore verified by other means before it is decoded without strict mode.

An image whose later scans are missing is rejected, too: libjpeg would decode it without a warning, blurred or without
colors.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from face_comparison.errors import CorruptImage, UnsupportedFormat
from face_comparison.image import jpeg_restarts
from face_comparison.image.jpeg_markers import (
    ALL_COEFFICIENTS,
    APP0,
    APP14,
    DHT,
    DQT,
    DRI,
    END,
    SOF,
    SOS,
    START,
    Coded,
    Frame,
    Part,
    Scan,
    Segment,
    frame,
    orientation,
    require_few_scans,
    restart_interval,
    scans,
    walk,
)

SIGNATURE = START

_ODD_PROGRESSION = "Inconsistent progression sequence"
_TABLES = frozenset({DQT, DHT, DRI, *SOF})
_JFIF, _ADOBE = b"JFIF\0", b"Adobe"
_PLAIN_JFIF = b"JFIF\0\1\1\0\0\1\0\1\0\0"
_TRANSFORMS = {1: (0, 0), 3: (0, 1), 4: (0, 2)}
"""Valid Adobe color transforms by number of components; libjpeg uses the second one in place of an unknown one."""
_LONGEST_HEADER = 16 * 1024
"""Maximum header size, in bytes, of a JPEG whose restart intervals are verified: the whole header is decoded again for
each group of intervals. A full set of tables takes 3 kB."""
_SIZE_IN_FRAME = 5
"""Offset of height and width in a frame segment: after its marker, its length and the sample precision."""
_WHOLE_BLOCK = bytes((0, 63, 0))
"""First and last coefficient and their bit positions, as in the header of a sequential scan."""
_MORE = hashlib.sha512(b"").digest().replace(b"\xff", b"\x5a")
"""Arbitrary bytes that a decoder reads if a scan's own data is incomplete."""


def dimensions(data: bytes) -> tuple[int, int, int]:
    """Returns width and height as stored, and the EXIF orientation."""
    parts = walk(data, through_scans=False)
    shape = frame(parts)
    return shape.width, shape.height, orientation(parts)


def bytes_per_pixel(data: bytes) -> float:
    """Returns the memory that decoding takes, in bytes per pixel.

    It covers the decoded and the upright pixels and, if the image has several scans, the coefficients.
    """
    parts = walk(data, through_scans=False)
    shape = frame(parts)
    if not shape.progressive and len(scans(parts)[0].components) == len(shape.components):
        return 7
    samples = sum(across * down for across, down in shape.sampling)
    return 10 + 2 * 64 * samples / (shape.unit[0] * shape.unit[1])


def pixels(data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
    """Decodes to (ceil(H / reduce), ceil(W / reduce), 3) uint8 RGB."""
    parts = walk(data, through_scans=True)
    shape = frame(parts)
    head = next(index for index, part in enumerate(parts) if isinstance(part, Coded))
    multiple_scans = shape.progressive or len(scans(parts[:head])[0].components) < len(shape.components)
    if multiple_scans:
        found = scans(parts)
        require_few_scans(len(found), shape)
        _require_all_scans(found, shape)
    interval = restart_interval(parts[:head])
    header_parts = _header(parts[: head - 1], shape)
    header = header_parts.sized()
    if not shape.progressive and not interval:
        header += _distant_restarts(shape.blocks if multiple_scans else shape.units)
    body = parts[head - 1 :] if multiple_scans else parts[head - 1 : head + 1]
    min_size = (-(-height // reduce), -(-width // reduce)) if reduce > 1 else (0, 0)
    stream = header + _body(data, body, shape)
    warning, decoded = _decode(stream, min_size, strict=True)
    if decoded is None:
        if not jpeg_restarts.STRAY.search(warning) and _ODD_PROGRESSION not in warning:
            raise CorruptImage(f"the JPEG is damaged: {warning}")
        if multiple_scans:
            whole = _require_whole_scans(stream, header + _body(data, body, shape, _MORE))
            if reduce == 1:
                return whole
        elif interval:
            if len(header) > _LONGEST_HEADER:
                raise CorruptImage("the JPEG has stray bytes, and more tables than it can be checked with")
            strict = _StrictDecoder(header_parts, _body(data, body[:1], shape).removesuffix(END))
            jpeg_restarts.verify_intervals(
                _body(data, body[1:], shape).removesuffix(END), shape, interval, strict.complaint
            )
        warning, decoded = _decode(stream, min_size, strict=False)
    if decoded is None:
        raise CorruptImage(f"the JPEG is damaged: {warning}")
    return decoded


@dataclass(frozen=True, slots=True)
class _Header:
    """What precedes the first scan header, split around the size of the image.

    Attributes:
        start: What precedes the size.
        size: Height and width, two bytes each, big-endian.
        end: What follows the size.
    """

    start: bytes
    size: bytes
    end: bytes

    def sized(self, size: tuple[int, int] | None = None) -> bytes:
        """Returns the header, with its width and height replaced by `size` if given."""
        return b"".join((self.start, struct.pack(">HH", size[1], size[0]) if size else self.size, self.end))


def _header(parts: Sequence[Part], shape: Frame) -> _Header:
    """Returns what precedes the first scan header, reduced to what affects the pixels."""
    pieces, at = [START], len(START)
    for part in parts:
        if not isinstance(part, Segment):
            continue
        piece = _segment(part) if part.marker in _TABLES else _color_space(part, len(shape.components))
        if part.marker in SOF:
            at = sum(map(len, pieces)) + _SIZE_IN_FRAME
        pieces.append(piece)
    joined = b"".join(pieces)
    return _Header(joined[:at], joined[at : at + 4], joined[at + 4 :])


def _body(data: bytes, parts: Sequence[Part], shape: Frame, more: bytes = b"") -> bytes:
    """Returns the scans, the tables between them and the end marker; `more` is appended to each scan's coded data."""
    pieces: list[bytes | memoryview] = []
    for part in parts:
        if isinstance(part, Coded):
            pieces += (memoryview(data)[part.start : part.end], more)
        elif part.marker == SOS:
            content = part.content if shape.progressive else part.content[:-3] + _WHOLE_BLOCK
            pieces.append(_segment(Segment(SOS, content)))
        elif part.marker in _TABLES:
            pieces.append(_segment(part))
    return b"".join((*pieces, END))


def _segment(segment: Segment) -> bytes:
    return bytes((0xFF, segment.marker)) + (len(segment.content) + 2).to_bytes(2, "big") + segment.content


def _color_space(segment: Segment, components: int) -> bytes:
    """Returns a JFIF or Adobe segment, which determines the color space, in a form that causes no warning.

    Other segments become empty.
    """
    content = segment.content
    if segment.marker == APP0 and content.startswith(_JFIF) and len(content) >= len(_PLAIN_JFIF):
        return _segment(Segment(APP0, _PLAIN_JFIF))
    if segment.marker == APP14 and content.startswith(_ADOBE) and len(content) >= 12:
        known = _TRANSFORMS[components]
        transform = content[11] if content[11] in known else known[-1]
        return _segment(Segment(APP14, content[:11] + bytes((transform,))))
    return b""


def _distant_restarts(units: int) -> bytes:
    """Returns a segment that makes libjpeg-turbo use the Huffman decoder that checks every code.

    If a JPEG announces no restart markers, libjpeg-turbo uses a faster decoder, which reads a code that is in no table
    as a zero. So restart markers are announced with an interval of more coding units than the image has. The maximum
    interval is 65,535; in a larger image, invalid codes are noticed only through their consequences. This makes
    decoding 2-4 % slower.
    """
    return b"\xff\xdd\0\4\xff\xff" if units <= 0xFFFF else b""


def _require_all_scans(found: Sequence[Scan], shape: Frame) -> None:
    """Raises CorruptImage unless every component gets all its coefficients.

    They come in one sequential scan, or in several progressive ones.
    """
    coefficients_seen = dict.fromkeys(shape.components, 0)
    for scan in found:
        for component in scan.components:
            coefficients = scan.coefficients if shape.progressive else ALL_COEFFICIENTS
            coefficients_seen[component] = coefficients_seen.get(component, 0) | coefficients
    if any(coefficients & ALL_COEFFICIENTS != ALL_COEFFICIENTS for coefficients in coefficients_seen.values()):
        raise CorruptImage("the JPEG ends early: some of its scans are missing")


def _require_whole_scans(stream: bytes, followed: bytes) -> NDArray[np.uint8]:
    """Returns the pixels, or raises CorruptImage if a scan ends early.

    Scans build on one another and cannot be decoded separately. But if a scan ends early, the decoded pixels depend on
    the bytes that follow its data; if it is complete, they do not.

    Args:
        stream: The JPEG.
        followed: The same JPEG with further bytes after the data of each scan.
    """
    _, alone = _decode(stream, (0, 0), strict=False)
    _, other = _decode(followed, (0, 0), strict=False)
    if alone is None or other is None or not np.array_equal(alone, other):
        raise CorruptImage("the JPEG is damaged: the data of a scan ends early")
    return alone


@dataclass(frozen=True, slots=True)
class _StrictDecoder:
    """Decodes parts of a JPEG's coded data separately.

    Attributes:
        header: What precedes the scan header.
        scan: The scan header.
    """

    header: _Header
    scan: bytes

    def complaint(self, coded: bytes, interval: int, size: tuple[int, int]) -> str:
        """Returns libjpeg's first warning about coded data.

        Args:
            coded: The coded data.
            interval: Coding units between two restart markers.
            size: Width and height of what the data shows, in pixels.

        Returns:
            The warning; empty if there is none.
        """
        restarts = _segment(Segment(DRI, interval.to_bytes(2, "big")))
        stream = b"".join((self.header.sized(size), restarts, self.scan, coded, END))
        return _decode(stream, (1, 1), strict=True)[0]


def _decode(data: bytes, min_size: tuple[int, int], *, strict: bool) -> tuple[str, NDArray[np.uint8] | None]:
    """Decodes a JPEG at the smallest scale that is not below a minimum size.

    Args:
        data: The encoded image.
        min_size: Minimum height and width, in pixels; (0, 0) decodes at full scale.
        strict: Whether a warning of libjpeg is an error.

    Returns:
        libjpeg's first error or, in strict mode, warning, and None; or an empty string and the pixels, (H, W, 3) uint8
        RGB.
    """
    height, width = min_size
    try:
        decoded = simplejpeg.decode_jpeg(data, "RGB", min_height=height, min_width=width, strict=strict)
    except ValueError as error:
        if "subsampling" in str(error):
            raise UnsupportedFormat("JPEG with this chroma subsampling is not supported: save it with 4:2:0") from None
        return str(error), None
    return "", np.asarray(decoded, np.uint8)
