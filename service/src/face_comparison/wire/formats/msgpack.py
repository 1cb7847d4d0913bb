"""Reads MessagePack bodies. Images and hashes are bytes, which are not copied until they are needed."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from msgspec import Raw

from face_comparison.api.limits import HASH_SIZE, MAX_TARGETS
from face_comparison.errors import InvalidFaceHash, InvalidParameter
from face_comparison.wire import base64_text
from face_comparison.wire.formats.shapes import (
    MAX_ITEMS,
    Buffer,
    InlineImage,
    S,
    check_count,
    image_or_base64,
    items,
    short,
    too_many,
)

_CONTAINERS = ("Metadata",)
"""Values that may contain others. An empty map of one byte becomes an object of 64 bytes."""


class MessagePackBody:
    """One MessagePack body."""

    def __init__(self, body: Buffer) -> None:
        self._body = body

    def decode_root(self, shape: type[S]) -> S:
        return self.decode_object(self._body, shape)

    def decode_object(self, raw: Buffer | Raw, shape: type[S]) -> S:
        try:
            return msgspec.msgpack.decode(raw, type=shape)
        except msgspec.ValidationError as error:
            raise InvalidParameter("the body must be a MessagePack map with text keys") from error
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise InvalidParameter("the body is not valid MessagePack, or nested too deeply") from error

    def is_present(self, raw: Raw) -> bool:
        return bytes(memoryview(raw)[:2]) not in (b"", b"\xc0")

    def value(self, name: str, raw: Raw) -> Any:
        if not self.is_present(raw):
            return None
        try:
            short(name, raw)
            if name not in MAX_ITEMS:
                if name not in _CONTAINERS and _is_container(raw):
                    raise InvalidParameter(f"{name} must be a single value, not an array or a map")
                return msgspec.msgpack.decode(raw)
            check_count(name, _item_count(raw))
            # With a type, lists of lists are rejected before they are built: a byte would become an object of 64 bytes.
            return msgspec.msgpack.decode(raw, type=list[float] | bytes if name == "face_hash" else list[str])
        except msgspec.ValidationError:
            if name == "face_hash":
                raise InvalidFaceHash(f"face_hash must be an array of {HASH_SIZE} numbers") from None
            if name not in MAX_ITEMS:
                raise InvalidParameter(f"{name} is not valid MessagePack") from None
            raise InvalidParameter(f"{name} must be an array of at least one id, and each id a string") from None
        except (msgspec.DecodeError, RecursionError, UnicodeError, OverflowError, ValueError):
            raise InvalidParameter(f"{name} is not valid MessagePack") from None

    def image(self, raw: Raw) -> Any:
        kind = memoryview(raw)[0]
        if kind in b"\xc4\xc5\xc6":  # bin 8, 16, 32
            return InlineImage(lambda: image_or_base64(msgspec.msgpack.decode(raw, type=bytes)))
        if kind in b"\xd9\xda\xdb" or 0xA0 < kind <= 0xBF:  # str 8, 16, 32, or short and not empty
            return InlineImage(partial(base64_text.decode, _text(raw)))
        return self.value("img", raw) or None

    def items(self, raw: Raw) -> list[Raw]:
        if _item_count(raw) > MAX_TARGETS:
            raise too_many()
        return items(msgspec.msgpack.Decoder(list[Raw]), raw)


def _is_container(raw: Raw) -> bool:
    kind = memoryview(raw)[0]
    return 0x80 <= kind <= 0x9F or 0xDC <= kind <= 0xDF  # maps and arrays, short and long


def _item_count(raw: Raw) -> int:
    """Returns how many items an array declares, or a number below 16 for anything shorter."""
    head = bytes(memoryview(raw)[:5])
    return int.from_bytes(head[1 : {0xDC: 3, 0xDD: 5}.get(head[0], 1)])  # array 16 and array 32


def _text(raw: Raw) -> memoryview:
    """Returns the bytes of a string without a copy; as `str`, a single emoji would make it take four times as much."""
    view = memoryview(raw)
    return view[{0xD9: 2, 0xDA: 3, 0xDB: 5}.get(view[0], 1) :]
