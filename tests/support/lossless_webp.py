"""Lossless WebP written bit by bit, because encoders of this version write no such files."""

from __future__ import annotations

import struct

from PIL import Image

from devtools.photos import kinds

SETS = 1 << 16
"""The maximum number of sets of an image."""


class _Bits:
    """Writes bits, the least significant first."""

    def __init__(self) -> None:
        self._held, self._count = 0, 0

    def write(self, value: int, count: int) -> None:
        self._held |= value << self._count
        self._count += count

    def done(self) -> bytes:
        return self._held.to_bytes(self._count // 8 + 8, "little")


def _code_of_bytes(bits: _Bits, *, limited: bool) -> None:
    """Writes a code of 8 bits for each of the first 256 symbols."""
    bits.write(0, 1)
    bits.write(12 - 4, 4)
    bits.write(1 << 3 * 11, 12 * 3)  # the 12th length is that of the symbol 8, the only one used
    bits.write(1 | 3 << 1 | 254 << 4 if limited else 0, 12 if limited else 1)


def _reversed(byte: int) -> int:
    return int(f"{byte:08b}"[::-1], 2)


def codes(width: int, height: int) -> bytes:
    """Returns the data after the size: as many sets of codes as possible, each with one symbol per code."""
    blocks, bits = -(-width // 4) * -(-height // 4), _Bits()
    bits.write(0b000_1_0_0, 6)  # no transforms, no cache, sets for blocks of 4 x 4
    bits.write(0, 1)  # the image of their numbers has no cache either
    _code_of_bytes(bits, limited=True)
    _code_of_bytes(bits, limited=False)
    bits.write(0x111, 12)
    numbers = b"".join(bytes((_reversed(each & 255), _reversed(each >> 8 & 255))) for each in range(blocks))
    bits.write(int.from_bytes(numbers, "little"), 16 * blocks)
    sets = min(blocks, SETS)
    codes_of_zero = int.from_bytes(b"\x11" * (5 * sets // 2 + 1), "little")
    bits.write(codes_of_zero & (1 << 20 * sets) - 1, 20 * sets)
    return bits.done()


def _file(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def many_codes(width: int, height: int) -> bytes:
    """Returns an image that is valid, black, and small as a file."""
    return image_of(codes(width, height), width, height)


def many_transforms(width: int, height: int) -> bytes:
    """Returns the data after the size: predictors and colors for blocks of 16 x 16, as libwebp wrote before 1.5."""
    blocks, bits = -(-width // 16) * -(-height // 16), _Bits()
    for kind in (0, 1):
        bits.write(1 | kind << 1 | 2 << 3, 6)
        bits.write(0, 1)  # no cache
        bits.write(0b0011 | 1 << 4, 4 + 8)  # green is 0 or 1
        bits.write(0x1111, 16)  # the others are 0
        bits.write(int.from_bytes(b"\x55" * (blocks // 8 + 1), "little") & (1 << blocks) - 1, blocks)
    bits.write(0, 3)  # no further transform, no cache, and one set of codes
    bits.write(0x11111, 20)
    return bits.done()


def image_of(stream: bytes, width: int, height: int) -> bytes:
    """Returns a file with this data after the size."""
    return _file((b"VP8L", b"\x2f" + (width - 1 | height - 1 << 14).to_bytes(4, "little") + stream))


def many_alphas(width: int, height: int, count: int) -> bytes:
    """Returns an animation whose only frame has several chunks with the transparency of `many_codes_of_alpha`."""
    still = many_codes_of_alpha(width, height)
    alpha, lossy = still.index(b"ALPH"), still.index(b"VP8 ")
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    frame = bytes(6) + size + bytes(4) + still[alpha:lossy] * count + still[lossy:]
    return _file((b"VP8X", b"\x12\0\0\0" + size), (b"ANIM", bytes(6)), (b"ANMF", frame))


def many_codes_of_alpha(width: int, height: int) -> bytes:
    """Returns a lossy image with such data for its transparency."""
    lossy = kinds.encode(Image.new("RGB", (width, height)), "WEBP", method=0)
    at = lossy.index(b"VP8 ")
    image = lossy[at + 8 : at + 8 + int.from_bytes(lossy[at + 4 : at + 8], "little")]
    header = bytes((0x10, 0, 0, 0)) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return _file((b"VP8X", header), (b"ALPH", b"\1" + codes(width, height)), (b"VP8 ", image))
