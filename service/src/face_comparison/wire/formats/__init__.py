"""Reads request bodies in every supported format into the same plain fields.

JSON and MessagePack are read field by field. Unknown fields are validated but never turned into objects, so that a body
of 20 MiB cannot become gigabytes of small objects. This package knows the formats; `wire/requests.py` knows what each
field means and which values are valid.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Raw

from face_comparison.api.limits import MAX_TARGETS
from face_comparison.errors import FaceComparisonError, InvalidParameter
from face_comparison.image.formats import START_BYTES, find_format, is_base64, is_image
from face_comparison.wire.formats import multipart, urlencoded
from face_comparison.wire.formats.json import JsonBody
from face_comparison.wire.formats.msgpack import MessagePackBody
from face_comparison.wire.formats.shapes import (
    Buffer,
    ComparisonShape,
    Fields,
    ImageShape,
    InlineImage,
    S,
    SubjectShape,
    check_spelling,
    fields_of,
    image_instead_of_address,
    image_or_base64,
    is_not_an_object,
    parse_number,
)
from face_comparison.wire.turns import parsing

__all__ = [
    "MESSAGE_PACK_TYPES",
    "Buffer",
    "Fields",
    "InlineImage",
    "compare_fields",
    "detect_fields",
    "form_of",
    "image_instead_of_address",
    "object_fields",
    "parse_number",
]

Form = Literal["json", "msgpack", "multipart", "urlencoded", "image"]

_IMAGE_TYPES = ("image/", "application/x-image", "application/octet-stream")
MESSAGE_PACK_TYPES = ("application/msgpack", "application/x-msgpack", "application/vnd.msgpack")


def form_of(content_type: str, body: Buffer) -> Form:
    """Returns the format of a body.

    The declared type decides, except that JSON objects and images are recognized by their content.
    """
    first = bytes(body[:START_BYTES])
    mimetype = content_type.partition(";")[0].strip().lower()
    if first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return "json"
    if find_format(first) is not None:
        return "image"
    # Some clients declare a form as multipart/mixed; OkHttp does so by default.
    if mimetype.startswith("multipart/"):
        return "multipart"
    if mimetype in MESSAGE_PACK_TYPES:
        return "msgpack"
    # A client that sends a GIF or TIFF should get an error about the image, not about JSON.
    if mimetype.startswith(_IMAGE_TYPES) or is_image(first) or is_base64(first):
        return "image"
    return "urlencoded" if mimetype == urlencoded.MEDIA_TYPE else "json"


def detect_fields(body: Buffer, content_type: str) -> Fields:
    """Returns the fields of a request with one image.

    Raises:
        InvalidJson: The body is not JSON.
        InvalidParameter: The body is malformed in another way.
        MissingImage: A multipart form contains no image.
    """
    form = form_of(content_type, body)
    if form == "image":
        return {"img": InlineImage(partial(image_or_base64, body))}
    with parsing(len(body)):
        if form == "multipart":
            return multipart.detect_fields(body, content_type)
        if form == "urlencoded":
            return urlencoded.detect_fields(body)
        parsed = _open_body(form, body)
        return _plain(parsed, parsed.decode_root(ImageShape))


def compare_fields(body: Buffer, content_type: str) -> Fields:
    """Returns the fields `source`, `targets`, and `threshold` of a comparison.

    A source or target is itself a mapping of fields, or the error that made it unreadable.

    Raises:
        InvalidJson: The body is not JSON.
        InvalidParameter: The body is malformed in another way, or contains too many targets.
    """
    form = form_of(content_type, body)
    if form in ("image", "urlencoded"):
        raise InvalidParameter("a comparison needs two images: send JSON, MessagePack or multipart/form-data")
    with parsing(len(body)):
        if form == "multipart":
            return multipart.compare_fields(body, content_type)
        return _comparison(_open_body(form, body))


def _comparison(parsed: _BodyFormat) -> Fields:
    shape: Any = parsed.decode_root(ComparisonShape)
    names = (name for name in ComparisonShape.__struct_fields__ if parsed.is_present(getattr(shape, name)))
    check_spelling(names, fields_of(ComparisonShape))
    if parsed.is_present(shape.targets):
        items = parsed.items(shape.targets)
        if len(items) > MAX_TARGETS:
            raise InvalidParameter(f"targets must contain at most {MAX_TARGETS} objects, not {len(items)}")
        targets = [_subject(parsed, raw) for raw in items]
    else:
        targets = [_subject(parsed, shape.target)] if parsed.is_present(shape.target) else []
    return {
        "source": _subject(parsed, shape.source) if parsed.is_present(shape.source) else None,
        "targets": targets,
        "threshold": parsed.value("threshold", shape.threshold),
    }


def object_fields(form: Form, body: Buffer, shape: type[msgspec.Struct], *, nulls: bool = False) -> Fields:
    """Returns the fields of a JSON or MessagePack body.

    Args:
        form: The format of the body.
        body: The body.
        shape: The known fields.
        nulls: Whether to include null fields as None instead of omitting them.

    Raises:
        InvalidJson: The body is not JSON.
        InvalidParameter: The body is malformed in another way.
    """
    with parsing(len(body)):
        parsed = _open_body(form, body)
        root = parsed.decode_root(shape)
        found = dict(_plain(parsed, root))
    if nulls:
        names = [name for name in shape.__struct_fields__ if memoryview(getattr(root, name))]
        check_spelling(names, fields_of(shape))
        found.update({name: None for name in names if name not in found})
    return found


class _BodyFormat(Protocol):
    """A format with named values. A `raw` argument is one of the values as encoded in the body."""

    def decode_root(self, shape: type[S]) -> S:
        """Returns the top-level fields of the body.

        Raises:
            InvalidJson: The body is not JSON.
            InvalidParameter: The body is malformed in another way.
        """
        ...

    def decode_object(self, raw: Raw, shape: type[S]) -> S:
        """Returns the fields of an object in the body."""
        ...

    def is_present(self, raw: Raw) -> bool:
        """Returns whether the value is present and not null."""
        ...

    def value(self, name: str, raw: Raw) -> Any:
        """Returns the value as a Python object, or None if it is missing or null."""
        ...

    def image(self, raw: Raw) -> Any:
        """Returns an `InlineImage` for text or bytes, None for an empty value, and any other value itself."""
        ...

    def items(self, raw: Raw) -> list[Raw]:
        """Returns the items of an array of targets."""
        ...


def _open_body(form: Form, body: Buffer) -> _BodyFormat:
    return MessagePackBody(body) if form == "msgpack" else JsonBody(body)


def _plain(parsed: _BodyFormat, shape: msgspec.Struct) -> Fields:
    present = {name: raw for name in shape.__struct_fields__ if parsed.is_present(raw := getattr(shape, name))}
    check_spelling(present, fields_of(type(shape)))
    return {name: parsed.image(raw) if name == "img" else parsed.value(name, raw) for name, raw in present.items()}


def _subject(parsed: _BodyFormat, raw: Raw) -> Fields | FaceComparisonError:
    try:
        return _plain(parsed, parsed.decode_object(raw, SubjectShape))
    except FaceComparisonError as error:
        if is_not_an_object(error.__cause__):
            return InvalidParameter("must be an object with url, img or face_hash")
        return error.detached()
