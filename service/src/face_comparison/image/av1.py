"""Reads the size that AV1 data decodes to. The sequence header states it; the AVIF file around it may differ.

A decoder allocates memory for that size, whatever size the file claims: 800 bytes that claim 64 x 64 pixels can hold
16384 x 16384. libaom rejects frames that are larger than their sequence header says.
"""

from __future__ import annotations

from collections.abc import Iterator

from face_comparison.errors import CorruptImage

_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME = 1, 3, 6
_MAX_UNITS = 64
"""Maximum number of OBUs (open bitstream units) in a coded image; encoders write three or four."""


def largest_frame(data: bytes) -> tuple[int, int]:
    """Returns width and height of the largest frame that the data may hold; (0, 0) without a sequence header.

    Raises:
        CorruptImage: The data consists of more units than a still image does.
    """
    found = (0, 0)
    for kind, at, size in _units(data):
        if kind == _SEQUENCE_HEADER:
            width, height = _frame_size(data[at : at + min(size, 1024)])
            found = max(found[0], width), max(found[1], height)
    return found


def count_frames(data: bytes) -> int:
    """Returns the number of frames, shown or not. A still image has one, or one per layer; a decoder decodes all.

    Raises:
        CorruptImage: The data consists of more units than a still image does.
    """
    return sum(kind in (_FRAME_HEADER, _FRAME) for kind, _, _ in _units(data))


def _units(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields the type of each unit, and the offset and size of its content."""
    at = 0
    for _ in range(_MAX_UNITS):
        if at >= len(data):
            return
        head = data[at]
        at += 2 if head & 4 else 1
        size, at = _leb128(data, at) if head & 2 else (len(data) - at, at)
        yield head >> 3 & 15, at, size
        at += size
    raise CorruptImage(f"the AVIF's image consists of more than {_MAX_UNITS} units")


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """Decodes a variable-length number (LEB128). Returns the number and the offset after it."""
    value = 0
    for index, byte in enumerate(data[at : at + 8]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, at + index + 1
    return value, at + 8


class _Bits:
    """Reads numbers bit by bit, the most significant bit first. Past the end, it reads zeros."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, count: int) -> int:
        self._left -= count
        shifted = self._value >> self._left if self._left >= 0 else self._value << -self._left
        return shifted & (1 << count) - 1

    def skip_uvlc(self) -> None:
        """Skips a number in variable-length coding (`uvlc()` in the AV1 specification, Exponential-Golomb)."""
        zeros = 0
        while zeros < 32 and not self.read(1):
            zeros += 1
        self.read(zeros if zeros < 32 else 0)


def _frame_size(header: bytes) -> tuple[int, int]:
    """Parses a sequence header (section 5.5 of the AV1 specification) up to the maximum frame size."""
    bits = _Bits(header)
    bits.read(3 + 1)  # profile, still picture
    if bits.read(1):  # reduced header
        bits.read(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    return bits.read(width_bits) + 1, bits.read(height_bits) + 1


def _skip_operating_points(bits: _Bits) -> None:
    delay_bits = 0
    if bits.read(1):  # timing
        bits.read(32 + 32)
        if bits.read(1):
            bits.skip_uvlc()
        if bits.read(1):  # decoder model
            delay_bits = bits.read(5) + 1
            bits.read(32 + 5 + 5)
    delays = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if delay_bits and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if delays and bits.read(1):
            bits.read(4)
