"""Reads application/x-www-form-urlencoded bodies, as sent by `curl -d url=…` and plain HTML forms."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from urllib.parse import unquote_plus

from face_comparison.errors import InvalidParameter
from face_comparison.wire import base64_text
from face_comparison.wire.formats.shapes import (
    LIST_FIELDS,
    Buffer,
    Fields,
    ImageShape,
    Inline,
    check_spelling,
    fields_of,
    spelled_number,
)
from face_comparison.wire.turns import parsing

MEDIA_TYPE = "application/x-www-form-urlencoded"

_MAX_FIELDS = 64
_LONGEST_VALUE = 64 * 1024


def detect_fields(body: Buffer) -> Fields:
    """Reads a request with one image; other fields are ignored.

    Raises:
        InvalidParameter: The form is malformed.
    """
    found = image_and_texts(body, fields_of(ImageShape))
    return {
        name: spelled_number(value) if isinstance(value, str) and name != "url" else value
        for name, value in found.items()
    }


def image_and_texts(body: Buffer, names: Collection[str]) -> dict[str, Inline | str]:
    """Reads `img` as an image and the named fields as text; others are ignored.

    Raises:
        InvalidParameter: The form has too many fields, or a value is too long.
    """
    fields: dict[str, Inline | str] = {}
    pairs = bytes(body).split(b"&", _MAX_FIELDS)
    if len(pairs) > _MAX_FIELDS:
        raise InvalidParameter(f"the form has more than {_MAX_FIELDS} fields")
    for pair in pairs:
        key, _, value = pair.partition(b"=")
        name = key.strip().decode("latin-1")
        if name == "img" and value.strip():
            fields[name] = Inline(partial(_decoded, value))
        elif name in names and name != "img":
            if len(value) > _LONGEST_VALUE:
                raise InvalidParameter(f"{name} is too long")
            text = unquote_plus(value.decode("latin-1"), errors="replace").strip()
            fields[name] = f"{fields[name]},{text}" if name in LIST_FIELDS and name in fields else text
        else:
            check_spelling([name], names)
    return fields


def _decoded(value: bytes) -> bytes:
    with parsing(len(value)):
        return base64_text.decode(base64_text.without_escapes(value))
