"""multipart/form-data bodies: images as files, as HTML forms and `curl -F` send them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder

from face_comparison.errors import FaceComparisonError, InvalidParameter
from face_comparison.wire import base64_text
from face_comparison.wire.formats.shapes import Buffer, Fields, Inline, spelled_number

MAX_PARTS = 200
"""Parts of a body: every target, source and parameter, twice over."""


def detect_fields(body: Buffer, content_type: str) -> Fields:
    """Raises InvalidParameter."""
    return {name: _value(name, parts[-1]) for name, parts in _parts(body, content_type).items()}


def compare_fields(body: Buffer, content_type: str) -> Fields:
    """`source` and each `target`: a file, or text with a URL. Raises InvalidParameter."""
    parts = _parts(body, content_type)
    return {
        "source": _subject(parts["source"][-1]) if "source" in parts else None,
        "targets": [_subject(part) for name in ("target", "targets") for part in parts.get(name, ())],
        "threshold": _value("threshold", parts["threshold"][-1]) if "threshold" in parts else None,
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


def _value(name: str, part: _Part) -> Any:
    if name == "img":
        return _image(part)
    return part.text if name == "url" else spelled_number(part.text)


def _subject(part: _Part) -> Fields | FaceComparisonError:
    try:
        return {"img": _image(part)} if part.file else {"url": part.text}
    except InvalidParameter as error:
        return error


def _image(part: _Part) -> Inline | None:
    if part.file:
        return Inline(lambda: part.content)
    return Inline(partial(base64_text.decoded, part.content)) if part.content else None
