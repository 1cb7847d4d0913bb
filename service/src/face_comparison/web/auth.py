"""API keys from a mounted file: one `name:key` or `name:key:permissions` per line, reloaded when the file changes.

When the file is reloaded, its valid lines take effect even if others are invalid, so removing a line always revokes its
key immediately. Invalid lines are logged and counted in a gauge; at startup, they are a fatal error. Kubernetes
replaces a mounted Secret as a whole, so a file that cannot be opened is a transient state, and the previous keys stay
valid. Keys are never logged or quoted in messages, and are compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from face_comparison.errors import Forbidden, InvalidSettings, Unauthorized
from face_comparison.observability import metrics
from face_comparison.web.permissions import ALL, PERMISSIONS, Permission, split_permissions

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
_KEY = re.compile(r"[!-~]{1,512}")  # valid in a header: printable ASCII without spaces
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)

MIN_KEY_LENGTH = 16
"""Shorter keys are accepted with a warning; `openssl rand -hex 32` generates a key that cannot be guessed."""

MAX_FILE_BYTES = 2**20

MAX_LABELS = 100
"""Maximum number of keys with their own label in metrics: each adds a time series per status code, in every worker
process and in Prometheus."""

OTHER = "other"

_GONE = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One line of the file.

    Attributes:
        name: Identifies the caller in logs and limits.
        digest: SHA-256 of the key.
        short: Whether the key has fewer than `MIN_KEY_LENGTH` characters.
        permissions: What the caller may do.
        secret: The key itself, which is the secret of AWS Signature Version 4.
    """

    name: str
    digest: bytes
    short: bool
    permissions: frozenset[Permission] = ALL
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The keys in a file, and the problem of each invalid line; problems never quote a line."""

    keys: tuple[ApiKey, ...]
    problems: tuple[str, ...]

    @property
    def short(self) -> list[str]:
        """Returns the names of keys that are too short."""
        return [key.name for key in self.keys if key.short]


def parse_keys(text: str) -> KeyFile:
    """Parses the text of a keys file; blank lines and lines that begin with # are ignored.

    If several lines have the same name or key, the first one takes effect, and the others are reported as problems.
    """
    keys: dict[str, ApiKey] = {}
    digests: set[bytes] = set()
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        key = parse_line(stripped)
        if key is None:
            problems.append(
                f"line {number} must be name:key or name:key:permissions, where the name consists of letters, "
                "digits, and . _ @ -, the key of printable ASCII without spaces, and the permissions are a list of "
                f"{','.join(PERMISSIONS)}"
            )
        elif key.name in keys:
            problems.append(f"line {number} repeats a name")
        elif key.digest in digests:
            problems.append(f"line {number} repeats a key")
        else:
            keys[key.name] = key
            digests.add(key.digest)
    return KeyFile(tuple(keys.values()), tuple(problems))


def parse_line(line: str) -> ApiKey | None:
    """Returns the key in a line, or None if the line is invalid."""
    name, colon, rest = (part.strip() for part in line.partition(":"))
    try:
        key, permissions = split_permissions(rest)
    except ValueError:
        return None
    if not colon or not _NAME.fullmatch(name) or not _KEY.fullmatch(key):
        return None
    return ApiKey(name, _digest(key), len(key) < MIN_KEY_LENGTH, permissions, key)


class Headers(Protocol):
    """Headers of a request; names are case-insensitive."""

    def get(self, name: str, default: str, /) -> str:
        """Returns the value of a header."""
        ...


def presented_key(headers: Headers) -> str:
    """Returns the key sent with a request, from `x-api-key` or `Authorization: Bearer`.

    Raises:
        Unauthorized: No key was sent.
    """
    key = headers.get("X-Api-Key", "").strip()
    bearer = _BEARER.fullmatch(headers.get("Authorization", ""))
    if not key and bearer is not None:
        key = bearer[1]
    if not key:
        raise Unauthorized("an API key is required: send it in the header x-api-key, or as Authorization: Bearer <key>")
    return key


class ApiKeys:
    """The keys in a file. Thread-safe."""

    def __init__(self, path: str) -> None:
        """Reads the file.

        Raises:
            InvalidSettings: It cannot be read, a line is invalid, or it contains no key.
        """
        self._path = Path(path)
        self._lock = threading.Lock()
        self._failed: tuple[int, int, int] | None = None
        try:
            self._state = self._found()
            found = parse_keys(self._read())
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "unreadable"
            raise InvalidSettings(f"the API keys file {path} cannot be read: {reason}") from error
        except UnicodeDecodeError as error:
            raise InvalidSettings(f"the API keys file {path} is not UTF-8 text") from error
        except ValueError as error:
            raise InvalidSettings(f"the API keys file {path}: {error}") from error
        if found.problems:
            raise InvalidSettings(f"the API keys file {path}: {'; '.join(found.problems)}")
        if not found.keys:
            raise InvalidSettings(f"the API keys file {path} contains no key: write one name:key per line")
        self._use(found)
        self._warn_if_writable()

    def authorize(self, headers: Headers) -> str:
        """Returns the name of the key sent with the request.

        Raises:
            Unauthorized: No key was sent.
            Forbidden: The key is unknown.
        """
        name = self.identify(presented_key(headers))
        if name is None:
            raise Forbidden("the API key is not known to this service")
        return name

    def identify(self, presented: str) -> str | None:
        """Returns the name of a key, or None if it is unknown."""
        digest = _digest(presented)
        self._refresh()
        name = None
        for key in self._keys:  # Always compares all of them, so that the time does not reveal which one matched.
            if hmac.compare_digest(digest, key.digest):
                name = key.name
        return name

    def secret(self, name: str) -> str | None:
        """Returns the key with this name, for verifying a signature, or None if there is none."""
        self._refresh()
        return next((key.secret for key in self._keys if key.name == name), None)

    def permissions(self, name: str) -> frozenset[Permission]:
        """Returns the permissions of the key with this name: none if its line has been removed."""
        return next((key.permissions for key in self._keys if key.name == name), frozenset())

    def label(self, name: str) -> str | None:
        """Returns the label in metrics for the key with this name, or None if there is no such key."""
        for number, key in enumerate(self._keys):
            if key.name == name:
                return name if number < MAX_LABELS else OTHER
        return None

    def _found(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _read(self, errors: str = "strict") -> str:
        status = self._path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
            raise ValueError("it is not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise ValueError(f"it is larger than {MAX_FILE_BYTES} bytes")
        return self._path.read_text("utf-8", errors)

    def _use(self, found: KeyFile) -> None:
        self._keys = found.keys
        metrics.API_KEYS.set(len(found.keys))
        metrics.API_KEYS_RELOAD_FAILED.set(0)
        metrics.INVALID_KEY_LINES.set(len(found.problems))
        metrics.SHORT_API_KEYS.set(len(found.short))
        if found.short:
            _log.warning(
                "API keys of fewer than %d characters can be guessed; replace those of: %s",
                MIN_KEY_LENGTH,
                ", ".join(found.short),
            )

    def _warn_if_writable(self) -> None:
        mode = self._path.stat().st_mode
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            _log.warning(
                "the API keys file is writable by users other than its owner (mode %o), who could add keys; run "
                "chmod go-w on it",
                stat.S_IMODE(mode),
            )

    def _refresh(self) -> None:
        with self._lock:
            found = _GONE
            try:
                found = self._found()
                if found == self._state:
                    return
                keys = parse_keys(self._read("replace"))
            except (OSError, ValueError) as error:
                if self._failed != found:
                    reason = error.strerror if isinstance(error, OSError) else error
                    _log.error("reloading the API keys file failed (%s); keeping the previous keys", reason)
                    metrics.API_KEYS_RELOAD_FAILED.set(1)
                self._failed = found  # so that this is logged only once; the next request tries again
                return
            self._state, self._failed = found, None
            for problem in keys.problems:
                _log.error("ignoring a line of the API keys file: %s", problem)
            self._use(keys)
            self._warn_if_writable()
            _log.info("read %d API keys after the file changed", len(keys.keys))


def _digest(key: str) -> bytes:
    # All digests have the same length, so comparing them does not reveal the length of a key either.
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


Clock = Callable[[], float]


class FailureThrottle:
    """Counts failed authorizations per address and reports when an address has had too many.

    Each address has a token bucket: `burst` failures at once, then `per_second`. If there are more than `max_addresses`
    addresses, those whose last failure is oldest are forgotten.
    """

    def __init__(self, clock: Clock, burst: int = 200, per_second: float = 10.0, max_addresses: int = 10_000) -> None:
        self._clock, self._burst, self._per_second, self._max = clock, burst, per_second, max_addresses
        self._lock = threading.Lock()
        self._failures: dict[str, tuple[float, float]] = {}

    def record(self, address: str) -> bool:
        """Counts a failure, and returns whether the address has had too many."""
        with self._lock:
            now = self._clock()
            level, at = self._failures.pop(address, (0.0, now))
            level = max(0.0, level - (now - at) * self._per_second)
            exceeded = level + 1 > self._burst
            self._failures[address] = (level if exceeded else level + 1, now)
            while len(self._failures) > self._max:
                del self._failures[next(iter(self._failures))]
            return exceeded
