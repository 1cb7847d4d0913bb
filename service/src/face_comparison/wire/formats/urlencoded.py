"""Reads application/x-www-form-urlencoded bodies, as sent by `curl -d url=…` and plain HTML forms."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from urllib.parse import unquote_plus

from face_comparison.errors import InvalidParameter
from face_comparison.request_memory import charge
from face_comparison.wire import base64_text
from face_comparison.wire.formats.shapes import (
    LIST_FIELDS,
    Buffer,
    Fields,
    ImageShape,
    InlineImage,
    check_spelling,
    fields_of,
    parse_number,
)
from face_comparison.wire.turns import parsing

MEDIA_TYPE = "application/x-www-form-urlencoded"

_MAX_FIELDS = 64
_LONGEST_VALUE = 64 * 1024
_LONGEST_BLANK = 64 * 1024  # bytes of a value that are looked at to see whether there is anything


def detect_fields(body: Buffer) -> Fields:
    """Reads a request with one image; other fields are ignored.

    Raises:
        InvalidParameter: The form is malformed.
    """
    found = image_and_texts(body, fields_of(ImageShape))
    return {
        name: parse_number(value) if isinstance(value, str) and name != "url" else value
        for name, value in found.items()
    }


def image_and_texts(body: Buffer, names: Collection[str]) -> dict[str, InlineImage | str]:
    """Reads `img` as an image and the named fields as text; others are ignored.

    Raises:
        InvalidParameter: The form has too many fields, or a value is too long.
    """
    fields: dict[str, InlineImage | str] = {}
    for key, value in _pairs(body):
        name = key.decode("latin-1").strip()
        if name == "img" and bytes(value[:_LONGEST_BLANK]).strip():
            fields[name] = InlineImage(partial(_decoded, value))
        elif name in names and name != "img":
            if len(value) > _LONGEST_VALUE:
                raise InvalidParameter(f"{name} is too long")
            text = unquote_plus(bytes(value).decode("latin-1"), errors="replace").strip()
            fields[name] = f"{fields[name]},{text}" if name in LIST_FIELDS and name in fields else text
        else:
            check_spelling([name], names)
    return fields


def _pairs(body: Buffer) -> Iterator[tuple[bytes, memoryview]]:
    """Yields names and values of the fields, the latter without a copy.

    Raises:
        InvalidParameter: There are too many, or a name is too long.
    """
    data, start = (bytes(body) if isinstance(body, memoryview) else body), 0
    view = memoryview(data)
    for _ in range(_MAX_FIELDS):
        end = data.find(b"&", start)
        end = len(data) if end < 0 else end
        equals = data.find(b"=", start, end)
        equals = end if equals < 0 else equals
        if equals - start > _LONGEST_VALUE:
            raise InvalidParameter("the name of a field is too long")
        yield bytes(view[start:equals]), view[equals + 1 : end]
        start = end + 1
        if start > len(data):
            return
    raise InvalidParameter(f"the form has more than {_MAX_FIELDS} fields")


def _decoded(value: memoryview) -> bytes:
    with parsing(len(value)):
        charge(len(value))
        return base64_text.decode(base64_text.without_escapes(bytes(value)))
