"""Logs: one JSON object a line, and nothing in it that a caller would not want to see there."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face_comparison.observability import logs
from face_comparison.observability.logs import JsonFormatter, TerminalFormatter, scrub


@pytest.fixture
def written():
    """What `logs.configure` has written so far."""
    root, package = logging.getLogger(), logging.getLogger("face_comparison")
    before = root.handlers, root.level, package.level
    stream = io.StringIO()
    logs.configure("info", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().split("\n") if line]
    root.handlers, root.level, package.level = before
    logging.captureWarnings(capture=False)


def test_request_is_one_line_of_named_fields(written):
    logs.request({"id": "a", "status": 200, "stages": {"decode": 0.01}})
    [entry] = written()
    assert {name: entry[name] for name in ("level", "logger", "id", "status", "stages")} == {
        "level": "info", "logger": "face_comparison.request", "id": "a", "status": 200, "stages": {"decode": 0.01},
    }  # fmt: skip
    assert entry["time"].endswith("+00:00")


def test_message_with_line_breaks_stays_one_line(written):
    logging.getLogger("face_comparison").info("a\nb\r\n%s", "c\u2028d")
    [entry] = written()
    assert entry["message"] == "a\nb\r\nc\u2028d"


def test_level_applies_to_package_only(written):
    logging.getLogger("face_comparison.fetching.fetcher").debug("no")
    logging.getLogger("urllib3.connectionpool").info("no")
    logging.getLogger("face_comparison.fetching.fetcher").info("yes")
    logging.getLogger("urllib3.connectionpool").warning("yes")
    assert [entry["message"] for entry in written()] == ["yes", "yes"]


def test_debug_level_excludes_libraries(written):
    stream = io.StringIO()
    logs.configure("debug", stream)
    logging.getLogger("urllib3.connectionpool").debug("GET /?token=secret")
    logging.getLogger("botocore.auth").debug("secret")
    logging.getLogger("face_comparison").debug("seen")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["seen"]


def test_warnings_are_logged(written):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("mind this", UserWarning, stacklevel=1)
    [entry] = written()
    assert "mind this" in entry["message"]


def boom(argument):
    raise ValueError(f"cannot open https://user:pw@internal.example/x.jpg?token=secret-token for {argument}")


def test_exception_has_type_location_and_scrubbed_message(written):
    try:
        boom("argument")
    except ValueError as error:
        logs.failure("it failed", error, id="a")
    [entry] = written()
    assert entry["message"] == "it failed"
    assert entry["id"] == "a"
    assert entry["failure"]["type"] == "ValueError"
    assert entry["failure"]["message"] == "cannot open https://… for argument"
    assert entry["failure"]["at"][-1].startswith("test_logs.py:")
    assert entry["failure"]["at"][-1].endswith(" boom")
    assert "secret" not in json.dumps(entry)


IMAGE = np.random.default_rng(1).bytes(3000)
VECTOR = np.random.default_rng(2).normal(size=768).astype(np.float32)


@pytest.mark.parametrize(
    ("message", "secret"),
    [
        ("GET https://a.example/b.jpg?X-Amz-Signature=sig-of-mine&x=1 failed", "sig-of-mine"),
        ("Retrying after connection broken: /b.jpg?token=sig-of-mine", "sig-of-mine"),
        ("s3://bucket/holiday/anna.jpg is gone", "anna.jpg"),
        ("x-api-key: key-of-mine, more", "key-of-mine"),
        ("{'Authorization': 'Bearer key-of-mine'}", "key-of-mine"),
        ("authorization=Bearer key-of-mine", "key-of-mine"),
        ("bearer key-of-mine", "key-of-mine"),
        (f"cannot decode {base64.b64encode(IMAGE).decode()}", base64.b64encode(IMAGE).decode()[100:140]),
        (f"cannot decode {IMAGE!r}", repr(IMAGE)[100:130]),
        (f"cannot decode {bytes(range(128, 192))!r}", r"\x90\x91\x92\x93"),
        (f"bad vector {VECTOR.tolist()}", str(VECTOR.tolist()[5])),
        (f"bad vector {VECTOR}", str(VECTOR).split()[2]),
        ("x" * 100_000, "x" * 65),
    ],
)
def test_secrets_and_large_values_are_scrubbed(message, secret):
    assert secret in message
    assert secret not in scrub(message)
    assert len(scrub(message)) < 1100


@pytest.mark.parametrize(
    "message", ["the models are loaded in 1.2 s (2 threads)", "no such file: /models/default/manifest.json",
                "found sha256 abc, not def", "is the queue full? no"],
)  # fmt: skip
def test_ordinary_messages_are_unchanged(message):
    assert scrub(message) == message


@given(st.text(max_size=300))
def test_every_text_can_be_logged(text):
    record = logging.LogRecord("a", logging.INFO, "f", 1, "%s", (text,), None)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    json.loads(line)


def test_terminal_gets_readable_lines() -> None:
    record = logging.LogRecord("face_comparison.x", logging.INFO, "x.py", 1, "ready", (), None)
    record.fields = {"pid": 7, "phases": {"decode": 0.5}}
    assert re.fullmatch(r"\d\d:\d\d:\d\d  ready  pid=7  phases\.decode=0\.5", TerminalFormatter().format(record))
    try:
        int("at https://internal.example/?token=abc\nsecond")
    except ValueError:
        warned = logging.LogRecord("x", logging.WARNING, "x.py", 1, "two\nlines", (), sys.exc_info())
    first, *rest = TerminalFormatter().format(warned).splitlines()
    assert first.endswith("  warning  two␊lines")
    assert "token" not in "".join(rest)
    assert rest[0].startswith("    ValueError: ")


def test_readable_lines_require_terminal(written) -> None:
    logging.getLogger("face_comparison").info("x")
    assert written()[0]["message"] == "x"
