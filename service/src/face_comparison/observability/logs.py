"""JSON logs: one object per line, one line per request, and never an image, an embedding, a URL's query, or a key.

On a terminal, the lines are formatted for people instead.

The line of a request consists of named numbers and codes only. Messages of libraries and unexpected failures may quote
their input, so every message is scrubbed before it is written.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePath
from types import TracebackType
from typing import Any, TextIO

import msgspec

REQUEST_LOGGER = "face_comparison.request"
AUDIT_LOGGER = "face_comparison.audit"

_LONGEST_MESSAGE = 1000
_CONTROLS = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421}
_SCRUBBED = (
    # The order matters: keys and URLs are removed before parts of them could match another pattern.
    (re.compile(r"(?i)\b(x-api-key|authorization|bearer)\b[\"']?\s*[:= ]\s*[\"']?(bearer\s+)?[^\s\"',}]+"), r"\1 …"),
    (re.compile(r"\b([a-z][a-z0-9+.-]*)://[^\s\"'<>]*", re.IGNORECASE), r"\1://…"),
    (re.compile(r"\?[^\s\"'<>]{2,}"), "?…"),
    (re.compile(r"[A-Za-z0-9+/_=-]{64,}"), "…"),
    (re.compile(r"[\[(]\s*-?\d[^\])]{48,}[\])]?"), "[…]"),
    (re.compile(r"(\\x[0-9a-fA-F]{2}){4,}"), "…"),
)


def scrub(message: str) -> str:
    """Returns the message without URLs, keys, and long runs of base64, bytes, or numbers, truncated if too long."""
    for pattern, replacement in _SCRUBBED:
        message = pattern.sub(replacement, message[: 16 * _LONGEST_MESSAGE])
    return message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "…"


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: time, level, logger, message, fields, failure.

    Fields are those passed as `extra={"fields": {...}}`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Returns the record as one line of JSON."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": scrub(record.getMessage()),
        }
        entry.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            entry["failure"] = _failure(record.exc_info[1], record.exc_info[2])
        return msgspec.json.encode(entry).decode()


class TerminalFormatter(logging.Formatter):
    """Formats a record for people: local time, level unless it is info, message, fields, and the failure's location."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the record as lines of text."""
        words = [f"{datetime.fromtimestamp(record.created):%H:%M:%S}"]
        if record.levelno != logging.INFO:
            words.append(record.levelname.lower())
        words.append(scrub(record.getMessage()))
        words += [f"{name}={value}" for name, value in _flat(getattr(record, "fields", {}))]
        text = "  ".join(words).translate(_CONTROLS)
        if record.exc_info and record.exc_info[1] is not None:
            failure = _failure(record.exc_info[1], record.exc_info[2])
            text += "".join(f"\n    {line}" for line in (f"{failure['type']}: {failure['message']}", *failure["at"]))
        return text


def _flat(fields: dict[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", inner) for key, inner in _flat(value))
        else:
            yield name, value


def _failure(error: BaseException, trace: TracebackType | None) -> dict[str, Any]:
    """Returns the type, message, and locations of an exception, without source lines and values of variables."""
    frames = traceback.extract_tb(trace)
    return {
        "type": type(error).__name__,
        "message": scrub(str(error)),
        "at": [f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-12:]],
    }


def configure(level: str, stream: TextIO = sys.stdout) -> None:
    """Sends all logs to `stream`: as JSON, or formatted for people if it is a terminal.

    Args:
        level: Minimum level of this package's messages. For libraries, it is always `warning`, because their debug
            output quotes URLs and headers.
        stream: Where to write the logs.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TerminalFormatter() if stream.isatty() else JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("face_comparison").setLevel(level.upper())
    logging.captureWarnings(capture=True)


def failure(message: str, error: BaseException, **fields: Any) -> None:
    """Logs an unexpected exception with its stack trace (see `_failure`)."""
    logging.getLogger("face_comparison").error(message, exc_info=error, extra={"fields": fields})


def request(fields: dict[str, Any]) -> None:
    """Writes the log line of a request; `fields` are identifiers, codes, sizes, and seconds."""
    logging.getLogger(REQUEST_LOGGER).info("request", extra={"fields": fields})


def audit(fields: dict[str, Any]) -> None:
    """Writes the audit line of an action on a collection.

    `fields` are the caller, the action, the collection, counts, and keyed digests.
    """
    logging.getLogger(AUDIT_LOGGER).info("audit", extra={"fields": fields})
