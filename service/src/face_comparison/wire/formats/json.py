"""Reads JSON bodies.

A JSON parser reads every byte of a string several times. For a photograph of 2.3 MB in base64, that took 1.1 of 1.4 ms.
The base64 text of images is therefore located and decoded first (0.3 ms), and the body is parsed without it.
"""

from __future__ import annotations

import codecs
import io
import json
import secrets
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw

from face_comparison.api.limits import HASH_SIZE, MAX_TARGETS
from face_comparison.errors import InvalidBase64, InvalidJson, InvalidParameter
from face_comparison.request_memory import charge
from face_comparison.wire import base64_text
from face_comparison.wire.formats.shapes import (
    MAX_ITEMS,
    Buffer,
    InlineImage,
    S,
    check_count,
    is_not_an_object,
    items,
    short,
    too_many,
)
from face_comparison.wire.turns import parsing

_MOST_COMMAS = MAX_TARGETS * (HASH_SIZE + 32)
MIN_EXTRACT_BYTES = 16 * 1024
_PART_BYTES = 64 * 1024
_LONGEST_ESCAPE = len(r"\u002B")
_KEY = b'"img"'
_MAX_KEYS = 4 * MAX_TARGETS  # images after these are parsed like any other text
# Placeholder for an image in the body. It is not base64, and no caller can guess it.
_PLACEHOLDER = f'"!{secrets.token_hex(16)}:'.encode()


class JsonBody:
    """One JSON body."""

    def __init__(self, body: Buffer) -> None:
        self._body, self._images = _extract_images(_utf8(body))

    def decode_root(self, shape: type[S]) -> S:
        return self.decode_object(self._body, shape)

    def decode_object(self, raw: Buffer | Raw, shape: type[S]) -> S:
        try:
            return msgspec.json.decode(raw, type=shape)
        except msgspec.ValidationError as error:
            if is_not_an_object(error):
                raise InvalidJson("the body must be a JSON object") from error
            raise InvalidParameter("the body contains a number that is out of range") from error
        except msgspec.DecodeError as error:
            # The position in the message would be wrong if images were cut out of the body.
            where = "" if self._images else f": {error}"
            raise InvalidJson(f"the body is not valid JSON{where}") from error
        except (RecursionError, UnicodeError) as error:
            raise InvalidJson("the body is not valid JSON in UTF-8, or nested too deeply") from error

    def is_present(self, raw: Raw) -> bool:
        return bytes(memoryview(raw)[:5]) not in (b"", b"null")

    def value(self, name: str, raw: Raw) -> Any:
        if not self.is_present(raw):
            return None
        try:
            return decode_value(name, raw)
        except (msgspec.ValidationError, RecursionError):
            raise InvalidParameter(f"{name} contains a number that is out of range, or is nested too deeply") from None
        except (msgspec.DecodeError, UnicodeError):
            raise InvalidJson(f"{name} is not valid JSON in UTF-8") from None

    def image(self, raw: Raw) -> Any:
        text = bytes(memoryview(raw)[: len(_PLACEHOLDER) + 10])
        if text.startswith(_PLACEHOLDER):
            return InlineImage(partial(self._images.__getitem__, int(text[len(_PLACEHOLDER) : -1])))
        if not text.startswith(b'"'):
            return self.value("img", raw)
        return None if text == b'""' else InlineImage(partial(_decoded, raw))

    def items(self, raw: Raw) -> list[Raw]:
        if bytes(raw).count(b",") > _MOST_COMMAS:
            raise too_many()
        return items(msgspec.json.Decoder(list[Raw]), raw)


def decode_value(name: str, raw: Raw) -> Any:
    """Returns a value as Python objects, unless they would be too many or too large.

    Raises:
        msgspec.DecodeError: It is not valid JSON.
        RecursionError: It is nested too deeply.
        UnicodeError: It is not UTF-8.
        FaceComparisonError: It is too long, has too many items, or needs more memory than is free.
    """
    short(name, raw)
    if name in MAX_ITEMS:  # items of any depth count, so that a list of lists is not decoded either
        check_count(name, 1 + bytes(memoryview(raw)).count(b","))
    return msgspec.json.decode(raw)


def _utf8(body: Buffer) -> bytes | bytearray:
    """Converts the body to UTF-8; a byte order mark and other encodings are tolerated, as in RFC 4627.

    A body that is already UTF-8 is returned without copying, which would take megabytes of additional memory.

    Raises:
        InvalidJson: The body cannot be decoded.
        Overloaded: There is not enough memory for the converted body.
    """
    encoding = json.detect_encoding(bytes(body[:4]))
    if encoding == "utf-8":
        return bytes(body) if isinstance(body, memoryview) else body
    charge(2 * len(body))  # text of two bytes per character takes up to three in UTF-8, and images in it are copied
    decoder, converted = codecs.getincrementaldecoder(encoding)(), io.BytesIO()
    try:
        # Converted at once, one character beyond Latin-1 would make the text two to four times as large as the body.
        for start in range(0, len(body), _PART_BYTES):
            part = bytes(body[start : start + _PART_BYTES])
            converted.write(decoder.decode(part, start + _PART_BYTES >= len(body)).encode())
    except UnicodeError:
        raise InvalidJson("the body is not valid JSON in UTF-8") from None
    return converted.getvalue()


def _extract_images(body: bytes | bytearray) -> tuple[bytes | bytearray, list[bytes]]:
    """Replaces long base64 texts after `"img"` by numbered placeholders; returns the body and the decoded images.

    Base64 text contains neither quotes nor backslashes, so cutting it out changes neither string boundaries nor whether
    the rest is valid JSON. A placeholder that is not the value of a field `img` ends up in a field that is never read.
    """
    pieces: list[bytes | bytearray] = []
    images: list[bytes] = []
    view, done, key = memoryview(body), 0, body.find(_KEY)
    for _ in range(_MAX_KEYS):
        if key < 0:
            break
        begin = body.find(b'"', key + len(_KEY))
        end = body.find(b'"', begin + 1) if begin >= 0 else -1
        if end < 0:
            break
        if end - begin > MIN_EXTRACT_BYTES:
            data = base64_text.decode_plain(view[begin + 1 : end])
            if data is not None:
                pieces += [body[done:begin], _PLACEHOLDER, b'%d"' % len(images)]
                images.append(data)
                done = end + 1
        key = body.find(_KEY, end)
    return (b"".join([*pieces, body[done:]]), images) if images else (body, images)


def _decoded(raw: Raw) -> bytes:
    quoted = memoryview(raw)[1:-1]
    with parsing(len(quoted)):
        plain = base64_text.decode_plain(quoted)
        return base64_text.decode(ascii_text(quoted)) if plain is None else plain


def ascii_text(quoted: memoryview) -> bytes:
    """Returns the text of a JSON string, given without its quotation marks, which must be ASCII.

    It is converted in parts: at once, a single emoji would make the text take four bytes per character.

    Raises:
        InvalidJson: The string is not valid JSON.
        InvalidBase64: It contains other characters.
        Overloaded: There is not enough memory for the text.
    """
    charge(len(quoted))
    text, start = io.BytesIO(), 0
    while start < len(quoted):
        part = bytes(quoted[start : start + _PART_BYTES])
        if start + len(part) < len(quoted):
            part = part[: _end_of_escapes(part)]
        if not part.isascii():
            raise InvalidBase64("the base64 text contains non-ASCII characters")
        try:
            text.write(msgspec.json.decode(b'"%s"' % part, type=str).encode("ascii"))
        except UnicodeEncodeError:
            raise InvalidBase64("the base64 text contains non-ASCII characters") from None
        except (msgspec.DecodeError, UnicodeError):
            raise InvalidJson("img is not valid JSON in UTF-8") from None
        start += len(part)
    return text.getvalue()


def _end_of_escapes(part: bytes) -> int:
    """Returns where to cut a part so that no escape continues in the next one."""
    last = part.rfind(b"\\", -_LONGEST_ESCAPE)
    backslashes = last + 1 - len(part[: last + 1].rstrip(b"\\"))
    return last if backslashes % 2 else len(part)  # of two backslashes, the first escapes the second
