"""Fields of a request in whichever form its body came: JSON, MessagePack, multipart or a raw image."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import msgspec

from face_comparison.errors import InvalidParameter
from face_comparison.wire import formats
from face_comparison.wire.formats import multipart, urlencoded
from face_comparison.wire.formats.shapes import Buffer, Fields, Inline, image_or_base64, spelled_number
from face_comparison.wire.turns import parsing

LONGEST_FORM_VALUE = 10_000 * 136
"""Characters of JSON in a field of a form: as many UserIds as a search may name."""


def image_fields(
    body: Buffer, content_type: str, shape: type[msgspec.Struct], texts: Container[str], query: Mapping[str, str]
) -> Fields:
    """Returns the fields of a request with an image or hash; the query may hold what the body does not say.

    Args:
        body: The request's.
        content_type: As declared.
        shape: The fields there are; others are ignored.
        texts: Fields that are text; of a form or query every other one is a number or JSON.
        query: The request's.

    Raises:
        InvalidJson: The body is not JSON.
        InvalidParameter: The body is malformed in another way.
    """
    known = shape.__struct_fields__
    found: dict[str, Any] = {name: _spelled(text, name in texts) for name, text in query.items() if name in known}
    form = formats.form_of(content_type, body)
    if form == "image":
        found["img"] = Inline(lambda: image_or_base64(bytes(body)))
    elif form in ("multipart", "urlencoded"):
        with parsing(len(body)):
            given: Mapping[str, Any] = (
                multipart.image_and_texts(body, content_type, known)
                if form == "multipart"
                else urlencoded.image_and_texts(body, known)
            )
        for name, value in given.items():
            found[name] = _spelled(value, name in texts or name == "url") if isinstance(value, str) else value
    else:
        found.update(formats.object_fields(form, body, shape))
    return found


def json_fields(body: Buffer, content_type: str, shape: type[msgspec.Struct]) -> Fields:
    """Fields of a request without an image: JSON or MessagePack. An empty body has none of them.

    A field that is null is there with the value None, so that a change can remove what was set.
    """
    if not body:
        return {}
    form = formats.form_of(content_type, body)
    if form not in ("json", "msgpack"):
        raise InvalidParameter("the body must be a JSON object")
    return formats.object_fields(form, body, shape, nulls=True)


def _spelled(text: str, is_text: bool) -> Any:
    if is_text:
        return text or None
    if text.lstrip().startswith(("[", "{")):
        if len(text) > LONGEST_FORM_VALUE:
            raise InvalidParameter("a field of the form is too long")
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            raise InvalidParameter("a field of the form is not valid JSON") from None
    return spelled_number(text)
