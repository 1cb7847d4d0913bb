"""Where the coded data of a JPEG's only scan really ends, found by reading its codes one by one without decoding.

libjpeg-turbo can tell that bytes are left over, not whether they are strays: damage in the middle of a scan mostly
ends the same way, with the last blocks left over, and its fast decoder takes bad codes for good ones. Here every code
is held to its table and every block to its 64 coefficients. In Python that takes a second for some 2 MB: it is meant
for the few pictures with bytes left over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from face_comparison.errors import CorruptImage
from face_comparison.image.jpeg_markers import END, Frame, Walk, restart_interval, walk

_DHT = 0xC4
_RESTART = re.compile(rb"\xff([\xd0-\xd7])", re.DOTALL)
_MAX_CODED = 4 << 20
"""Bytes of coded data that are read; bounds the time."""

_AC = 0x10
_COUNTS = 17  # a table's class and number, and how many codes it has of each length
_LONG_RUN = 0xF0
_END_OF_BLOCK = 128  # more coefficients than any block lacks
_LOOKAHEAD = 256  # zeros behind the data: more than a block of the longest codes and values


@dataclass(frozen=True, slots=True)
class _Codes:
    """For the blocks of a component: what the next 16 bits begin with; 0 where that is no code of the table.

    dc: bits of a code and its value. ac: the same, and 64 times the coefficients that they bring.
    """

    dc: list[int]
    ac: list[int]


class _DamageError(Exception):
    pass


def without_strays(data: bytes, frame: Frame) -> bytes:
    """The same picture with each interval of its coded data cut where its last block ends.

    data: a sequential JPEG of one scan. Raises CorruptImage when a code or a block is not whole, when the intervals
    are not those that the header announces, or when what is left over reads like more of the picture.
    """
    header = walk(data, through_scans=False)
    start, end = walk(data, through_scans=True).scans[0]
    if end - start > _MAX_CODED:
        raise CorruptImage("the JPEG has stray bytes, and too many others to tell them from its pixels")
    units = -(-frame.width // frame.unit[0]) * -(-frame.height // frame.unit[1])
    interval = restart_interval(data, header) or units
    marks = list(_RESTART.finditer(data, start, end))
    numbered = all(mark[1][0] & 7 == index & 7 for index, mark in enumerate(marks))
    if not numbered or len(marks) + 1 != -(-units // interval):
        raise CorruptImage("the JPEG is damaged: restart markers are missing or doubled")
    blocks = _blocks(data, header, frame)
    cleaned = [bytes(data[:start])]
    for index, mark in enumerate([*marks, None]):
        coded = bytes(data[start : mark.start() if mark else end]).replace(b"\xff\0", b"\xff")
        try:
            used = _length(coded, blocks, min(interval, units - index * interval))
        except _DamageError as error:
            raise CorruptImage(f"the JPEG is damaged: {error}") from None
        cleaned += [coded[:used].replace(b"\xff", b"\xff\0"), mark[0] if mark else END]
        start = mark.end() if mark else end
    return b"".join(cleaned)


def _length(coded: bytes, blocks: list[_Codes], units: int) -> int:
    """Bytes that `units` coding units take, the last one filled up with ones."""
    padded = np.frombuffer(coded + bytes(_LOOKAHEAD), np.uint8).astype(np.uint32)
    words = (padded[:-2] << 16 | padded[1:-1] << 8 | padded[2:]).data  # 24 bits from each byte on
    at = 0
    for _ in range(units):
        at = _after_unit(words, at, blocks)
    used = -(-at // 8)
    if used > len(coded):
        raise _DamageError("its data ends early")
    if not _only_ones(coded, at, used) or (used < len(coded) and _reads_on(coded, words, at, blocks)):
        raise _DamageError("blocks are left over")
    return used


def _after_unit(words: memoryview, at: int, blocks: list[_Codes]) -> int:
    """The bit after the coding unit that begins at bit `at`."""
    for codes in blocks:
        if at > 8 * (len(words) - _LOOKAHEAD + 2):
            raise _DamageError("its data ends early")
        step = codes.dc[words[at >> 3] >> (8 - (at & 7)) & 0xFFFF]
        if not step:
            raise _DamageError("bad Huffman code")
        at += step
        coefficients = 1
        while coefficients < 64:
            step = codes.ac[words[at >> 3] >> (8 - (at & 7)) & 0xFFFF]
            if not step:
                raise _DamageError("bad Huffman code")
            at += step & 63
            coefficients += step >> 6
        if 64 < coefficients < _END_OF_BLOCK:
            raise _DamageError("a block has more than 64 coefficients")
    return at


def _only_ones(coded: bytes, at: int, end: int) -> bool:
    """Whether the bits from `at` to the end of byte `end` (exclusive) are ones, and fewer than eight."""
    spare = 8 * end - at
    ones = (1 << spare) - 1
    return not spare or (spare < 8 and coded[end - 1] & ones == ones)


def _reads_on(coded: bytes, words: memoryview, at: int, blocks: list[_Codes]) -> bool:
    """Whether what follows bit `at` is whole coding units up to the very end."""
    try:
        while at <= 8 * (len(coded) - 1):
            at = _after_unit(words, at, blocks)
    except _DamageError:
        return False
    return at <= 8 * len(coded) and _only_ones(coded, at, len(coded))


def _blocks(data: bytes, header: Walk, frame: Frame) -> list[_Codes]:
    """The blocks of a coding unit in their order."""
    tables: dict[int, list[int]] = {}
    for segment in header.segments:
        if segment.marker == _DHT:
            tables |= _tables(bytes(data[segment.start : segment.end]))
    scan = header.segments[-1]
    content = bytes(data[scan.start : scan.end])
    sampling = dict(zip(frame.components, frame.sampling, strict=True))
    blocks = []
    try:
        for component, chosen in zip(content[1:-3:2], content[2:-3:2], strict=True):
            across, down = sampling[component] if len(frame.components) > 1 else (1, 1)
            blocks += [_Codes(tables[chosen >> 4], tables[_AC | chosen & 15])] * (across * down)
    except KeyError:
        raise CorruptImage("the JPEG refers to a table or a component that it does not have") from None
    return blocks


def _tables(content: bytes) -> dict[int, list[int]]:
    """The tables of a segment by class (bit 4: of later coefficients) and number."""
    found = {}
    while len(content) > _COUNTS:
        kind, counts = content[0], content[1:_COUNTS]
        symbols, content = content[_COUNTS : _COUNTS + sum(counts)], content[_COUNTS + sum(counts) :]
        table, code, index = np.zeros(1 << 16, np.int32), 0, 0
        for length, count in enumerate(counts, 1):
            for symbol in symbols[index : index + count]:
                begin = code << (16 - length)
                table[begin : begin + (1 << (16 - length))] = length + (symbol & 15) + 64 * _brought(kind, symbol)
                code += 1
            index += count
            code <<= 1
        found[kind] = table.tolist()
    return found


def _brought(kind: int, symbol: int) -> int:
    """Coefficients that a symbol stands for: a run of zeros and a value, a long run, or all the rest."""
    if not kind & _AC:
        return 0
    return _END_OF_BLOCK if symbol & 15 == 0 and symbol != _LONG_RUN else (symbol >> 4) + 1
