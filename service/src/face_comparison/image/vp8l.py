"""Counts the sets of prefix codes in lossless WebP data (VP8L, "WebP Lossless Bitstream Specification").

A decoder builds tables of several kilobytes for every set. An image may have a set for every 4 x 4 pixels, which takes
only a few bytes: 300 kB can make libwebp allocate 370 MB. The number is in the small image that assigns the sets to
blocks of pixels, behind those that describe the transforms. Only these are read here, and only so much of them as
encoders write.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

_MAX_SETS, _MAX_CACHE = 1 << 16, 1 << 11
_MIN_BLOCK_BITS = 2
_MAX_PIXELS, _FEW_PIXELS, _SHARE = 40_000, 2_000, 16
_MAX_PIXELS_OF_LARGE, _SHARE_OF_LARGE = 200_000, 120
"""Maximum number of pixels to read, in all, and for a small image: a few, and one for each `_SHARE` of its own. libwebp
writes up to 2,600 for the sets, and 16,384 for each of two transforms. Before version 1.5, it wrote one for every 16 x
16 pixels: a large image has more."""
_MAX_TRANSFORMS = 4
_PREDICTOR, _CROSS_COLOR, _COLOR_TABLE = 0, 1, 3
_LITERALS, _COPIES, _DISTANCES = 256, 24, 40
"""Symbols for values of a color, for lengths of copies, and for their distances."""
_LONGEST_PIXEL = 4 * 15
"""Maximum number of bits of a pixel: a prefix code has up to 15."""
_LENGTH_ORDER = (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
_REPEATS = {16: (2, 3), 17: (3, 3), 18: (7, 11)}
"""Extra bits and minimum count of the symbols that repeat a code length: the previous one, or zero."""

_SET_BYTES, _ENTRY_BYTES, _ENTRIES = 640, 4, 2954
"""Memory of a set: a record, and tables whose entries are at most these and one per color of the cache."""


def table_bytes(stream: bytes, width: int, height: int) -> int:
    """Returns an upper bound of the memory that a decoder takes for prefix codes.

    Args:
        stream: The data after the signature and the size of the image.
        width: Width in pixels.
        height: Height in pixels.
    """
    try:
        sets, cache = _Reader(stream, _max_pixels(width * height)).sets(width, height)
    except _TooShort:
        sets, cache = 1, 0  # the decoder stops before it builds tables
    except _TooLong:
        sets, cache = min(_MAX_SETS, _blocks(width, height, _MIN_BLOCK_BITS)), _MAX_CACHE
    return sets * (_SET_BYTES + _ENTRY_BYTES * (_ENTRIES + cache))


def _max_pixels(area: int) -> int:
    few = min(_MAX_PIXELS, _FEW_PIXELS + area // _SHARE)
    return max(few, min(_MAX_PIXELS_OF_LARGE, area // _SHARE_OF_LARGE))


class _TooLong(Exception):
    """The images before the pixels are larger than encoders write them."""


class _TooShort(Exception):
    """The data ends within the images before the pixels."""


class _Reader:
    """Reads bits, the least significant first. Raises _TooShort after the end, where a few are zeros."""

    def __init__(self, data: bytes, max_pixels: int) -> None:
        self._data, self._at, self._held, self._count = data, 0, 0, 0
        self._pixels = max_pixels

    def sets(self, width: int, height: int) -> tuple[int, int]:
        """Returns the number of sets of prefix codes, and of colors in the cache. Raises _TooLong."""
        for _ in range(_MAX_TRANSFORMS):
            if not self._bits(1):
                break
            kind = self._bits(2)
            if kind in (_PREDICTOR, _CROSS_COLOR):
                self._read_image(_blocks(width, height, self._bits(3) + 2))
            elif kind == _COLOR_TABLE:
                colors = self._bits(8) + 1
                self._read_image(colors)
                packed = next((bits for bits, most in ((3, 2), (2, 4), (1, 16)) if colors <= most), 0)
                width = -(-width >> packed)
        cache = self._cache()
        if not self._bits(1):
            return 1, cache
        blocks = _blocks(width, height, self._bits(3) + 2)
        return min(self._read_image(blocks) + 1, blocks), cache

    def _bits(self, count: int) -> int:
        value = self._peek(count)
        self._drop(count)
        return value

    def _peek(self, count: int) -> int:
        if self._count < count:
            self._fill()
        return self._held & (1 << count) - 1

    def _fill(self) -> None:
        if self._at > len(self._data) + 8:
            raise _TooShort
        self._held |= int.from_bytes(self._data[self._at : self._at + 8], "little") << self._count
        self._at += 8
        self._count += 64

    def _drop(self, count: int) -> None:
        self._held >>= count
        self._count -= count

    def _cache(self) -> int:
        return min(1 << self._bits(4), _MAX_CACHE) if self._bits(1) else 0

    def _read_image(self, pixels: int) -> int:
        """Reads an image and returns the largest red * 256 + green. Copies and cached colors repeat earlier pixels."""
        sizes = (_LITERALS + _COPIES + self._cache(), _LITERALS, _LITERALS, _LITERALS, _DISTANCES)
        green, red, blue, alpha, distance = (self._code(size) for size in sizes)
        if all(len(code) == 1 for code in (green, red, blue, alpha)):  # all pixels are alike
            return red[0][0] << 8 | green[0][0]
        is_colored = any(len(code) > 1 for code in (red, blue, alpha))
        masks = [len(code) - 1 for code in (green, red, blue, alpha)]
        largest, first_red = 0, red[0][0]
        while pixels > 0:
            self._pixels -= 1
            if self._pixels < 0:
                raise _TooLong
            if self._count < _LONGEST_PIXEL:
                self._fill()
            held = self._held
            symbol, used = green[held & masks[0]]
            if symbol >= _LITERALS:
                self._drop(used)
                pixels -= self._copied(symbol, distance)
                continue
            value = first_red
            if is_colored:
                value, length = red[held >> used & masks[1]]
                used += length
                used += blue[held >> used & masks[2]][1]
                used += alpha[held >> used & masks[3]][1]
            self._held = held >> used
            self._count -= used
            largest = max(largest, value << 8 | symbol)
            pixels -= 1
        return largest

    def _copied(self, symbol: int, distance: list[tuple[int, int]]) -> int:
        """Returns the number of pixels that a symbol copies, from earlier ones or from the cache."""
        if symbol >= _LITERALS + _COPIES:
            return 1
        count = self._prefixed(symbol - _LITERALS)
        self._prefixed(self._symbol(distance))
        return count

    def _prefixed(self, symbol: int) -> int:
        """Returns the length or distance that a symbol and the bits after it stand for."""
        if symbol < 4:
            return symbol + 1
        extra = symbol - 2 >> 1
        return (2 + (symbol & 1) << extra) + self._bits(extra) + 1

    def _symbol(self, code: list[tuple[int, int]]) -> int:
        symbol, length = code[self._peek(len(code).bit_length() - 1)]
        self._drop(length)
        return symbol

    def _code(self, size: int) -> list[tuple[int, int]]:
        """Reads a prefix code for `size` symbols. Returns the symbol, and its length in bits, for every next bits."""
        if self._bits(1):
            second = self._bits(1)
            stored = [self._bits(8 if self._bits(1) else 1), *(self._bits(8) for _ in range(second))]
            symbols = sorted({symbol for symbol in stored if symbol < size} or {0})  # a decoder rejects others
            return [(symbol, len(symbols) - 1) for symbol in symbols]
        count = self._bits(4) + 4
        lengths = [0] * 19
        for symbol in _LENGTH_ORDER[:count]:
            lengths[symbol] = self._bits(3)
        of_lengths = _table(lengths)
        left = 2 + self._bits(2 + 2 * self._bits(3)) if self._bits(1) else size
        return _table(list(self._lengths(of_lengths, left, size)))

    def _lengths(self, code: list[tuple[int, int]], left: int, size: int) -> Iterator[int]:
        previous, yielded = 8, 0
        for _ in range(min(left, size)):
            symbol = self._symbol(code)
            extra, fewest = _REPEATS.get(symbol, (0, 1))
            count = fewest + self._bits(extra)
            length = symbol if symbol < 16 else previous if symbol == 16 else 0
            previous = symbol if 0 < symbol < 16 else previous
            yielded += count
            yield from [length] * min(count, size - yielded + count)
            if yielded >= size:
                return


def _table(lengths: list[int]) -> list[tuple[int, int]]:
    """Returns the symbol and the length of its code for every value of the next bits."""
    used = sorted((length, symbol) for symbol, length in enumerate(lengths) if length)
    if len(used) < 2:
        return [(used[0][1] if used else 0, 0)]
    longest = used[-1][0]
    table = [(0, 1)] * (1 << longest)
    starts = accumulate((1 << longest - length for length, _ in used), initial=0)
    for (length, symbol), start in zip(used, starts, strict=False):
        if start >= len(table):  # more codes than fit: the decoder rejects it
            break
        first = int(f"{start:0{longest}b}"[::-1], 2)
        table[first :: 1 << length] = [(symbol, length)] * len(range(first, len(table), 1 << length))
    return table


def _blocks(width: int, height: int, bits: int) -> int:
    return -(-width >> bits) * -(-height >> bits)
