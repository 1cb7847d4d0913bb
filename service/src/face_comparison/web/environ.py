"""Keys that the server adds to a WSGI environ, and their values."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping
from typing import Any

ERROR = "face_comparison.error"
"""An exception: the server has not received the whole request; respond with this error."""

DEADLINE = "face_comparison.deadline"
"""Deadline of the request, in `time.monotonic()` seconds."""

CALLER = "face_comparison.caller"
"""Key of the caller that the request's address stands for, behind trusted proxies as well; only of a request with a
body."""

CLIENT = "face_comparison.client"
"""The `ClientConnection` that the request came on."""


LATER = "face_comparison.later"
"""Runs a function in another thread: this request is handled in the event loop, which must not wait for the log."""


class ClientConnection:
    """Whether the client of a request is still connected. Safe from any thread."""

    def __init__(self) -> None:
        self.gone = False
        self._lock = threading.Lock()
        self._callbacks: dict[object, Callable[[], None]] = {}

    def mark_gone(self) -> None:
        """Records that the client has disconnected, and runs each callback once."""
        with self._lock:
            self.gone = True
            callbacks, self._callbacks = self._callbacks, {}
        for callback in callbacks.values():
            callback()

    def on_gone(self, key: object, callback: Callable[[], None]) -> None:
        """Runs `callback` when the client disconnects, or immediately if it already has. `key` is for `forget`."""
        with self._lock:
            if not self.gone:
                self._callbacks[key] = callback
                return
        callback()

    def forget(self, key: object) -> None:
        """Removes the callback that was added with `key`."""
        with self._lock:
            self._callbacks.pop(key, None)


class Body(io.RawIOBase):
    """A whole request body as `wsgi.input`; `take` hands over the buffer without a copy."""

    def __init__(self, data: bytearray) -> None:
        super().__init__()
        self._data = data
        self._position = 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fills the buffer from the body and returns the number of bytes, 0 at the end."""
        part = memoryview(self._data)[self._position : self._position + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)

    def take(self) -> bytearray:
        """Returns the unread rest of the body and leaves this object empty."""
        data, self._data = self._data, bytearray()
        if self._position:
            del data[: self._position]
            self._position = 0
        return data


def rejection(environ: Mapping[str, Any]) -> Exception | None:
    """Returns the error with which the server rejects this request, if any."""
    error = environ.get(ERROR)
    return error if isinstance(error, Exception) else None
