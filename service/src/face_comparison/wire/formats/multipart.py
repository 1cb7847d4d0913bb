"""multipart/form-data bodies: images as files, as HTML forms and `curl -F` send them."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from functools import partial
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder

from face_comparison.errors import FaceComparisonError, InvalidParameter, MissingImage
from face_comparison.wire import base64_text
from face_comparison.wire.formats.shapes import (
    Buffer,
    Fields,
    ImageShape,
    Inline,
    image_or_base64,
    spelled_number,
)

MAX_PARTS = 200
"""Parts of a body: every target, source and parameter, twice over."""
MAX_PART_HEADER_BYTES, MAX_HEADER_BYTES = 4096, 128 * 1024
"""Headers of one part and of all parts: what parses them takes time for each parameter. A usual part has 150 bytes."""
_SHOWN_NAMES = 5
_ASCII = bytes(range(128)) + b"_" * 128


def detect_fields(body: Buffer, content_type: str) -> Fields:
    """Parts of other names are ignored, whatever they hold. Raises InvalidParameter, MissingImage."""
    parts = _parts(body, content_type)
    if "img" not in parts and "url" not in parts:
        names = ", ".join(repr(name[:40]) for name in list(parts)[:_SHOWN_NAMES])
        found = f"its parts are named {names}" if names else "it has no parts"
        raise MissingImage(f"the form needs a part named img (an image) or url (its address); {found}")
    return {name: _value(name, parts[name][-1]) for name in ImageShape.__struct_fields__ if name in parts}


def compare_fields(body: Buffer, content_type: str) -> Fields:
    """`source` and each `target`: a file, or text with a URL. Raises InvalidParameter."""
    parts = _parts(body, content_type)
    return {
        "source": _subject(parts["source"][-1]) if "source" in parts else None,
        "targets": [_subject(part) for name in ("target", "targets") for part in parts.get(name, ())],
        "threshold": _value("threshold", parts["threshold"][-1]) if "threshold" in parts else None,
    }


def image_and_texts(body: Buffer, content_type: str, names: Container[str]) -> dict[str, Inline | str | None]:
    """`img` as an image and other parts of these names as text; further parts are ignored. Raises InvalidParameter."""
    return {
        name: _image(parts[-1]) if name == "img" else parts[-1].text
        for name, parts in _parts(body, content_type).items()
        if name in names
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    content: bytes
    file: bool

    @property
    def text(self) -> str:
        try:
            return self.content.decode()
        except UnicodeDecodeError:
            raise InvalidParameter("a text part of the form is not UTF-8: send an image as a file part") from None


def _parts(body: Buffer, content_type: str) -> dict[str, list[_Part]]:
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary or not boundary.isascii():
        raise InvalidParameter("multipart/form-data needs a boundary in its Content-Type")
    data = _with_readable_headers(bytes(body), b"--" + boundary.encode())
    decoder = MultipartDecoder(boundary.encode(), max_parts=MAX_PARTS)
    parts: dict[str, list[_Part]] = {}
    try:
        decoder.receive_data(data)
        decoder.receive_data(None)
        event = decoder.next_event()
        while not isinstance(event, Epilogue):
            if isinstance(event, Field | File):
                name, file, content = event.name or "", _is_file(event), []
            elif isinstance(event, Data):
                content.append(event.data)
                if not event.more_data:
                    parts.setdefault(name, []).append(_Part(b"".join(content), file))
            event = decoder.next_event()
    except (ValueError, HTTPException) as error:
        raise InvalidParameter("the body is not valid multipart/form-data") from error
    return parts


def _with_readable_headers(body: bytes, delimiter: bytes) -> bytes:
    """The body with headers that can be parsed: file names in another encoding than UTF-8 lose their letters.

    Raises InvalidParameter where headers of parts are too long or too many to be parsed.
    """
    readable: bytearray | None = None
    total, at = 0, body.find(delimiter, 0, MAX_HEADER_BYTES)
    if at < 0:
        raise InvalidParameter("the body is not valid multipart/form-data: it does not begin with its boundary")
    for _ in range(MAX_PARTS):
        start = at + len(delimiter)
        if at < 0 or body.startswith(b"--", start):
            return body if readable is None else bytes(readable)
        window = body[start : start + MAX_PART_HEADER_BYTES + 4]
        ends = [end for blank in (b"\r\n\r\n", b"\n\n", b"\r\r") if (end := window.find(blank)) >= 0]
        header = window[: min(ends, default=len(window))]
        total += len(header)
        if not _is_utf8(header):
            readable = bytearray(body) if readable is None else readable
            readable[start : start + len(header)] = header.translate(_ASCII)
        if not ends and len(window) > MAX_PART_HEADER_BYTES:
            raise InvalidParameter(f"the headers of a part of the form are longer than {MAX_PART_HEADER_BYTES} bytes")
        if total > MAX_HEADER_BYTES:
            raise InvalidParameter(f"the headers of the form's parts are longer than {MAX_HEADER_BYTES} bytes together")
        at = body.find(delimiter, start)
    if at >= 0 and not body.startswith(b"--", at + len(delimiter)):
        raise InvalidParameter(f"the form has more than {MAX_PARTS} parts")
    return body if readable is None else bytes(readable)


def _is_utf8(header: bytes) -> bool:
    try:
        header.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_file(part: Field | File) -> bool:
    headers: Headers = part.headers
    return isinstance(part, File) or headers.get("Content-Type", "").startswith(("image/", "application/octet-stream"))


def _value(name: str, part: _Part) -> Any:
    if name == "img":
        return _image(part)
    return part.text if name == "url" else spelled_number(part.text)


def _subject(part: _Part) -> Fields | FaceComparisonError:
    """A source or target: an image, as it is or in base64, or the address of one. Its content decides."""
    try:
        if (
            not part.file
            and part.content.isascii()
            and part.content[:5].lower() != b"data:"
            and b":" in part.content[:8]
        ):
            return {"url": part.text}
        return {"img": _image(part)}
    except InvalidParameter as error:
        return error


def _image(part: _Part) -> Inline | None:
    if not part.content:
        return None
    if part.file or not part.content.isascii():
        return Inline(lambda: image_or_base64(part.content))
    return Inline(partial(base64_text.decoded, part.content))
