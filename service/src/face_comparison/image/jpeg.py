"""JPEG: libjpeg-turbo in its strict mode, on a stream that holds only what pixels are decoded from.

libjpeg has one remark for what costs no pixel (an odd JFIF revision, color profiles cut to pieces, bytes between
segments) and for what does (data that ends early, a code that no table holds). What costs no pixel is therefore left
out or put right before it decodes, in strict mode: the header is written anew from the segments that matter. Two
remarks remain that are harmless by themselves: stray bytes behind coded data, and an odd order of progressive scans.
They may hide a worse one behind them, so the rest is then proven before the image is decoded without strict mode.

An image whose later scans are missing is an error, too: libjpeg shows it without complaint, coarse or without colors.
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
"""Adobe's color transforms by number of components; the second is what libjpeg takes for an unknown one."""
_LONGEST_HEADER = 16 * 1024
"""Of a JPEG whose restart intervals are decoded one by one, each behind the whole header; all tables take 3 kB."""
_SIZE_IN_FRAME = 5
"""Where height and width stand in a frame's segment: behind its marker, its length and the bits of a sample."""
_WHOLE_BLOCK = bytes((0, 63, 0))
"""First and last coefficient and their bits, as a sequential scan has them."""
_MORE = hashlib.sha512(b"").digest().replace(b"\xff", b"\x5a")
"""Codes to go on with, of no meaning."""


def dimensions(data: bytes) -> tuple[int, int, int]:
    """Width and height as stored, and EXIF orientation."""
    parts = walk(data, through_scans=False)
    shape = frame(parts)
    return shape.width, shape.height, orientation(parts)


def bytes_per_pixel(data: bytes) -> float:
    """Memory while the image is decoded: pixels, those turned upright, and coefficients where scans build on others."""
    parts = walk(data, through_scans=False)
    shape = frame(parts)
    if not shape.progressive and len(scans(parts)[0].components) == len(shape.components):
        return 7
    samples = sum(across * down for across, down in shape.sampling)
    return 10 + 2 * 64 * samples / (shape.unit[0] * shape.unit[1])


def pixels(data: bytes, width: int, height: int, reduce: int) -> NDArray[np.uint8]:
    """Decodes to (ceil(H / reduce), ceil(W / reduce), 3) RGB."""
    parts = walk(data, through_scans=True)
    shape = frame(parts)
    head = next(index for index, part in enumerate(parts) if isinstance(part, Coded))
    several = shape.progressive or len(scans(parts[:head])[0].components) < len(shape.components)
    if several:
        found = scans(parts)
        require_few_scans(len(found), shape)
        _require_all_scans(found, shape)
    interval = restart_interval(parts[:head])
    before = _header(parts[: head - 1], shape)
    header = before.sized()
    if not shape.progressive and not interval:
        header += _distant_restarts(shape.blocks if several else shape.units)
    body = parts[head - 1 :] if several else parts[head - 1 : head + 1]
    least = (-(-height // reduce), -(-width // reduce)) if reduce > 1 else (0, 0)
    stream = header + _body(data, body, shape)
    said, decoded = _decode(stream, least, strict=True)
    if decoded is None:
        if not jpeg_restarts.STRAY.search(said) and _ODD_PROGRESSION not in said:
            raise CorruptImage(f"the JPEG is damaged: {said}")
        if several:
            _require_whole_scans(stream, header + _body(data, body, shape, _MORE))
        elif interval:
            if len(header) > _LONGEST_HEADER:
                raise CorruptImage("the JPEG has stray bytes, and more tables than it can be checked with")
            strict = _StrictDecoder(before, _body(data, body[:1], shape).removesuffix(END))
            jpeg_restarts.verify_intervals(
                _body(data, body[1:], shape).removesuffix(END), shape, interval, strict.complaint
            )
        said, decoded = _decode(stream, least, strict=False)
    if decoded is None:
        raise CorruptImage(f"the JPEG is damaged: {said}")
    return decoded


@dataclass(frozen=True, slots=True)
class _Header:
    """What stands before the first scan header: before and behind the size of the image."""

    start: bytes
    size: bytes
    end: bytes

    def sized(self, size: tuple[int, int] | None = None) -> bytes:
        """The header, with another width and height where they are given."""
        return b"".join((self.start, struct.pack(">HH", size[1], size[0]) if size else self.size, self.end))


def _header(parts: Sequence[Part], shape: Frame) -> _Header:
    """What stands before the first scan header, reduced to what pixels are decoded from."""
    pieces, at = [START], len(START)
    for part in parts:
        if not isinstance(part, Segment):
            continue
        piece = _segment(part) if part.marker in _TABLES else _color_space(part, len(shape.components))
        if part.marker in SOF:
            at = sum(map(len, pieces)) + _SIZE_IN_FRAME
        pieces.append(piece)
    whole = b"".join(pieces)
    return _Header(whole[:at], whole[at : at + 4], whole[at + 4 :])


def _body(data: bytes, parts: Sequence[Part], shape: Frame, more: bytes = b"") -> bytes:
    """Scans, tables between them and the end marker; `more` stands behind the coded data of each scan."""
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
    """Returns the segments that tell libjpeg what the components are, in a spelling that it has no remark for."""
    content = segment.content
    if segment.marker == APP0 and content.startswith(_JFIF) and len(content) >= len(_PLAIN_JFIF):
        return _segment(Segment(APP0, _PLAIN_JFIF))
    if segment.marker == APP14 and content.startswith(_ADOBE) and len(content) >= 12:
        known = _TRANSFORMS[components]
        transform = content[11] if content[11] in known else known[-1]
        return _segment(Segment(APP14, content[:11] + bytes((transform,))))
    return b""


def _distant_restarts(units: int) -> bytes:
    """Returns a segment that makes libjpeg-turbo use the decoder that checks every code.

    It takes a fast one, which reads a code that no table holds as a zero, wherever no restart markers are announced.
    So they are announced, further apart than the image has coding units. 65,535 of them can be said; in a larger
    image bad codes show by their consequences alone. Costs 2-4 % of the decoding.
    """
    return b"\xff\xdd\0\4\xff\xff" if units <= 0xFFFF else b""


def _require_all_scans(found: Sequence[Scan], shape: Frame) -> None:
    """Every component must get all its coefficients: in one sequential scan, or in bands over several."""
    arrived = dict.fromkeys(shape.components, 0)
    for scan in found:
        for component in scan.components:
            coefficients = scan.coefficients if shape.progressive else ALL_COEFFICIENTS
            arrived[component] = arrived.get(component, 0) | coefficients
    if any(coefficients & ALL_COEFFICIENTS != ALL_COEFFICIENTS for coefficients in arrived.values()):
        raise CorruptImage("the JPEG ends early: some of its scans are missing")


def _require_whole_scans(stream: bytes, followed: bytes) -> None:
    """Raises CorruptImage if a scan ends early.

    Scans build on one another and cannot be decoded for themselves. But one that ends early changes with what follows
    its data; one that is whole does not.
    """
    _, alone = _decode(stream, (0, 0), strict=False)
    _, other = _decode(followed, (0, 0), strict=False)
    if alone is None or other is None or not np.array_equal(alone, other):
        raise CorruptImage("the JPEG is damaged: the data of a scan ends early")


@dataclass(frozen=True, slots=True)
class _StrictDecoder:
    """Decodes parts of a JPEG's coded data by themselves. header, scan: what stands before them in the JPEG."""

    header: _Header
    scan: bytes

    def complaint(self, coded: bytes, interval: int, size: tuple[int, int]) -> str:
        """Returns the first complaint of libjpeg about coded data of `size` pixels; empty if it has none."""
        restarts = _segment(Segment(DRI, interval.to_bytes(2, "big")))
        stream = b"".join((self.header.sized(size), restarts, self.scan, coded, END))
        return _decode(stream, (1, 1), strict=True)[0]


def _decode(data: bytes, least: tuple[int, int], *, strict: bool) -> tuple[str, NDArray[np.uint8] | None]:
    """Returns libjpeg's first complaint, or the pixels at the smallest scale that is not below `least` (0: full)."""
    height, width = least
    try:
        decoded = simplejpeg.decode_jpeg(data, "RGB", min_height=height, min_width=width, strict=strict)
    except ValueError as error:
        if "subsampling" in str(error):
            raise UnsupportedFormat("JPEG with this chroma subsampling is not supported: save it with 4:2:0") from None
        return str(error), None
    return "", np.asarray(decoded, np.uint8)
