"""API keys from a mounted file: one `name:key` a line, read again when the file changes.

A Secret that Kubernetes mounts is replaced as a whole, so a file that cannot be read, or not understood, is a mistake
or a moment in between: the keys known so far stay good and the mistake is logged. A file that is there and holds no key
lets nobody in. No key is ever logged, compared in a time that depends on it, or part of a message.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import threading
from pathlib import Path
from typing import Protocol

from face_comparison.errors import Forbidden, InvalidSettings, Unauthorized

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
_KEY = re.compile(r"[!-~]{1,512}")  # what fits a header: printable ASCII without spaces
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)


def parsed_keys(text: str) -> dict[str, bytes]:
    """Digest of each key by its name; blank lines and lines that begin with # are passed over.

    Raises ValueError, which names the line and never what is in it.
    """
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, colon, key = (part.strip() for part in stripped.partition(":"))
        if not colon or not _NAME.fullmatch(name) or not _KEY.fullmatch(key):
            raise ValueError(
                f"line {number} must be name:key, the name of letters, digits and . _ @ -, "
                "the key of printable ASCII without spaces"
            )
        if name in keys:
            raise ValueError(f"line {number} gives a name a second time")
        if _digest(key) in keys.values():
            raise ValueError(f"line {number} gives a key a second time")
        keys[name] = _digest(key)
    return keys


class Headers(Protocol):
    """Of a request; names in any case."""

    def get(self, name: str, default: str, /) -> str: ...


def presented_key(headers: Headers) -> str:
    """The key that came with a request, from `x-api-key` or `Authorization: Bearer`. Raises Unauthorized."""
    key = headers.get("X-Api-Key", "").strip()
    bearer = _BEARER.fullmatch(headers.get("Authorization", ""))
    if not key and bearer is not None:
        key = bearer[1]
    if not key:
        raise Unauthorized("an API key is required: send it in the header x-api-key, or as Authorization: Bearer <key>")
    return key


class ApiKeys:
    """The keys of one file; safe from any thread."""

    def __init__(self, path: str) -> None:
        """Raises InvalidSettings when the file cannot be read or understood, or holds no key."""
        self._path = Path(path)
        self._lock = threading.Lock()
        try:
            self._state = self._found()
            self._keys = parsed_keys(self._path.read_text("utf-8"))
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "unreadable"
            raise InvalidSettings(f"the API keys file {path} cannot be read: {reason}") from error
        except UnicodeDecodeError as error:
            raise InvalidSettings(f"the API keys file {path} is not UTF-8 text") from error
        except ValueError as error:
            raise InvalidSettings(f"the API keys file {path}: {error}") from error
        if not self._keys:
            raise InvalidSettings(f"the API keys file {path} holds no key: write one name:key a line")

    def authorize(self, headers: Headers) -> str:
        """Name of the key that came with the request. Raises Unauthorized (none came), Forbidden (not a known one)."""
        digest = _digest(presented_key(headers))
        self._refresh()
        name = None
        for known_name, known in self._keys.items():  # all of them, always: the time says nothing about which
            if hmac.compare_digest(digest, known):
                name = known_name
        if name is None:
            raise Forbidden("the API key is not known to this service")
        return name

    def _found(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _refresh(self) -> None:
        with self._lock:
            try:
                found = self._found()
                if found == self._state:
                    return
                self._state = found
                self._keys = parsed_keys(self._path.read_text("utf-8"))
            except OSError as error:
                if self._state != (0, 0, 0):
                    _log.error("the API keys file cannot be read any more (%s): the keys known so far stay good", error)
                self._state = (0, 0, 0)
            except ValueError as error:
                what = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error
                _log.error("the API keys file has changed and is wrong (%s): the keys known so far stay good", what)
            else:
                _log.info("read %d API keys after the file changed", len(self._keys))


def _digest(key: str) -> bytes:
    # Digests have one length, so comparing them tells nothing about the length of a key either.
    return hashlib.sha256(key.encode()).digest()
