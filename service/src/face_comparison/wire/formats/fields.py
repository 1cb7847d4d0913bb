"""Reads the fields of a request in any body format: JSON, MessagePack, multipart, or a raw image."""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import partial
from typing import Any

import msgspec

from face_comparison.errors import InvalidParameter
from face_comparison.wire import formats
from face_comparison.wire.formats import multipart, urlencoded
from face_comparison.wire.formats.json import decode_value
from face_comparison.wire.formats.shapes import (
    LIST_FIELDS,
    Buffer,
    Fields,
    InlineImage,
    check_count,
    check_spelling,
    fields_of,
    image_or_base64,
    parse_number,
)
from face_comparison.wire.turns import parsing

LONGEST_FORM_VALUE = 10_000 * 136
"""Maximum length of JSON in a form field, which is enough for the maximum number of UserIds in a search."""


def image_fields(
    body: Buffer, content_type: str, shape: type[msgspec.Struct], texts: Container[str], query: Mapping[str, str]
) -> Fields:
    """Returns the fields of a request with an image or hash; query parameters supply fields missing from the body.

    Args:
        body: The request body.
        content_type: The declared media type.
        shape: The known fields. Others are ignored, except that other spellings of a known field are rejected.
        texts: Names of text fields; in forms and queries, every other field is a number or JSON.
        query: The query parameters.

    Raises:
        InvalidJson: The body is not JSON.
        InvalidParameter: The body is malformed in another way.
    """
    known = fields_of(shape)
    check_spelling(query, known)
    found: dict[str, Any] = {name: _spelled(name, text, texts) for name, text in query.items() if name in known}
    form = formats.form_of(content_type, body)
    if form == "image":
        found["img"] = InlineImage(partial(image_or_base64, body))
    elif form in ("multipart", "urlencoded"):
        with parsing(len(body)):
            values: Mapping[str, Any] = (
                multipart.image_and_texts(body, content_type, known)
                if form == "multipart"
                else urlencoded.image_and_texts(body, known)
            )
        for name, value in values.items():
            found[name] = _spelled(name, value, texts) if isinstance(value, str) else value
    else:
        found.update(formats.object_fields(form, body, shape))
    return found


def json_fields(body: Buffer, content_type: str, shape: type[msgspec.Struct]) -> Fields:
    """Returns the fields of a JSON or MessagePack request without an image. An empty body has no fields.

    A null field is returned as None, so that an update can remove a value.

    Raises:
        InvalidJson: The body is not JSON.
        InvalidParameter: The body is in another format or malformed.
    """
    if not body:
        return {}
    form = formats.form_of(content_type, body)
    if form not in ("json", "msgpack"):
        raise InvalidParameter("the body must be a JSON object")
    return formats.object_fields(form, body, shape, nulls=True)


def _spelled(name: str, text: str, texts: Container[str]) -> Any:
    if name in texts or name == "url":
        return text or None
    if text.lstrip().startswith(("[", "{")):
        if len(text) > LONGEST_FORM_VALUE:
            raise InvalidParameter("a field of the form is too long")
        try:
            return decode_value(name, msgspec.Raw(text.encode()))
        except (msgspec.DecodeError, RecursionError):
            raise InvalidParameter("a field of the form is not valid JSON") from None
    if name in LIST_FIELDS:
        check_count(name, 1 + text.count(","))
        return [item.strip() for item in text.split(",")] if text.strip() else None
    return parse_number(text)
