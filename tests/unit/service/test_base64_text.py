"""Base64 in every spelling that clients use, and nothing that is not base64."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_comparison.errors import InvalidBase64
from face_comparison.wire.base64_text import decode

DIGITS = (string.ascii_letters + string.digits + "+/-_").encode()


@given(
    data=st.binary(max_size=600),
    prefix=st.sampled_from(["", "data:image/jpeg;base64,", "DATA:image/png;charset=x;BASE64,", " \n"]),
    alphabet=st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]),
    padded=st.booleans(),
    line=st.integers(1, 80),
    end=st.sampled_from(["", "\n", "\r\n", "\t"]),
    form=st.sampled_from([str, bytes, memoryview]),
)
def test_every_spelling_is_decoded(data, prefix, alphabet, padded, line, end, form):
    text = alphabet(data).decode()
    if not padded:
        text = text.rstrip("=")
    text = prefix + end.join(text[i : i + line] for i in range(0, len(text), line)) + end
    given_as = text if form is str else form(text.encode())
    assert decode(given_as) == data


@given(data=st.binary(min_size=1, max_size=90), at=st.integers(0, 200), wrong=st.integers(0, 255))
def test_invalid_byte_is_never_ignored(data, at, wrong):
    text = bytearray(base64.b64encode(data))
    byte = bytes([wrong])
    if byte in DIGITS + b"= \t\r\n\v\f":
        return
    text[at % len(text)] = wrong
    with pytest.raises(InvalidBase64):
        decode(bytes(text))


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AAAAA",
        "=AAA",
        "AA=A",
        "AA==AAAA",
        "%%%%",
        "é",
        "data:image/png,AAAA",
        "data:" + "x" * 300 + ";base64,AAAA",
    ],
)
def test_invalid_base64_is_rejected(text):
    with pytest.raises(InvalidBase64):
        decode(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("b'/9j/4AAQSkZJRg=='", "decode"),
        ('b"/9j/4AAQSkZJRg=="', "decode"),
        ("/9j/4AAQSkZJ\0", "characters that are not base64"),
        ('"/9j/4AAQSkZJ"', "quotation marks"),
        ("'/9j/4AAQSkZJ'", "quotation marks"),
        ("/9j/4\\nAAQSkZ", "backslashes in place of line breaks"),
        ("/9j/4\\r\\nAAQSkZ", "backslashes in place of line breaks"),
        ("%249j%2F4AAQSkZJ", "characters that are not base64"),
        ("100%", "characters that are not base64"),
        ("/9j/4AAQS", "is truncated"),
    ],
)
def test_base64_error_names_cause(text, named):
    with pytest.raises(InvalidBase64, match=named):
        decode(text)


def test_mixed_alphabet_is_decoded():
    assert decode("-_+/") == base64.b64decode("+/+/")


@given(
    data=st.binary(max_size=300),
    prefix=st.sampled_from(["", "data:image/jpeg;base64,", "data%3Aimage%2Fjpeg%3Bbase64%2C"]),
    lower=st.booleans(),
    end=st.sampled_from(["", "%0A", "%0d%0a", "\n"]),
    alphabet=st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]),
)
def test_percent_encoded_characters_are_decoded(data, prefix, lower, end, alphabet):
    digits = alphabet(data).decode()
    for sign in "+/=-_":
        escape = f"%{ord(sign):02X}"
        digits = digits.replace(sign, escape.lower() if lower else escape)
    lines = [digits]
    if "%" not in digits:
        lines = [digits[at : at + 60] for at in range(0, len(digits), 60)]
    assert decode(prefix + end.join(lines)) == data
