"""Reads multipart/form-data bodies, as sent by HTML forms and `curl -F`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Field, File, MultipartDecoder

from face_comparison.errors import FaceComparisonError, InvalidParameter, MissingImage
from face_comparison.wire import base64_text
from face_comparison.wire.formats.json import decode_value
from face_comparison.wire.formats.shapes import (
    LIST_FIELDS,
    Buffer,
    ComparisonShape,
    Fields,
    ImageShape,
    InlineImage,
    SubjectShape,
    check_spelling,
    fields_of,
    image_or_base64,
    parse_number,
    short,
)

MAX_PARTS = 200
"""Maximum number of parts: about twice what the maximum number of targets, a source, and all parameters need."""
MAX_PART_HEADER_BYTES, MAX_HEADER_BYTES = 4096, 128 * 1024
"""Maximum size of the headers of one part, and of all parts together, because parsing takes time. The usual size is 150
bytes per part."""
_SHOWN_NAMES = 5
_START_BYTES = 4096  # of a source or target, which show whether it is an image, a URL or an object
_ASCII = bytes(range(128)) + b"_" * 128

# RFC 7578 requires CRLF line breaks, but some clients send only CR or LF.
_AFTER_BOUNDARY = re.compile(rb"--|[ \t]*(?:\r\n|\n|\r)")
_LINE_BREAK_BEFORE = re.compile(rb"(?:\r\n|\n|\r|)\Z")
_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")


def detect_fields(body: Buffer, content_type: str) -> Fields:
    """Reads a request with one image; parts with other names are ignored.

    Raises:
        InvalidParameter: The form is malformed.
        MissingImage: There is no part with an image or its URL.
    """
    parts = _parts(body, content_type)
    if "img" not in parts and "url" not in parts:
        names = ", ".join(repr(name[:40]) for name in list(parts)[:_SHOWN_NAMES])
        found = f"its parts are named {names}" if names else "it has no parts"
        raise MissingImage(f"the form needs a part named img (an image) or url (its address); {found}")
    check_spelling(parts, fields_of(ImageShape))
    return {name: _value(name, parts[name][-1]) for name in fields_of(ImageShape) if name in parts}


def compare_fields(body: Buffer, content_type: str) -> Fields:
    """Reads a comparison: `source` and each `target` are a file, or text with a URL or JSON object.

    Raises:
        InvalidParameter: The form is malformed.
    """
    parts = _parts(body, content_type)
    check_spelling(parts, fields_of(ComparisonShape))
    return {
        "source": _subject(parts["source"][-1]) if "source" in parts else None,
        "targets": [_subject(part) for name in ("target", "targets") for part in parts.get(name, ())],
        "threshold": _value("threshold", parts["threshold"][-1]) if "threshold" in parts else None,
    }


def image_and_texts(body: Buffer, content_type: str, names: Collection[str]) -> dict[str, InlineImage | str | None]:
    """Reads `img` as an image and parts with these names as text; other parts are ignored.

    Raises:
        InvalidParameter: The form is malformed.
    """
    parts = _parts(body, content_type)
    check_spelling(parts, names)
    return {
        name: _image(values[-1]) if name == "img" else _text(name, values)
        for name, values in parts.items()
        if name in names
    }


def _text(name: str, parts: Sequence[_Part]) -> str:
    if name not in LIST_FIELDS:
        return parts[-1].text(name)
    joined = b",".join(part.content for part in parts)
    return _Part(memoryview(joined), file=False).text(name)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A part of the form.

    Attributes:
        content: Its content, in the body.
        file: Whether it was sent as a file.
    """

    content: memoryview
    file: bool

    def text(self, name: str) -> str:
        """Returns the value of the field `name`."""
        try:
            return bytes(short(name, self.content)).decode()
        except UnicodeDecodeError:
            raise InvalidParameter("a text part of the form is not UTF-8: send an image as a file part") from None


def _parts(body: Buffer, content_type: str) -> dict[str, list[_Part]]:
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary or not boundary.isascii():
        raise InvalidParameter("multipart/form-data needs a boundary in its Content-Type")
    data, delimiter = (bytes(body) if isinstance(body, memoryview) else body), b"--" + boundary.encode()
    view = memoryview(data)
    parts: dict[str, list[_Part]] = {}
    header_bytes = 0
    for current, following in pairwise(_delimiters(data, delimiter)):
        headers, begin = _headers(data, current.end, following.start)
        header_bytes += len(headers)
        if header_bytes > MAX_HEADER_BYTES:
            raise InvalidParameter(f"the headers of the form's parts are longer than {MAX_HEADER_BYTES} bytes together")
        part = _described(headers, delimiter)
        parts.setdefault(part.name or "", []).append(_Part(view[begin : following.content_end], _is_file(part)))
    return parts


@dataclass(frozen=True, slots=True)
class _Delimiter:
    """A boundary line in the body, as byte offsets.

    Attributes:
        start: Start of the line.
        content_end: End of the content of the part before it.
        end: End of the line.
    """

    start: int
    content_end: int
    end: int


def _delimiters(data: bytes | bytearray, delimiter: bytes) -> Iterator[_Delimiter]:
    """Yields all boundary lines, including the closing one.

    Werkzeug's parser is not used for this, because it takes a step per line break: 0.6 s for 18 MB of line breaks.

    Raises:
        InvalidParameter: The body is malformed or has too many parts.
    """
    at = data.find(delimiter, 0, MAX_HEADER_BYTES)
    if at < 0:
        raise InvalidParameter("the body is not valid multipart/form-data: it does not begin with its boundary")
    first = True
    for _ in range(MAX_PARTS + 1):
        end_match = _AFTER_BOUNDARY.match(data, at + len(delimiter))
        content_end = at - len(_LINE_BREAK_BEFORE.search(data[max(0, at - 2) : at])[0])  # type: ignore[index]
        if end_match is not None and (first or content_end < at):
            yield _Delimiter(at, content_end, end_match.end())
            first = False
            if end_match[0] == b"--":
                return
        at = data.find(delimiter, at + len(delimiter))
        if at < 0:
            raise _invalid()
    raise InvalidParameter(f"the form has more than {MAX_PARTS} parts")


def _headers(data: bytes | bytearray, start: int, end: int) -> tuple[bytes, int]:
    """Returns the headers of the part between two positions, and the start of its content.

    Raises:
        InvalidParameter: The headers are malformed or too long.
    """
    blank = _BLANK_LINE.search(data, start, min(end, start + MAX_PART_HEADER_BYTES + 4))
    if blank is None and end - start > MAX_PART_HEADER_BYTES:
        raise InvalidParameter(f"the headers of a part of the form are longer than {MAX_PART_HEADER_BYTES} bytes")
    if blank is None:
        raise _invalid()
    return bytes(data[start : blank.start()]), blank.end()


def _described(headers: bytes, delimiter: bytes) -> Field | File:
    """Parses the headers of a part; characters that are not UTF-8, as in some file names, are replaced.

    Raises:
        InvalidParameter: The headers are malformed.
    """
    try:
        headers.decode()
    except UnicodeDecodeError:
        headers = headers.translate(_ASCII)
    decoder = MultipartDecoder(delimiter.removeprefix(b"--"))
    decoder.receive_data(b"%s\r\n%s\r\n\r\n" % (delimiter, headers))
    try:
        decoder.next_event()  # the preamble before the first part, which is empty
        event = decoder.next_event()
    except (ValueError, HTTPException) as error:
        raise _invalid() from error
    if not isinstance(event, Field | File):
        raise _invalid()
    return event


def _invalid() -> InvalidParameter:
    return InvalidParameter("the body is not valid multipart/form-data")


def _is_file(part: Field | File) -> bool:
    headers: Headers = part.headers
    return isinstance(part, File) or headers.get("Content-Type", "").startswith(("image/", "application/octet-stream"))


def _value(name: str, part: _Part) -> Any:
    if name == "img":
        return _image(part)
    return part.text(name) if name == "url" else parse_number(part.text(name))


def _subject(part: _Part) -> Fields | FaceComparisonError:
    """Reads a source or target, judged by its content: an image (raw or base64), its URL, or a JSON object."""
    try:
        start = bytes(part.content[:_START_BYTES])
        if not part.file and start.lstrip()[:1] == b"{":
            return _object(part.content)
        if not part.file and start.isascii() and start[:5].lower() != b"data:" and b":" in start[:8]:
            return {"url": part.text("url")}
        return {"img": _image(part)}
    except FaceComparisonError as error:
        return error.detached()


def _object(content: memoryview) -> Fields:
    """Reads a source or target that is a JSON object; images in it are ignored.

    Raises:
        InvalidParameter: It is not a valid JSON object with known fields.
    """
    try:
        shape = msgspec.json.decode(content, type=SubjectShape)
        present = (name for name in SubjectShape.__struct_fields__ if memoryview(getattr(shape, name)))
        check_spelling(present, fields_of(SubjectShape))
        names = [name for name in ("url", "face_hash", "FaceModelVersion") if memoryview(getattr(shape, name))]
        return {name: decode_value(name, getattr(shape, name)) for name in names}
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise InvalidParameter("a part of the form is not a valid JSON object with url or face_hash") from None


def _image(part: _Part) -> InlineImage | None:
    if not part.content:
        return None
    if part.file or not bytes(part.content).isascii():
        return InlineImage(partial(image_or_base64, part.content))
    return InlineImage(partial(base64_text.decode, part.content))
