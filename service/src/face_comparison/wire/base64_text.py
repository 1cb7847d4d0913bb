"""Decodes base64 as clients send it: with a data-URL prefix or line breaks, without padding, or URL-safe.

Images are megabytes of base64, so standard base64 is tried first, in a single pass over the bytes; other variants are
tried only if that fails. A pass that removes white space takes 15 times as long as decoding.
"""

from __future__ import annotations

import re

import pybase64

from face_comparison.errors import InvalidBase64
from face_comparison.request_memory import charge
from face_comparison.wire.turns import parsing

Buffer = bytes | bytearray | memoryview

_LONGEST_PREFIX = 256
_PLAIN_PREFIX = re.compile(rb"data:[A-Za-z0-9/+.;=-]{0,200};base64,")
_URL_SAFE_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_FOREIGN = re.compile(rb"[^A-Za-z0-9+/]")
_WHITE_SPACE = b" \t\r\n\v\f"
_ESCAPES = tuple((f"%{ord(sign):02X}".encode(), sign.encode()) for sign in "+/=\r\n-_ ,:;")
"""Percent-escapes of the characters in base64 and data URLs. They are replaced one by one, which is fast enough for
megabytes."""

_LENIENT_COPIES = 2
"""Further copies of the text that exist at the same time while a variant is decoded: two, or one and the image."""

_ADDRESSES = (b"http://", b"https://", b"s3://")
_LOOKED_AT, _SHORTEST_LINE = 4096, 16
"""Number of bytes to examine to determine what spaces mean, and the minimum length of a line of base64."""


def decode(text: Buffer | str) -> bytes:
    """Decodes base64 text.

    Raises:
        InvalidBase64: The text is not base64 in any of the supported variants.
        Overloaded: A variant needs more memory than is free.
    """
    with parsing(len(text)):
        return _decode(text)


def _decode(text: Buffer | str) -> bytes:
    strict = _decode_strict(text)
    if strict is not None:
        return strict
    charge(_LENIENT_COPIES * len(text))
    try:
        raw = text.encode("ascii") if isinstance(text, str) else bytes(text)
    except UnicodeEncodeError:
        raise InvalidBase64("the base64 text contains non-ASCII characters") from None
    if b"%" in raw:
        raw = without_escapes(raw)
    # White space at the end is removed below; here, it would take a copy of the text.
    raw = raw.strip(_WHITE_SPACE) if raw.endswith(b" ") else raw.lstrip(_WHITE_SPACE)
    if raw[:8].lower().startswith(_ADDRESSES):
        raise InvalidBase64("img contains an address, not an image in base64: send it as url")
    raw = _without_prefix(raw)
    strict = _decode_strict(raw)
    return strict if strict is not None else _decode_lenient(raw)


def decode_plain(text: memoryview) -> bytes | None:
    """Decodes standard base64, with or without a data-URL prefix; returns None for any other text."""
    prefix = _PLAIN_PREFIX.match(text)
    return _decode_strict(text[prefix.end() :] if prefix else text)


def _decode_strict(text: Buffer | str) -> bytes | None:
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        return None


def _without_prefix(raw: bytes) -> bytes:
    if raw[:5].lower() != b"data:":
        return raw
    comma = raw.find(b",", 0, _LONGEST_PREFIX)
    if comma < 0 or not raw[:comma].rstrip().lower().endswith(b";base64"):
        raise InvalidBase64("a data URL must begin with data:image/<format>;base64,")
    return raw[comma + 1 :]


def without_escapes(text: bytes) -> bytes:
    """Returns base64 text with percent-escapes (`%2B`) resolved, which forms have and data URLs may have."""
    for escaped, sign in _ESCAPES:
        text = text.replace(escaped, sign).replace(escaped.lower(), sign)
    return text


def _decode_lenient(raw: bytes) -> bytes:
    if _has_spaces_for_pluses(raw):
        raw = raw.replace(b" ", b"+")
    digits = raw.translate(_URL_SAFE_TO_STANDARD, _WHITE_SPACE).rstrip(b"=")
    decoded = _decode_strict(digits + b"=" * (-len(digits) % 4))
    if decoded is not None:
        return decoded
    if raw.startswith((b"b'", b'b"')):
        raise InvalidBase64(
            "the base64 text is the Python representation of bytes, b'…': convert it to text with .decode()"
        )
    if raw[:1] in (b'"', b"'"):
        raise InvalidBase64("the base64 text has quotation marks around it: leave them out")
    if b"\\n" in raw or b"\\r" in raw:
        raise InvalidBase64("the base64 text has backslashes in place of line breaks: leave them out")
    if _FOREIGN.search(digits):
        raise InvalidBase64("the base64 text contains characters that are not base64 (A-Z a-z 0-9 + / or - _, then =)")
    raise InvalidBase64("the base64 text is truncated: its length does not match a whole number of bytes")


def _has_spaces_for_pluses(raw: bytes) -> bool:
    """Returns whether a form decoder has turned plus signs into spaces.

    This is the case if no plus sign is left and the spaces do not divide the text into lines of equal length.
    """
    if b" " not in raw or b"+" in raw or b"-" in raw or any(sign in raw for sign in (b"\n ", b" \n", b" \r")):
        return False
    lines = raw[:_LOOKED_AT].split(b" ")[:-1]
    lengths = {len(line) for line in lines}
    return len(lengths) != 1 or min(lengths) < _SHORTEST_LINE or min(lengths) % 4 != 0
