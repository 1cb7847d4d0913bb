"""Extracts the coded data of the items that make up a HEIF file's primary image: itself, its tiles, its alpha plane."""

from __future__ import annotations

from collections.abc import Iterator

from face_comparison.errors import CorruptImage
from face_comparison.image.isobmff import boxes, first_box

_ROUNDS = 3
"""Depth of the search for related items: the image, its alpha plane, and the tiles of both."""
_MAX_ITEMS, _MAX_PARTS = 8192, 64
"""Maximum number of items in the file, and of extents per item."""


def coded_items(data: bytes, kind: bytes) -> Iterator[bytes]:
    """Yields the data of each item of a type that is needed to decode the primary image.

    Args:
        data: The file.
        kind: The item type, for example `b"av01"`.

    Raises:
        CorruptImage: The boxes are damaged, or the items refer to more data than the file has.
    """
    meta = first_box(data, 0, len(data), b"meta")
    if meta is None:
        return
    found = {name: (start, end) for name, start, end in boxes(data, meta[0] + 4, meta[1])}
    start, _ = found.get(b"pitm", (0, 0))
    primary = _number(data, start + 4, 4 if data[start] else 2)
    needed = _needed(data, *found.get(b"iref", (0, 0)), primary)
    selected = {item for item, name in _kinds(data, *found.get(b"iinf", (0, 0))) if name == kind and item in needed}
    idat = found.get(b"idat", (0, 0))
    budget = 2 * len(data)
    for extents in _locations(data, *found.get(b"iloc", (0, 0)), selected):
        parts = []
        for method, offset, length in extents:
            first, last = (idat[0] + offset, idat[1]) if method == 1 else (offset, len(data))
            parts.append(bytes(data[first : min(last, first + length) if length else last]))
            budget -= len(parts[-1])
            if budget < 0:
                raise CorruptImage("the file's image is made of more data than there is")
        yield b"".join(parts)


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _needed(data: bytes, start: int, end: int, primary: int) -> set[int]:
    """Returns the primary image, the tiles that it is derived from, and the auxiliary images of these."""
    id_bytes = 4 if start < end and data[start] else 2
    references = []
    for kind, at, last in boxes(data, start + 4, end):
        count = min(_number(data, at + id_bytes, 2), (last - at) // id_bytes)
        places = range(at + id_bytes + 2, at + id_bytes + 2 + count * id_bytes, id_bytes)
        references.append((kind, _number(data, at, id_bytes), {_number(data, place, id_bytes) for place in places}))
    needed = {primary}
    for _ in range(_ROUNDS):
        for kind, item, others in references:
            if kind == b"dimg" and item in needed:
                needed |= others
            elif kind == b"auxl" and needed & others:
                needed.add(item)
    return needed


def _kinds(data: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    at = start + (8 if start < end and data[start] else 6)
    for kind, first, _ in boxes(data, at, end):
        if kind == b"infe":
            id_bytes = 4 if data[first] > 2 else 2
            yield _number(data, first + 4, id_bytes), bytes(data[first + 6 + id_bytes : first + 10 + id_bytes])


def _locations(data: bytes, start: int, end: int, selected: set[int]) -> Iterator[list[tuple[int, int, int]]]:
    """Yields construction method, offset and length of each extent of each wanted item."""
    version = data[start] if start < end else 0
    sizes = _number(data, start + 4, 2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    id_bytes = 4 if version > 1 else 2
    count, at = _number(data, start + 6, id_bytes), start + 6 + id_bytes
    for _ in range(min(count, _MAX_ITEMS)):
        item, at = _number(data, at, id_bytes), at + id_bytes
        method = _number(data, at, 2) & 15 if version else 0
        at += 4 if version else 2
        base, at = _number(data, at, base_size), at + base_size
        parts, at = _number(data, at, 2), at + 2
        step = index_size + offset_size + length_size
        if at + parts * step > end or (item in selected and parts > _MAX_PARTS):
            raise CorruptImage("the file ends early, or a length in it is wrong")
        if item in selected:
            places = [at + index_size + part * step for part in range(parts)]
            yield [
                (method, base + _number(data, place, offset_size), _number(data, place + offset_size, length_size))
                for place in places
            ]
        at += parts * step
