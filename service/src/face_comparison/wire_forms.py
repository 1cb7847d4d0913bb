"""The forms in which a body may come, all turned into the same plain fields.

JSON and MessagePack are read field by field: what nobody asked for is checked but never built, so that a body of 20 MiB
cannot become gigabytes of small objects, and a picture's base64 text stays where it was received. This module knows the
forms; what a field means and which values are good is `wire.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import msgspec
from msgspec import Raw
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder

from face_comparison.errors import FaceComparisonError, InvalidFaceHash, InvalidJson, InvalidParameter, MissingImage
from face_comparison.faces import HASH_SIZE
from face_comparison.wire_base64 import decoded

MAX_TARGETS = 100
MAX_PARTS = 200
"""Parts of a multipart body: every target, source and parameter, twice over."""

Buffer = bytes | bytearray | memoryview
Fields = Mapping[str, Any]
"""Field name to plain value; None: not given. Pictures are `Inline`."""

_LONGEST_VALUE = 64 * 1024  # bytes of anything but a picture; 768 numbers of 17 digits take 17 KiB
_MOST_COMMAS = MAX_TARGETS * (HASH_SIZE + 32)
_ESCAPE = re.compile(rb"\\")
_FIRST_BYTES = (b"\xff\xd8\xff", b"\x89PNG", b"BM")
_RAW_TYPES = ("image/", "application/x-image")
_MESSAGE_PACK_TYPES = ("application/msgpack", "application/x-msgpack", "application/vnd.msgpack")


@dataclass(frozen=True, slots=True, eq=False)
class Inline:
    """A picture that came with the request: base64 text, or (encoded False) its very bytes."""

    content: bytes | memoryview | str
    encoded: bool

    def data(self) -> bytes:
        """The picture's bytes. Raises InvalidBase64, MissingImage (nothing in it)."""
        data = decoded(self.content) if self.encoded else bytes(self.content)  # type: ignore[arg-type]
        if not data:
            raise MissingImage("the picture is empty: send the bytes of a JPG, PNG or BMP")
        return data


# --- which form ------------------------------------------------------------------------------------------------------

Form = Literal["json", "msgpack", "multipart", "image"]


def form_of(content_type: str, body: Buffer) -> Form:
    """What the body is: the declared type decides, except that a JSON object is one whatever it was declared to be."""
    start = bytes(body[:64]).lstrip(b"\xef\xbb\xbf \t\r\n")
    mimetype = content_type.partition(";")[0].strip().lower()
    if start.startswith(b"{"):
        return "json"
    if mimetype == "multipart/form-data":
        return "multipart"
    if mimetype in _MESSAGE_PACK_TYPES:
        return "msgpack"
    if mimetype.startswith(_RAW_TYPES) or start.startswith(_FIRST_BYTES):
        return "image"
    return "json"


def detect_fields(body: Buffer, content_type: str) -> Fields:
    """Fields of one picture's request. Raises InvalidJson, InvalidParameter."""
    form = form_of(content_type, body)
    if form == "image":
        return {"img": Inline(bytes(body), encoded=False)}
    if form == "multipart":
        parts = _parts(body, content_type)
        return {name: _part_value(name, values[-1]) for name, values in parts.items()}
    notation = _NOTATIONS[form]
    return _plain(notation, notation.shaped(body, _Picture))


def compare_fields(body: Buffer, content_type: str) -> Fields:
    """Fields `source`, `targets` and `threshold` of a comparison.

    A source or target is Fields of its own, or the error that made it unreadable. Raises InvalidJson, InvalidParameter.
    """
    form = form_of(content_type, body)
    if form == "image":
        raise InvalidParameter("a comparison needs two pictures: send JSON, MessagePack or multipart/form-data")
    if form == "multipart":
        parts = _parts(body, content_type)
        return {
            "source": _part_subject(parts["source"][-1]) if "source" in parts else None,
            "targets": [_part_subject(part) for name in ("target", "targets") for part in parts.get(name, ())],
            "threshold": _part_value("threshold", parts["threshold"][-1]) if "threshold" in parts else None,
        }
    notation = _NOTATIONS[form]
    shape = notation.shaped(body, _Comparison)
    if notation.given(shape.targets):
        targets = [_subject(notation, raw) for raw in notation.items(shape.targets)]
    else:
        targets = [_subject(notation, shape.target)] if notation.given(shape.target) else []
    return {
        "source": _subject(notation, shape.source) if notation.given(shape.source) else None,
        "targets": targets,
        "threshold": notation.value("threshold", shape.threshold),
    }


# --- JSON and MessagePack --------------------------------------------------------------------------------------------

_ABSENT = Raw()


class _Picture(msgspec.Struct):
    url: Raw = _ABSENT
    img: Raw = _ABSENT
    max_faces: Raw = _ABSENT
    min_confidence: Raw = _ABSENT


class _Subject(msgspec.Struct):
    url: Raw = _ABSENT
    img: Raw = _ABSENT
    face_hash: Raw = _ABSENT
    FaceModelVersion: Raw = _ABSENT


class _Comparison(msgspec.Struct):
    source: Raw = _ABSENT
    target: Raw = _ABSENT
    targets: Raw = _ABSENT
    threshold: Raw = _ABSENT


S = TypeVar("S", _Picture, _Subject, _Comparison)


class _Notation(Protocol):
    def shaped(self, raw: Buffer | Raw, shape: type[S]) -> S: ...
    def given(self, raw: Raw) -> bool: ...
    def value(self, name: str, raw: Raw) -> Any: ...
    def picture(self, raw: Raw) -> Any: ...
    def items(self, raw: Raw) -> list[Raw]: ...


def _plain(notation: _Notation, shape: _Picture | _Subject) -> Fields:
    return {
        name: notation.picture(raw) if name == "img" else notation.value(name, raw)
        for name in shape.__struct_fields__
        if notation.given(raw := getattr(shape, name))
    }


def _subject(notation: _Notation, raw: Raw) -> Fields | FaceComparisonError:
    try:
        return _plain(notation, notation.shaped(raw, _Subject))
    except FaceComparisonError as error:
        return (
            InvalidParameter("must be an object with url, img or face_hash") if _no_object(error.__cause__) else error
        )


def _no_object(error: BaseException | None) -> bool:
    return isinstance(error, msgspec.ValidationError) and str(error).startswith("Expected `object`")


def _short(name: str, raw: Raw) -> Raw:
    if len(memoryview(raw)) > _LONGEST_VALUE:
        raise (InvalidFaceHash if name == "face_hash" else InvalidParameter)(f"{name} is too long")
    return raw


class _JsonNotation:
    def shaped(self, raw: Buffer | Raw, shape: type[S]) -> S:
        try:
            return msgspec.json.decode(raw if isinstance(raw, Raw) else _utf8(raw), type=shape)
        except msgspec.ValidationError as error:
            if _no_object(error):
                raise InvalidJson("the body must be a JSON object") from error
            raise InvalidParameter("the body holds a number that is out of range") from error
        except msgspec.DecodeError as error:
            raise InvalidJson(f"the body is not valid JSON: {error}") from error
        except (RecursionError, UnicodeError) as error:
            raise InvalidJson("the body is not valid JSON in UTF-8, or nested too deeply") from error

    def given(self, raw: Raw) -> bool:
        return bytes(memoryview(raw)[:5]) not in (b"", b"null")

    def value(self, name: str, raw: Raw) -> Any:
        if not self.given(raw):
            return None
        try:
            return msgspec.json.decode(_short(name, raw))
        except (msgspec.ValidationError, RecursionError):
            raise InvalidParameter(f"{name} holds a number or nesting that is out of range") from None
        except (msgspec.DecodeError, UnicodeError):
            raise InvalidJson(f"{name} is not valid JSON in UTF-8") from None

    def picture(self, raw: Raw) -> Any:
        text = memoryview(raw)
        if text[0] != ord('"'):
            return self.value("img", raw)
        if len(text) == 2:
            return None
        if not _ESCAPE.search(text):
            return Inline(text[1:-1], encoded=True)
        try:
            return Inline(msgspec.json.decode(raw, type=str), encoded=True)
        except (msgspec.DecodeError, UnicodeError):
            raise InvalidJson("img is not valid JSON in UTF-8") from None

    def items(self, raw: Raw) -> list[Raw]:
        text = bytes(raw)
        if text.count(b",") > _MOST_COMMAS:
            raise _too_many()
        return _items(msgspec.json.Decoder(list[Raw]), raw)


class _MessagePackNotation:
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
            return msgspec.msgpack.decode(_short(name, raw))
        except (msgspec.DecodeError, RecursionError, UnicodeError, OverflowError, ValueError):
            raise InvalidParameter(f"{name} is not valid MessagePack") from None

    def picture(self, raw: Raw) -> Any:
        if memoryview(raw)[0] in b"\xc4\xc5\xc6":  # bin 8, 16, 32
            return Inline(msgspec.msgpack.decode(raw, type=bytes), encoded=False)
        try:
            return Inline(msgspec.msgpack.decode(raw, type=str), encoded=True)
        except msgspec.ValidationError:
            return self.value("img", raw)
        except (msgspec.DecodeError, UnicodeError):
            raise InvalidParameter("img is not valid MessagePack") from None

    def items(self, raw: Raw) -> list[Raw]:
        head = bytes(memoryview(raw)[:5])
        # array 16 and array 32 say their length; shorter ones have at most 15 items.
        if head[:1] in (b"\xdc", b"\xdd") and int.from_bytes(head[1 : 3 if head[0] == 0xDC else 5]) > MAX_TARGETS:
            raise _too_many()
        return _items(msgspec.msgpack.Decoder(list[Raw]), raw)


_NOTATIONS: Mapping[Form, _Notation] = {"json": _JsonNotation(), "msgpack": _MessagePackNotation()}


def _items(decoder: Any, raw: Raw) -> list[Raw]:
    try:
        items: list[Raw] = decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidParameter("targets must be an array of objects with url, img or face_hash") from None
    return items


def _too_many() -> InvalidParameter:
    return InvalidParameter(f"targets must hold at most {MAX_TARGETS} objects")


def _utf8(body: Buffer) -> Buffer | str:
    """JSON is UTF-8; a byte order mark and the other Unicode encodings are tolerated, as RFC 4627 allowed them."""
    encoding = json.detect_encoding(bytes(body[:4]))
    if encoding == "utf-8":
        return body
    try:
        return bytes(body).decode(encoding)
    except UnicodeError:
        raise InvalidJson("the body is not valid JSON in UTF-8") from None


# --- multipart/form-data ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    content: bytes
    file: bool

    @property
    def text(self) -> str:
        try:
            return self.content.decode()
        except UnicodeDecodeError:
            raise InvalidParameter("a text part of the form is not UTF-8: send a picture as a file part") from None


def _parts(body: Buffer, content_type: str) -> dict[str, list[_Part]]:
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary or not boundary.isascii():
        raise InvalidParameter("multipart/form-data needs a boundary in its Content-Type")
    decoder = MultipartDecoder(boundary.encode(), max_parts=MAX_PARTS)
    parts: dict[str, list[_Part]] = {}
    try:
        decoder.receive_data(bytes(body))
        decoder.receive_data(None)
        event = decoder.next_event()
        while not isinstance(event, Epilogue):
            if isinstance(event, Field | File):
                name, file, content = event.name, _is_file(event), []
            elif isinstance(event, Data):
                content.append(event.data)
                if not event.more_data:
                    parts.setdefault(name, []).append(_Part(b"".join(content), file))
            event = decoder.next_event()
    except (ValueError, HTTPException) as error:
        raise InvalidParameter("the body is not valid multipart/form-data") from error
    return parts


def _is_file(part: Field | File) -> bool:
    headers: Headers = part.headers
    return isinstance(part, File) or headers.get("Content-Type", "").startswith(("image/", "application/octet-stream"))


def _part_value(name: str, part: _Part) -> Any:
    if name == "img":
        return Inline(part.content, encoded=not part.file) if part.content else None
    return part.text if name == "url" else spelled_number(part.text)


def _part_subject(part: _Part) -> Fields | FaceComparisonError:
    """A file is a picture; text is its URL."""
    try:
        return {"img": Inline(part.content, encoded=False)} if part.file else {"url": part.text}
    except InvalidParameter as error:
        return error


def spelled_number(text: str) -> Any:
    """The number that text spells, else the text itself, which is then refused where a number is wanted."""
    try:
        return msgspec.json.decode(text.strip().encode(), type=int | float)
    except (msgspec.DecodeError, UnicodeError):
        return text or None
