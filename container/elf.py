"""Makes a shared library load without some of the libraries that it was linked with.

OpenCV's wheel is linked with FFmpeg for reading videos, which nothing here does, and FFmpeg with an OpenSSL of its own.
Deleting the files alone would break `import cv2`: the loader insists on every library that is named as needed. Here the
names are taken out of the two tables that the loader reads, and the symbols that came from there become weak, so that
they may be missing. Calling one would end the process; the tests decode and infer without.

Only what both architectures of the images are is understood: 64 bits, little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_LOAD, _DYNAMIC = 1, 2
_DYNSYM = 11
_NULL, _NEEDED, _STRTAB, _SYMTAB = 0, 1, 5, 6
_VERSYM, _VERNEED, _VERNEEDNUM = 0x6FFFFFF0, 0x6FFFFFFE, 0x6FFFFFFF
_GLOBAL = 1  # a symbol without a version
_WEAK = 2


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


class SharedLibrary:
    """The dynamic section of one shared library, changed in memory until `save`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = bytearray(path.read_bytes())
        if self._data[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path} is not a 64-bit little-endian ELF file")
        self._segments = list(self._program_headers())
        self._dynamic = next(each for each in self._segments if each.kind == _DYNAMIC)

    def needed(self) -> list[str]:
        """The names of the libraries that the loader will insist on."""
        return [self._name(value) for tag, value in self._entries() if tag == _NEEDED]

    def drop(self, unwanted: Callable[[str], bool]) -> list[str]:
        """Stop needing the libraries whose name is `unwanted`; returns their names."""
        dropped = [name for name in self.needed() if unwanted(name)]
        self._weaken(self._drop_versions(unwanted))
        kept = [(t, v) for t, v in self._entries() if not (t == _NEEDED and self._name(v) in dropped)]
        kept += [(_NULL, 0)] * len(dropped)
        for number, entry in enumerate(kept):
            struct.pack_into("<qQ", self._data, self._dynamic.offset + 16 * number, *entry)
        return dropped

    def save(self) -> None:
        """Write the file, as a new one: what is there may be a hard link into the package manager's cache."""
        mode = self._path.stat().st_mode
        self._path.unlink()
        self._path.write_bytes(self._data)
        self._path.chmod(mode)

    def _drop_versions(self, unwanted: Callable[[str], bool]) -> set[int]:
        """Unlink the versions that are asked of unwanted libraries; returns their indexes in the symbol versions."""
        tags = dict(self._entries())
        if _VERNEED not in tags:
            return set()
        place, previous, indexes, kept = self._offset(tags[_VERNEED]), None, set[int](), 0
        while True:
            _, count, file, first, following = struct.unpack_from("<HHIII", self._data, place)
            if unwanted(self._name(file)):
                if previous is None:  # never so in what linkers write: the C library's own entries are there, too
                    raise ValueError(f"{self._path}: the first library in the version table is an unwanted one")
                version = place + first
                for _ in range(count):
                    _, _, index, _, step = struct.unpack_from("<IHHII", self._data, version)
                    indexes.add(index & 0x7FFF)
                    version += step
                # The entry before leads to the one behind.
                behind = place + following - previous if following else 0
                struct.pack_into("<I", self._data, previous + 12, behind)
            else:
                previous, kept = place, kept + 1
            if not following:
                break
            place += following
        self._set(_VERNEEDNUM, kept)
        struct.pack_into(
            "<I", self._data, self._section(_VERNEED) + 44, kept
        )  # the same number for tools such as readelf
        return indexes

    def _weaken(self, versions: set[int]) -> None:
        """Let the symbols with these version indexes be missing."""
        if not versions:
            return
        tags = dict(self._entries())
        table, symbols = self._offset(tags[_VERSYM]), self._offset(tags[_SYMTAB])
        for number in range(self._symbols()):
            (version,) = struct.unpack_from("<H", self._data, table + 2 * number)
            if version & 0x7FFF in versions:
                info = symbols + 24 * number + 4
                self._data[info] = (_WEAK << 4) | (self._data[info] & 0xF)
                struct.pack_into("<H", self._data, table + 2 * number, _GLOBAL)

    def _symbols(self) -> int:
        """How many symbols there are for the loader, which only the section headers say plainly."""
        size, entry = struct.unpack_from("<Q16xQ", self._data, self._section(_DYNSYM) + 32)
        return int(size // entry)

    def _section(self, kind: int) -> int:
        """Where the header of the only section of this type is."""
        (start,) = struct.unpack_from("<Q", self._data, 40)
        size, count = struct.unpack_from("<HH", self._data, 58)
        for place in range(start, start + size * count, size):
            if struct.unpack_from("<I", self._data, place + 4) == (kind,):
                return place
        raise ValueError(f"{self._path} has no section of the type {kind:#x}")

    def _program_headers(self) -> Iterator[_Segment]:
        (start,) = struct.unpack_from("<Q", self._data, 32)
        size, count = struct.unpack_from("<HH", self._data, 54)
        for number in range(count):
            kind, _, offset, address, _, in_file, _, _ = struct.unpack_from(
                "<IIQQQQQQ", self._data, start + size * number
            )
            yield _Segment(kind, offset, address, in_file)

    def _entries(self) -> Iterator[tuple[int, int]]:
        place = self._dynamic.offset
        while True:
            tag, value = struct.unpack_from("<qQ", self._data, place)
            if tag == _NULL:
                return
            yield tag, value
            place += 16

    def _set(self, tag: int, value: int) -> None:
        number = [each for each, _ in self._entries()].index(tag)
        struct.pack_into("<Q", self._data, self._dynamic.offset + 16 * number + 8, value)

    def _offset(self, address: int) -> int:
        for each in self._segments:
            if each.kind == _LOAD and each.address <= address < each.address + each.size:
                return address - each.address + each.offset
        raise ValueError(f"{self._path}: nothing of the file is loaded at {address:#x}")

    def _name(self, index: int) -> str:
        start = self._offset(dict(self._entries())[_STRTAB]) + index
        return self._data[start : self._data.index(b"\0", start)].decode()
