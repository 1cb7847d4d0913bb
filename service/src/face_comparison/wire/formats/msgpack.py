"""Reads MessagePack bodies. Images and hashes are bytes, which are not copied until they are needed."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from msgspec import Raw

from face_comparison.api.limits import MAX_TARGETS
from face_comparison.errors import InvalidParameter
from face_comparison.wire import base64_text
from face_comparison.wire.formats.shapes import Buffer, Inline, S, items, short, too_many


class MessagePackNotation:
    """One MessagePack body."""

    def __init__(self, body: Buffer) -> None:
        self._body = body

    def root(self, shape: type[S]) -> S:
        return self.shaped(self._body, shape)

    def shaped(self, raw: Buffer | Raw, shape: type[S]) -> S:
        try:
            return msgspec.msgpack.decode(raw, type=shape)
        except msgspec.ValidationError as error:
            raise InvalidParameter("the body must be a MessagePack map with text keys") from error
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise InvalidParameter("the body is not valid MessagePack, or nested too deeply") from error

    def given(self, raw: Raw) -> bool:
        return bytes(memoryview(raw)[:2]) not in (b"", b"\xc0")

    def value(self, name: str, raw: Raw) -> Any:
        if not self.given(raw):
            return None
        try:
            return msgspec.msgpack.decode(short(name, raw))
        except (msgspec.DecodeError, RecursionError, UnicodeError, OverflowError, ValueError):
            raise InvalidParameter(f"{name} is not valid MessagePack") from None

    def image(self, raw: Raw) -> Any:
        kind = memoryview(raw)[0]
        if kind in b"\xc4\xc5\xc6":  # bin 8, 16, 32
            return Inline(partial(msgspec.msgpack.decode, raw, type=bytes))
        if kind in b"\xd9\xda\xdb" or 0xA0 < kind <= 0xBF:  # str 8, 16, 32, or short and not empty
            return Inline(partial(_decoded, raw))
        return self.value("img", raw) or None

    def items(self, raw: Raw) -> list[Raw]:
        head = bytes(memoryview(raw)[:5])
        # array 16 and array 32 declare their length; shorter ones have at most 15 items.
        if head[:1] in (b"\xdc", b"\xdd") and int.from_bytes(head[1 : 3 if head[0] == 0xDC else 5]) > MAX_TARGETS:
            raise too_many()
        return items(msgspec.msgpack.Decoder(list[Raw]), raw)


def _decoded(raw: Raw) -> bytes:
    try:
        return base64_text.decode(msgspec.msgpack.decode(raw, type=str))
    except (msgspec.DecodeError, UnicodeError):
        raise InvalidParameter("img is not valid MessagePack") from None
