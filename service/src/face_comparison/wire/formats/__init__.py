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
from face_comparison.wire.formats.json import JsonNotation
from face_comparison.wire.formats.msgpack import MessagePackNotation
from face_comparison.wire.formats.shapes import (
    Buffer,
    ComparisonShape,
    Fields,
    ImageShape,
    Inline,
    S,
    SubjectShape,
    check_spelling,
    fields_of,
    image_instead_of_address,
    image_or_base64,
    is_no_object,
    spelled_number,
)
from face_comparison.wire.turns import parsing

__all__ = [
    "MESSAGE_PACK_TYPES",
    "Buffer",
    "Fields",
    "Inline",
    "compare_fields",
    "detect_fields",
    "form_of",
    "image_instead_of_address",
    "object_fields",
    "spelled_number",
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
        return {"img": Inline(partial(image_or_base64, body))}
    with parsing(len(body)):
        if form == "multipart":
            return multipart.detect_fields(body, content_type)
        if form == "urlencoded":
            return urlencoded.detect_fields(body)
        notation = _notation(form, body)
        return _plain(notation, notation.root(ImageShape))


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
        return _comparison(_notation(form, body))


def _comparison(notation: _Notation) -> Fields:
    shape: Any = notation.root(ComparisonShape)
    names = (name for name in ComparisonShape.__struct_fields__ if notation.given(getattr(shape, name)))
    check_spelling(names, fields_of(ComparisonShape))
    if notation.given(shape.targets):
        given = notation.items(shape.targets)
        if len(given) > MAX_TARGETS:
            raise InvalidParameter(f"targets must contain at most {MAX_TARGETS} objects, not {len(given)}")
        targets = [_subject(notation, raw) for raw in given]
    else:
        targets = [_subject(notation, shape.target)] if notation.given(shape.target) else []
    return {
        "source": _subject(notation, shape.source) if notation.given(shape.source) else None,
        "targets": targets,
        "threshold": notation.value("threshold", shape.threshold),
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
        notation = _notation(form, body)
        root = notation.root(shape)
        found = dict(_plain(notation, root))
    if nulls:
        names = [name for name in shape.__struct_fields__ if memoryview(getattr(root, name))]
        check_spelling(names, fields_of(shape))
        found.update({name: None for name in names if name not in found})
    return found


class _Notation(Protocol):
    """A format with named values. A `raw` argument is one of the values as encoded in the body."""

    def root(self, shape: type[S]) -> S:
        """Returns the top-level fields of the body.

        Raises:
            InvalidJson: The body is not JSON.
            InvalidParameter: The body is malformed in another way.
        """
        ...

    def shaped(self, raw: Raw, shape: type[S]) -> S:
        """Returns the fields of an object in the body."""
        ...

    def given(self, raw: Raw) -> bool:
        """Returns whether the value is present and not null."""
        ...

    def value(self, name: str, raw: Raw) -> Any:
        """Returns the value as a Python object, or None if it is missing or null."""
        ...

    def image(self, raw: Raw) -> Any:
        """Returns an `Inline` for text or bytes, None for an empty value, and any other value itself."""
        ...

    def items(self, raw: Raw) -> list[Raw]:
        """Returns the items of an array of targets."""
        ...


def _notation(form: Form, body: Buffer) -> _Notation:
    return MessagePackNotation(body) if form == "msgpack" else JsonNotation(body)


def _plain(notation: _Notation, shape: msgspec.Struct) -> Fields:
    given = {name: raw for name in shape.__struct_fields__ if notation.given(raw := getattr(shape, name))}
    check_spelling(given, fields_of(type(shape)))
    return {name: notation.image(raw) if name == "img" else notation.value(name, raw) for name, raw in given.items()}


def _subject(notation: _Notation, raw: Raw) -> Fields | FaceComparisonError:
    try:
        return _plain(notation, notation.shaped(raw, SubjectShape))
    except FaceComparisonError as error:
        if is_no_object(error.__cause__):
            return InvalidParameter("must be an object with url, img or face_hash")
        return error
